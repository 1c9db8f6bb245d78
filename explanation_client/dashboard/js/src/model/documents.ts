/** The explained documents: their texts, where each word stands, how much each occurrence moved each output. */

import { guarded } from "./files";
import type { FileEntry } from "./manifest";
import type { Numbers, Table } from "./parquet";
import type { RowSet } from "./rows";

export interface Token {
  /** Where it stands in the text, counted as JavaScript counts. */
  readonly start: number;
  readonly end: number;
  /** Position of its feature. */
  readonly word: number;
}

export interface Sentence {
  readonly start: number;
  readonly end: number;
  /** How much the explainer attended to it; null where that is not stored. */
  readonly weight: number | null;
}

export interface Document {
  readonly text: string;
  /** In order; they do not overlap. */
  readonly tokens: readonly Token[];
  readonly sentences: readonly Sentence[];
  /** How much the explainer attended to each token; null where that is not stored. */
  readonly weights: Numbers | null;
  /** Importance of each token for an output. */
  values(output: number): Numbers;
}

export interface Documents {
  readonly rows: RowSet;
  /** The document at a place among those at hand. */
  at(place: number): Document;
}

export interface TextFile {
  readonly entry: FileEntry;
  readonly table: Table;
}

/** Files of one range of documents: those of tokens and sentences are missing where there are none. */
export interface TextShard {
  readonly texts: TextFile;
  readonly tokens: TextFile | null;
  readonly sentences: TextFile | null;
}

/** Returns the documents of some files, which follow each other in the order of the rows. */
export function makeDocuments(shards: readonly TextShard[], rows: RowSet, outputs: number, features: number): Documents {
  const opened = shards.map((shard) => openShard(shard, outputs, features));
  const firsts: number[] = [];
  let count = 0;
  for (const { size } of opened) {
    firsts.push(count);
    count += size;
  }
  if (count !== rows.count) throw new Error(`there are ${count} documents for ${rows.count} rows`);
  return {
    rows,
    at: (place) => {
      let shard = opened.length - 1;
      while (firsts[shard] > place) shard--;
      return opened[shard].at(place - firsts[shard]);
    },
  };
}

interface Shard {
  readonly size: number;
  at(place: number): Document;
}

function openShard({ texts, tokens, sentences }: TextShard, outputs: number, features: number): Shard {
  const { entry, table } = texts;
  const cells = guarded(entry.name, () => table.cells(table.find("text")));
  const tokenEnds = guarded(entry.name, () => ends(column(table, "tokens"), tokens?.table.rows ?? 0));
  const hasSentences = table.find("sentences") >= 0;
  const sentenceEnds = guarded(entry.name, () =>
    hasSentences ? ends(column(table, "sentences"), sentences?.table.rows ?? 0) : null,
  );
  return {
    size: table.rows,
    at: (place) => {
      const text = String(cells[place] ?? "");
      const places = charPlaces(text);
      const [first, end] = [place ? tokenEnds[place - 1] : 0, tokenEnds[place]];
      const part = (name: string): Numbers => column(tokens?.table, name).subarray(first, end);
      const read = <T>(make: () => T): T => guarded(tokens?.entry.name ?? entry.name, make);
      return {
        text,
        tokens: read(() => (end > first ? makeTokens(part("start"), part("end"), part("word"), places, features) : [])),
        weights: read(() => (end > first && (tokens?.table.find("weight") ?? -1) >= 0 ? finite(part("weight")) : null)),
        sentences:
          sentences === null || sentenceEnds === null
            ? []
            : guarded(sentences.entry.name, () =>
                makeSentences(sentences.table, place ? sentenceEnds[place - 1] : 0, sentenceEnds[place], places),
              ),
        values: (output) => {
          if (!(output >= 0 && output < outputs)) throw new Error(`there is no output ${output}`);
          return read(() => (end > first ? finite(part(`value_${output}`)) : new Float64Array(0)));
        },
      };
    },
  };
}

function makeTokens(
  starts: Numbers,
  ends: Numbers,
  words: Numbers,
  places: (character: number) => number,
  features: number,
): Token[] {
  let last = 0;
  return Array.from(starts, (start, i) => {
    const token = { start: places(start), end: places(ends[i]), word: words[i] };
    if (!(token.start >= last && token.end >= token.start)) throw new Error(`token ${i} is out of order`);
    if (!(token.word >= 0 && token.word < features)) throw new Error(`token ${i} has feature ${token.word}`);
    last = token.end;
    return token;
  });
}

function makeSentences(table: Table, first: number, end: number, places: (character: number) => number): Sentence[] {
  const part = (name: string): Numbers => column(table, name).subarray(first, end);
  const [starts, lasts] = [part("start"), part("end")];
  const weights = table.find("weight") < 0 ? null : finite(part("weight"));
  let last = 0;
  return Array.from(starts, (start, i) => {
    const sentence = { start: places(start), end: places(lasts[i]), weight: weights === null ? null : weights[i] };
    if (!(sentence.start >= last && sentence.end >= sentence.start)) throw new Error(`sentence ${i} is out of order`);
    last = sentence.end;
    return sentence;
  });
}

function column(table: Table | undefined, name: string): Numbers {
  const place = table?.find(name) ?? -1;
  if (table === undefined || place < 0) throw new Error(`has no column ${name}`);
  return table.numbers(place);
}

/** Where the lines of each document end, of counts that must add up to all lines. */
function ends(counts: Numbers, total: number): Float64Array {
  let sum = 0;
  const found = Float64Array.from(counts, (count) => {
    if (count < 0) throw new Error(`speaks of ${count} lines`);
    return (sum += count);
  });
  if (sum !== total) throw new Error(`speaks of ${sum} lines where there are ${total}`);
  return found;
}

function finite(values: Numbers): Numbers {
  if (!values.every(Number.isFinite)) throw new Error("holds numbers that are not finite");
  return values;
}

/**
 * Returns what turns a place that counts Unicode code points, as the stored ones do, into one that counts as JavaScript
 * does: a character beyond the basic plane counts twice there. Throws outside the text.
 */
function charPlaces(text: string): (character: number) => number {
  const twice: number[] = [];
  let count = 0;
  for (let i = 0; i < text.length; i++, count++) {
    if ((text.codePointAt(i) ?? 0) > 0xffff) {
      twice.push(count);
      i++;
    }
  }
  return (character) => {
    if (!(character >= 0 && character <= count)) throw new Error(`names character ${character} of ${count}`);
    let [low, high] = [0, twice.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (twice[middle] < character) low = middle + 1;
      else high = middle;
    }
    return character + low;
  };
}

/** The importances of a document's different words: occurrences added up, most important first. */
export interface WordSum {
  readonly word: number;
  readonly value: number;
  readonly count: number;
}

export function wordSums(tokens: readonly Token[], values: Numbers): WordSum[] {
  const found = new Map<number, { value: number; count: number }>();
  tokens.forEach(({ word }, i) => {
    const sum = found.get(word) ?? { value: 0, count: 0 };
    sum.value += values[i];
    sum.count++;
    found.set(word, sum);
  });
  return Array.from(found, ([word, { value, count }]) => ({ word, value, count })).sort(
    (a, b) => Math.abs(b.value) - Math.abs(a.value) || a.word - b.word,
  );
}

/** A piece of a text: a token, or what stands between two. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  /** Position among the tokens; -1 for what is none. */
  readonly token: number;
  /** A sentence that begins with this piece; -1 for none. */
  readonly sentence: number;
}

/** Returns a document's text in pieces: at most so many tokens, and so many characters. */
export function pieces({ text, tokens, sentences }: Document, most = Infinity, characters = Infinity): Piece[] {
  const found: Piece[] = [];
  let [at, next] = [0, 0];
  const add = (end: number, token: number): void => {
    const begins = next < sentences.length && sentences[next].start <= at;
    found.push({ start: at, end, token, sentence: begins ? next++ : -1 });
    at = end;
  };
  // What stands between two tokens is divided where a sentence begins.
  const between = (until: number): void => {
    while (at < until) {
      const begins = next < sentences.length && sentences[next].start <= at;
      add(Math.max(at, Math.min(until, sentences[begins ? next + 1 : next]?.start ?? until)), -1);
    }
  };
  let shown = 0;
  while (shown < Math.min(most, tokens.length) && tokens[shown].end <= characters) {
    between(tokens[shown].start);
    add(tokens[shown].end, shown);
    shown++;
  }
  between(Math.min(characters, tokens[shown]?.start ?? text.length));
  return found;
}
