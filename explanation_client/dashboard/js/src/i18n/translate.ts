/** Texts in the reader's language, and numbers as that language writes them. */

import type { Value } from "../host";
import { isoTime } from "../model/columns";
import { type Key, LANGUAGES, STRINGS } from "./strings";

export type Language = (typeof LANGUAGES)[number];
export type Translate = (key: Key, values?: Readonly<Record<string, string | number>>) => string;

/** Returns the language that the dashboard speaks for a tag such as "fr-CA", else for those of the browser. */
export function chooseLanguage(tag: string | undefined, browser: readonly string[]): Language {
  const wanted = [...(tag === undefined ? [] : [tag]), ...browser].map((found) => found.toLowerCase().split(/[-_]/)[0]);
  const known = wanted.find((name) => (LANGUAGES as readonly string[]).includes(name));
  return (known as Language | undefined) ?? "en";
}

/** Returns the function that gives texts in a language; numbers in them are written as it does. */
export function translator(language: Language, format: Format): Translate {
  const place = LANGUAGES.indexOf(language);
  const plural = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const forms: readonly string[] = STRINGS[key][place].split(" | ");
    const form = forms.length > 1 && plural.select(Number(values.n)) !== "one" ? forms[1] : forms[0];
    return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return typeof value === "number" ? format.integer(value) : (value ?? whole);
    });
  };
}

const MINUS = "\u2212";

/** Numbers, dates and values as they are shown. */
export class Format {
  readonly #integer: Intl.NumberFormat;
  readonly #short: Intl.NumberFormat;
  readonly #tiny: Intl.NumberFormat;
  readonly #compact: Intl.NumberFormat;
  readonly #percent: Intl.NumberFormat;
  readonly #time: Intl.DateTimeFormat;
  readonly #date: Intl.DateTimeFormat;
  readonly language: string;

  constructor(language: string) {
    this.language = language;
    this.#integer = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
    this.#short = new Intl.NumberFormat(language, { maximumSignificantDigits: 4 });
    this.#tiny = new Intl.NumberFormat(language, { notation: "scientific", maximumSignificantDigits: 4 });
    this.#compact = new Intl.NumberFormat(language, { notation: "compact", maximumSignificantDigits: 4 });
    this.#percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
    this.#time = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    this.#date = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
  }

  /** A count. */
  integer(value: number): string {
    return this.#integer.format(value);
  }

  /** A number with four digits: 0.1234, 1.2E-9. Never a zero for what is none. */
  number(value: number): string {
    if (Number.isNaN(value)) return "–";
    if (value === 0) return "0";
    const size = Math.abs(value);
    const text = size < 1e-4 || size >= 1e7 ? this.#tiny.format(value) : this.#short.format(value);
    return text.replaceAll("-", MINUS);
  }

  /** A number with its sign, plus too. */
  signed(value: number): string {
    return value > 0 ? `+${this.number(value)}` : this.number(value);
  }

  /** Numbers that stand below each other: with as many decimals as give the largest four digits; small ones keep theirs. */
  series(values: Iterable<number>, signed = false): (value: number) => string {
    let most = 0;
    for (const value of values) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
    const decimals = 3 - Math.floor(Math.log10(most));
    if (!(decimals >= 0 && decimals <= 7)) return (value) => (signed ? this.signed(value) : this.number(value));
    const fixed = new Intl.NumberFormat(this.language, {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    return (value) => {
      if (value === 0) return "0";
      if (!Number.isFinite(value) || Math.abs(value) * 10 ** decimals < 1)
        return signed ? this.signed(value) : this.number(value);
      return (signed && value > 0 ? "+" : "") + fixed.format(value).replaceAll("-", MINUS);
    };
  }

  /** A number with so many decimals. */
  fixed(value: number, decimals: number): string {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    return value.toLocaleString(this.language, digits).replaceAll("-", MINUS);
  }

  /** A tick of an axis with steps of a size. */
  tick(value: number, step: number): string {
    const size = Math.max(Math.abs(value), Math.abs(step));
    if (value === 0) return "0";
    if (size >= 1e6) return this.#compact.format(value).replaceAll("-", MINUS);
    if (size < 1e-4) return this.#tiny.format(value).replaceAll("-", MINUS);
    const digits = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
    return value
      .toLocaleString(this.language, { minimumFractionDigits: digits, maximumFractionDigits: digits })
      .replaceAll("-", MINUS);
  }

  percent(value: number): string {
    return this.#percent.format(value);
  }

  /** A part of a whole, with a decimal: shares that stand below each other. */
  share(value: number): string {
    const digits = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 } as const;
    return value.toLocaleString(this.language, digits);
  }

  /** A moment of ISO 8601, in the reader's own zone. */
  moment(iso: string): string {
    const date = new Date(iso);
    return Number.isNaN(date.getTime()) ? iso : this.#time.format(date);
  }

  /** A date of a column, which has no zone. */
  date(milliseconds: number): string {
    return this.#date.format(milliseconds);
  }

  bytes(size: number): string {
    const unit = size < 1e6 ? "kilobyte" : "megabyte";
    const amount = size / (unit === "kilobyte" ? 1e3 : 1e6);
    const digits = { style: "unit", unit, maximumSignificantDigits: 2 } as const;
    return new Intl.NumberFormat(this.language, digits).format(amount);
  }

  /** A value of a column; `missing` where there is none. */
  value(value: Value, missing: string): string {
    if (value === null) return missing;
    if (typeof value === "number")
      return Number.isInteger(value) && Math.abs(value) < 1e7
        ? value.toLocaleString(this.language, { useGrouping: Math.abs(value) >= 1e4 }).replaceAll("-", MINUS)
        : this.number(value);
    return String(value);
  }

  /** A time of an axis or a tooltip. */
  time(milliseconds: number): string {
    return isoTime(milliseconds)?.replace("T", " ") ?? "–";
  }
}
