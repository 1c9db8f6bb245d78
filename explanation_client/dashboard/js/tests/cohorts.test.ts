import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Condition,
  maskOf,
  readCohorts,
  readConditions,
  writeCohorts,
  writeConditions,
} from "../src/cohorts/conditions";
import { metricsOf } from "../src/cohorts/metrics";
import { type Column, makeColumn } from "../src/model/columns";
import type { Data, Explanation } from "../src/model/explanation";
import { type Labels } from "../src/model/labels";
import type { Info } from "../src/model/manifest";
import { allRows } from "../src/model/rows";
import { compare } from "../src/panels/compare_explanations";

const rows = allRows(5);

function dataOf(...columns: Column[]): Data {
  const known = new Map(columns.map((column) => [column.name, column]));
  return { rows, names: [...known.keys()], byName: (name) => known.get(name) };
}

const data = dataOf(
  makeColumn("age", "float64", Float64Array.of(10, 20, NaN, 40, 30)),
  makeColumn("town", "object", ["Lund", null, "Umeå", "Lund", "__proto__"]),
);

function kept(...conditions: Condition[]): number[] {
  return [...maskOf(conditions, data, null, 5)];
}

test("conditions come back from their text as they were", () => {
  const conditions: Condition[] = [
    { origin: "data", name: 'a "name", with \u202e marks', low: -1.5, high: 2e300 },
    { origin: "data", name: "town", among: ["Lund", "", "</script>"], missing: true },
    { origin: "proba", name: "1", low: 0.5 },
    { origin: "predicted", name: "", among: [] },
  ];
  assert.deepEqual(readConditions(writeConditions(conditions)), conditions);
  const cohorts = [{ name: "Lund & co", conditions }, { name: "", conditions: [] }];
  assert.deepEqual(readCohorts(writeCohorts(cohorts)), cohorts);
  assert.equal(writeConditions([]), "");
  assert.deepEqual(readConditions(""), []);
});

test("of a text that says conditions wrongly what is right is kept", () => {
  assert.deepEqual(readConditions("[{"), []);
  assert.deepEqual(readConditions('{"origin":"data","name":"age"}'), []);
  const some = '[7, null, {"origin":"elsewhere","name":"age"}, {"origin":"data"}, {"origin":"data","name":"age","low":"1","high":3,"among":["x",4]}]';
  assert.deepEqual(readConditions(some), [{ origin: "data", name: "age", high: 3, among: ["x"] }]);
  assert.deepEqual(readCohorts('[{"name":"a"},{"conditions":[]},{"name":"b","conditions":[1]}]'), [{ name: "b", conditions: [] }]);
});

test("bounds hold at both ends, and for missing values only where that is said", () => {
  assert.deepEqual(kept({ origin: "data", name: "age", low: 20, high: 30 }), [0, 1, 0, 0, 1]);
  assert.deepEqual(kept({ origin: "data", name: "age", low: 20, high: 30, missing: true }), [0, 1, 1, 0, 1]);
  assert.deepEqual(kept({ origin: "data", name: "age", high: null }), [1, 1, 0, 1, 1]);
});

test("categories hold by name, and for missing ones only where that is said", () => {
  assert.deepEqual(kept({ origin: "data", name: "town", among: ["Lund", "__proto__", "Paris"] }), [1, 0, 0, 1, 1]);
  assert.deepEqual(kept({ origin: "data", name: "town", among: ["Umeå"], missing: true }), [0, 1, 1, 0, 0]);
  assert.deepEqual(kept({ origin: "data", name: "town" }), [1, 0, 1, 1, 1]);
  assert.deepEqual(kept({ origin: "data", name: "town", among: [] }), [0, 0, 0, 0, 0]);
});

test("all conditions must hold; none keeps every row, an unknown column none", () => {
  assert.deepEqual(kept({ origin: "data", name: "age", low: 20 }, { origin: "data", name: "town", among: ["Lund"] }), [0, 0, 0, 1, 0]);
  assert.deepEqual(kept(), [1, 1, 1, 1, 1]);
  assert.deepEqual(kept({ origin: "data", name: "height", missing: true }), [0, 0, 0, 0, 0]);
  assert.deepEqual(kept({ origin: "predicted", name: "" }), [0, 0, 0, 0, 0]);
  assert.deepEqual([...maskOf([{ origin: "data", name: "age" }], null, null, 5)], [0, 0, 0, 0, 0]);
});

function labelsOf(some: Partial<Labels>): Labels {
  return { rows, rowNames: null, predicted: null, true: null, proba: null, predictedOutput: null, ...some };
}

function found(labels: Labels | null, task: Info["task"], output: number, mask: Uint8Array | null): Record<string, number> {
  const info = { task } as Info;
  return Object.fromEntries(metricsOf(labels, info, output, mask, 5).map(({ key, value }) => [key.replace("metric.", ""), value]));
}

test("metrics of a classification are those worked out by hand", () => {
  // Predicted 0 1 1 0 1, true 0 1 0 1 unknown: of four judged rows two are right.
  const labels = labelsOf({
    predictedOutput: Int32Array.of(0, 1, 1, 0, 1),
    true: makeColumn("true", "float64", Float64Array.of(0, 1, 0, 1, NaN)),
    proba: [Float64Array.of(0.9, 0.2, 0.4, 0.7, 0.3), Float64Array.of(0.1, 0.8, 0.6, 0.3, 0.7)],
  });
  const all = found(labels, "classification", 1, null);
  assert.equal(all.rows, 5);
  assert.equal(all.predictedShare, 3 / 5);
  assert.equal(all.accuracy, 2 / 4);
  assert.deepEqual([all.precision, all.recall, all.f1], [1 / 2, 1 / 2, 1 / 2]);
  assert.ok(Math.abs(all.meanProbability - 0.5) < 1e-12);
  const some = found(labels, "classification", 1, Uint8Array.of(1, 1, 0, 1, 0));
  assert.deepEqual([some.rows, some.accuracy, some.precision, some.recall], [3, 2 / 3, 1, 1 / 2]);
  assert.ok(Math.abs(some.f1 - 2 / 3) < 1e-12);
  const none = found(labels, "classification", 1, new Uint8Array(5));
  assert.equal(none.rows, 0);
  for (const key of ["predictedShare", "accuracy", "precision", "recall", "f1", "meanProbability"]) assert.ok(Number.isNaN(none[key]), key);
  assert.deepEqual(found(null, "classification", 1, null), { rows: 5 });
});

test("metrics of a regression are those worked out by hand", () => {
  // Errors 1, -2, 0 and 3 of four judged rows; the true values 1, 4, 3, 2 have mean 2.5 and variance 1.25.
  const labels = labelsOf({
    predicted: makeColumn("predicted", "float64", Float64Array.of(2, 2, 3, 5, 8)),
    true: makeColumn("true", "float64", Float64Array.of(1, 4, 3, 2, NaN)),
  });
  const all = found(labels, "regression", 0, null);
  assert.deepEqual([all.rows, all.meanPrediction, all.mae, all.bias], [5, 4, 6 / 4, 2 / 4]);
  assert.ok(Math.abs(all.rmse - Math.sqrt(14 / 4)) < 1e-12);
  assert.ok(Math.abs(all.r2 - (1 - 14 / 4 / 1.25)) < 1e-12);
  const one = found(labels, "regression", 0, Uint8Array.of(0, 0, 1, 0, 0));
  assert.deepEqual([one.mae, one.rmse, one.bias], [0, 0, 0]);
  assert.ok(Number.isNaN(one.r2));
});

/** What comparing looks at, of features and their importances in order; NaN for those that a cut left out. */
function explained(importances: Readonly<Record<string, number>>, rest = 0): Explanation {
  const features = Object.keys(importances);
  const values = Float64Array.from(Object.values(importances));
  const place = (value: number): number => (Number.isNaN(value) ? -1 : Math.abs(value));
  const order = Int32Array.from(features.keys()).sort((a, b) => place(values[b]) - place(values[a]));
  const kept = values.filter((value) => !Number.isNaN(value)).length;
  return { features, order, global: { values, kept, rest } } as unknown as Explanation;
}

test("two explanations are compared by name: ranks, values, and what only one of them has", () => {
  const compared = compare([explained({ a: 1, b: 6, c: 3 }), explained({ c: 40, a: 20, d: 30 })], false)!;
  const byName = Object.fromEntries(compared.map((each) => [each.name, each]));
  assert.deepEqual(byName.a, { name: "a", values: [1, 20], ranks: [3, 3] });
  assert.deepEqual(byName.c, { name: "c", values: [3, 40], ranks: [2, 1] });
  assert.deepEqual(byName.b, { name: "b", values: [6, NaN], ranks: [1, null] });
  assert.deepEqual(byName.d, { name: "d", values: [NaN, 30], ranks: [null, 2] });
  // By the larger of both shares of the most important one: b and c 1, d 0.75, a 0.5.
  assert.deepEqual(compared.map(({ name }) => name), ["b", "c", "d", "a"]);
});

test("shares are of all features, those that a cut left out included; such have no value", () => {
  const compared = compare([explained({ a: 3, b: NaN, c: -1 }, 4), explained({ a: 1, b: 1, c: 0 })], true)!;
  const byName = Object.fromEntries(compared.map((each) => [each.name, each]));
  assert.deepEqual(byName.a, { name: "a", values: [3 / 8, 1 / 2], ranks: [1, 1] });
  assert.deepEqual(byName.b, { name: "b", values: [NaN, 1 / 2], ranks: [null, 2] });
  assert.deepEqual(byName.c, { name: "c", values: [-1 / 8, 0], ranks: [2, 3] });
});

test("nothing is compared without global importances; more features than a call takes arguments are", () => {
  const without = { features: ["a"], order: Int32Array.of(0), global: null } as unknown as Explanation;
  assert.equal(compare([explained({ a: 1 }), without], true), null);
  const many = Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`f${i}`, i]));
  const compared = compare([explained(many), explained({ f0: 1 })], true)!;
  assert.equal(compared.length, 200_000);
  assert.deepEqual(compared.slice(0, 2).map(({ name }) => name).sort(), ["f0", "f199999"]);
});
