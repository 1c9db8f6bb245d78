/** Chooses a feature from the globally most important ones. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp } from "../app";
import { shown } from "../lib/text";
import { Select } from "./controls";

// A list of more is no longer a list that somebody reads; the search of global importance finds the others.
const MOST = 1000;

interface FeaturePickerProps {
  label: string;
  value: number;
  /** Positions to choose from; by default all, in the global ranking. */
  features?: ArrayLike<number>;
  onChange(position: number): void;
}

export function FeaturePicker({ label, value, features, onChange }: FeaturePickerProps): JSX.Element {
  const { explanation } = useApp();
  const choices = useMemo(() => {
    const positions = Array.from(features ?? explanation.order).slice(0, MOST);
    if (!positions.includes(value)) positions.unshift(value);
    return positions.map((position) => ({
      value: String(position),
      label: shown(explanation.features[position], 60),
    }));
  }, [explanation, features, value]);
  return (
    <Select label={label} value={String(value)} choices={choices} onChange={(chosen) => onChange(Number(chosen))} />
  );
}
