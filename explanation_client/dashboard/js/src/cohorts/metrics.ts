/** How well the model does on some rows, from the predictions and true values that were stored. */

import type { Key } from "../i18n/strings";
import type { Info } from "../model/manifest";
import type { Labels } from "../model/labels";

export interface Metric {
  readonly key: Key;
  readonly value: number;
  readonly percent?: boolean;
}

/** Returns what can be said of the rows of a mask: their number, then metrics of the task; NaN where there are none. */
export function metricsOf(labels: Labels | null, info: Info, output: number, mask: Uint8Array | null, count: number): readonly Metric[] {
  const rows: number[] = [];
  for (let row = 0; row < count; row++) if (mask === null || mask[row]) rows.push(row);
  const found: Metric[] = [{ key: "metric.rows", value: rows.length }];
  if (labels === null) return found;
  return [...found, ...(info.task === "classification" ? classification(labels, output, rows) : regression(labels, rows))];
}

function classification(labels: Labels, output: number, rows: readonly number[]): Metric[] {
  const found: Metric[] = [];
  const { predictedOutput: predicted, true: actual, proba } = labels;
  const share = (part: number, whole: number): number => (whole > 0 ? part / whole : NaN);
  if (predicted !== null) {
    const known = rows.filter((row) => predicted[row] >= 0);
    found.push({ key: "metric.predictedShare", percent: true, value: share(known.filter((row) => predicted[row] === output).length, known.length) });
    if (actual !== null) {
      const judged = known.filter((row) => !Number.isNaN(actual.values[row]));
      const both = judged.filter((row) => predicted[row] === output && actual.values[row] === output).length;
      const precision = share(both, judged.filter((row) => predicted[row] === output).length);
      const recall = share(both, judged.filter((row) => actual.values[row] === output).length);
      found.push(
        { key: "metric.accuracy", percent: true, value: share(judged.filter((row) => predicted[row] === actual.values[row]).length, judged.length) },
        { key: "metric.precision", percent: true, value: precision },
        { key: "metric.recall", percent: true, value: recall },
        { key: "metric.f1", percent: true, value: precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : NaN },
      );
    }
  }
  const column = proba?.[output];
  if (column !== undefined) found.push({ key: "metric.meanProbability", value: mean(rows.map((row) => column[row])) });
  return found;
}

function regression({ predicted, true: actual }: Labels, rows: readonly number[]): Metric[] {
  const found: Metric[] = [];
  if (predicted !== null && predicted.kind === "number") found.push({ key: "metric.meanPrediction", value: mean(rows.map((row) => predicted.values[row])) });
  if (predicted === null || actual === null || predicted.kind !== "number" || actual.kind !== "number") return found;
  const judged = rows.filter((row) => !Number.isNaN(actual.values[row]) && !Number.isNaN(predicted.values[row]));
  const errors = judged.map((row) => predicted.values[row] - actual.values[row]);
  const middle = mean(judged.map((row) => actual.values[row]));
  const spread = mean(judged.map((row) => (actual.values[row] - middle) ** 2));
  const squared = mean(errors.map((error) => error ** 2));
  return [
    ...found,
    { key: "metric.mae", value: mean(errors.map(Math.abs)) },
    { key: "metric.rmse", value: Math.sqrt(squared) },
    { key: "metric.r2", value: spread > 0 ? 1 - squared / spread : NaN },
    { key: "metric.bias", value: mean(errors) },
  ];
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
