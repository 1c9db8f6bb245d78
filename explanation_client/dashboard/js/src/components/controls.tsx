/** The few controls that panels are made of. All are the browser's own, so that keyboards and readers know them. */

import type { ComponentChildren, JSX } from "preact";
import { useUnique } from "../lib/ids";

export interface Choice<V extends string> {
  readonly value: V;
  readonly label: string;
  readonly disabled?: boolean;
}

export interface ChoiceGroup<V extends string> {
  readonly label: string;
  readonly choices: readonly Choice<V>[];
}

interface FieldProps {
  label: string;
  children: (id: string) => ComponentChildren;
  class?: string;
}

/** A control under its label. */
export function Field({ label, children, class: more }: FieldProps): JSX.Element {
  const id = useUnique();
  return (
    <div class={`xd-field ${more ?? ""}`}>
      <label class="xd-label" for={id}>
        {label}
      </label>
      {children(id)}
    </div>
  );
}

interface SelectProps<V extends string> {
  label: string;
  value: V;
  choices: readonly (Choice<V> | ChoiceGroup<V>)[];
  onChange(value: V): void;
}

/** A list of which one is chosen. */
export function Select<V extends string>({ label, value, choices, onChange }: SelectProps<V>): JSX.Element {
  const option = (choice: Choice<V>): JSX.Element => (
    <option key={choice.value} value={choice.value} disabled={choice.disabled} selected={choice.value === value}>
      {choice.label}
    </option>
  );
  return (
    <Field label={label}>
      {(id) => (
        <select id={id} class="xd-select" value={value} onChange={(event) => onChange(event.currentTarget.value as V)}>
          {choices.map((choice) =>
            "choices" in choice ? (
              <optgroup key={choice.label} label={choice.label}>
                {choice.choices.map(option)}
              </optgroup>
            ) : (
              option(choice)
            ),
          )}
        </select>
      )}
    </Field>
  );
}

interface SegmentedProps<V extends string> {
  label: string;
  value: V;
  choices: readonly Choice<V>[];
  onChange(value: V): void;
}

/** A few choices side by side: radio buttons that look like one control. */
export function Segmented<V extends string>({ label, value, choices, onChange }: SegmentedProps<V>): JSX.Element {
  const name = useUnique();
  return (
    <div class="xd-field" role="radiogroup" aria-labelledby={`${name}-label`}>
      <span class="xd-label" id={`${name}-label`}>
        {label}
      </span>
      <div class="xd-segments">
        {choices.map((choice) => (
          <label key={choice.value} class="xd-segment">
            <input
              type="radio"
              name={name}
              value={choice.value}
              checked={choice.value === value}
              disabled={choice.disabled}
              onChange={() => onChange(choice.value)}
            />
            <span>{choice.label}</span>
          </label>
        ))}
      </div>
    </div>
  );
}

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  onChange(value: number): void;
}

/** A whole number, as a slider and as a field beside it. */
export function Slider({ label, value, min, max, onChange }: SliderProps): JSX.Element {
  const change = (event: { currentTarget: HTMLInputElement }): void => {
    const wanted = Math.round(event.currentTarget.valueAsNumber);
    if (!Number.isNaN(wanted)) onChange(Math.min(max, Math.max(min, wanted)));
  };
  return (
    <Field label={label}>
      {(id) => (
        <div class="xd-slider">
          <input id={id} type="range" min={min} max={max} value={value} onInput={change} />
          <input
            class="xd-input xd-number"
            type="number"
            aria-label={label}
            min={min}
            max={max}
            value={value}
            onChange={change}
          />
        </div>
      )}
    </Field>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange(value: string): void;
}

export function Search({ label, value, onChange }: SearchProps): JSX.Element {
  return (
    <Field label={label}>
      {(id) => (
        <input
          id={id}
          class="xd-input xd-search"
          type="search"
          autocomplete="off"
          spellcheck={false}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface CheckProps {
  label: string;
  checked: boolean;
  disabled?: boolean;
  onChange(checked: boolean): void;
}

export function Check({ label, checked, disabled, onChange }: CheckProps): JSX.Element {
  return (
    <label class="xd-check">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

interface ButtonProps {
  children: ComponentChildren;
  onClick(): void;
  kind?: "plain" | "quiet" | "primary";
  title?: string;
  disabled?: boolean;
  pressed?: boolean;
}

export function Button({ children, onClick, kind = "plain", title, disabled, pressed }: ButtonProps): JSX.Element {
  return (
    <button
      type="button"
      class={`xd-button xd-button-${kind}`}
      title={title}
      disabled={disabled}
      aria-pressed={pressed}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  onClick(): void;
  disabled?: boolean;
  pressed?: boolean;
}

/** A button of which only a picture is seen; its label shows on hover. */
export function IconButton({ icon, label, onClick, disabled, pressed }: IconButtonProps): JSX.Element {
  return (
    <button
      type="button"
      class="xd-icon-button"
      title={label}
      aria-label={label}
      disabled={disabled}
      aria-pressed={pressed}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

const ICONS = {
  table: "M2.5 3.5h11v9h-11zM2.5 6.5h11M2.5 9.5h11M6.5 6.5v6",
  chart: "M2.5 13.5h11M4.5 11V7.5M8 11V3.5M11.5 11V6",
  light:
    "M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  dark: "M13 9.8A5.6 5.6 0 016.2 3a5.6 5.6 0 106.8 6.8z",
  auto: "M8 2.5a5.5 5.5 0 100 11zM8 2.5a5.5 5.5 0 110 11z",
  previous: "M10 3.5L5.5 8l4.5 4.5",
  next: "M6 3.5L10.5 8 6 12.5",
  plus: "M8 3.5v9M3.5 8h9",
  minus: "M3.5 8h9",
  whole: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  close: "M4 4l8 8M12 4l-8 8",
  info: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 7.3v3.9M8 4.8v.01",
} as const;

export type IconName = keyof typeof ICONS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="xd-icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={ICONS[name]} fill="none" />
    </svg>
  );
}
