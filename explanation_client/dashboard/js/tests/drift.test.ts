import assert from "node:assert/strict";
import { test } from "node:test";
import { apart, type Distance, judged, obstacle, type Pair, probability, standings, type Standings } from "../src/model/drift";
import type { Explanation } from "../src/model/explanation";
import type { Local } from "../src/model/local";

interface Told {
  readonly task?: string;
  readonly outputs?: readonly string[];
  readonly outputSpace?: string;
  readonly rest?: number;
}

/** What is asked of an explanation: features and their global importances in order; NaN for those that a cut left out. */
function explained(importances: Readonly<Record<string, number>>, told: Told = {}): Explanation {
  const values = Float64Array.from(Object.values(importances));
  const kept = values.filter((value) => !Number.isNaN(value)).length;
  const info = { task: "regression", outputs: ["y"], ...told };
  return { features: Object.keys(importances), global: { values, kept, rest: told.rest ?? 0 }, info } as unknown as Explanation;
}

function compared(...pair: Pair<Explanation>): Standings {
  const found = standings(pair);
  if (typeof found === "string") throw new Error(found);
  return found;
}

test("the ranking of a baseline is kept by as much of its importance as stays in front", () => {
  const same = compared(explained({ a: 3, b: 1 }), explained({ a: 30, b: 10 }));
  assert.equal(same.ndcg, 1);
  const turned = compared(explained({ a: 3, b: 1 }), explained({ a: 1, b: 3 }));
  // Gains 3/4 and 1/4, discounts 1 and 1 / log2(3).
  const discount = 1 / Math.log2(3);
  assert.ok(Math.abs(turned.ndcg - (1 / 4 + (3 / 4) * discount) / (3 / 4 + (1 / 4) * discount)) < 1e-15);
  assert.deepEqual(turned.features.map(({ ranks }) => ranks), [[1, 2], [2, 1]]);
});

test("a feature that only one has counts as nothing in the other", () => {
  const { features } = compared(explained({ a: 1, b: 1 }), explained({ b: 1, c: 3 }));
  assert.deepEqual(features, [
    { name: "a", places: [0, -1], shares: [1 / 2, 0], ranks: [1, 0] },
    { name: "b", places: [1, 0], shares: [1 / 2, 1 / 4], ranks: [2, 2] },
    { name: "c", places: [-1, 1], shares: [0, 3 / 4], ranks: [0, 1] },
  ]);
});

test("what a cut left out is shared evenly, and never more than what it kept", () => {
  const [a, b, c] = compared(explained({ a: 6, b: NaN, c: NaN }, { rest: 2 }), explained({ a: 1, b: 1, c: 1 })).features;
  assert.deepEqual([a, b, c].map(({ shares }) => shares[0]), [6 / 8, 1 / 8, 1 / 8]);
  const [, most] = compared(explained({ a: 2, b: NaN }, { rest: 9 }), explained({ a: 1, b: 1 })).features;
  assert.equal(most.shares[0], 1 / 2);
});

test("what can't be compared says why", () => {
  assert.equal(standings([explained({ a: 1 }), explained({ a: 1 }, { task: "classification" })]), "drift.tasks");
  assert.equal(standings([explained({ a: 1 }), explained({ b: 1 })]), "drift.noFeature");
  const local = { ranked: false } as Local;
  const cut = { ranked: true } as Local;
  const pair = [explained({ a: 1 }), explained({ a: 1 })] as const;
  assert.deepEqual(obstacle(pair, [local, null]), ["drift.noLocal", 1]);
  assert.deepEqual(obstacle(pair, [cut, local]), ["drift.cutLocal", 0]);
  assert.equal(obstacle(pair, [local, local]), null);
  const spaces = [explained({ a: 1 }, { outputSpace: "log-odds" }), explained({ a: 1 }, { outputSpace: "probability" })] as const;
  assert.deepEqual(obstacle(spaces, [local, local]), ["drift.spaces", 0]);
  const classes = (...outputs: string[]): Explanation => explained({ a: 1 }, { task: "classification", outputs });
  assert.deepEqual(obstacle([classes("x", "y"), classes("u", "v")], [local, local]), ["drift.noClass", 0]);
});

test("samples lie as far apart as one was moved, whatever their order and length", () => {
  assert.deepEqual(apart(Float64Array.of(3, 1, 2), Float64Array.of(1, 2, 3)), { far: 0, ks: 0 });
  const moved = apart(Float64Array.of(0, 1, 2, 3), Float64Array.of(10, 13, 11, 12));
  assert.ok(Math.abs(moved.far - 10) < 1e-12);
  assert.equal(moved.ks, 1);
  // Distribution functions 1/2 and 1 on [0, 1): half of the sample is one away.
  assert.deepEqual(apart(Float64Array.of(0, 1), Float64Array.of(0)), { far: 0.5, ks: 0.5 });
});

test("probabilities are those of Kolmogorov's distribution", () => {
  assert.equal(probability(0, 50, 50), 1);
  assert.ok(Number.isNaN(probability(NaN, 50, 50)));
  // Its median and its upper per cent: 0.8276 and 1.6276.
  const scaled = (value: number, n: number): number => value / (Math.sqrt(n / 2) + 0.12 + 0.11 / Math.sqrt(n / 2));
  assert.ok(Math.abs(probability(scaled(0.82757, 400), 400, 400) - 0.5) < 1e-4);
  assert.ok(Math.abs(probability(scaled(1.62762, 400), 400, 400) - 0.01) < 1e-5);
});

test("a feature moves by its share or its distance, and where chance would not do it", () => {
  const found = compared(explained({ a: 50, b: 30, c: 20 }), explained({ a: 50, b: 30, c: 20 }));
  const far = new Map<string, Distance>([
    ["a", { distance: 0.04, ks: 0.5, pValue: 0 }],
    ["b", { distance: 0.2, ks: 0.2, pValue: 0.5 }],
    ["c", { distance: 0.06, ks: 0.4, pValue: 0.001 }],
  ]);
  const drift = judged(found, far);
  assert.deepEqual(drift.features.map(({ name, moved }) => [name, moved]), [["c", true], ["b", false], ["a", false]]);
  assert.deepEqual([drift.moved, drift.drifted], [1, true]);
  const shares = judged(compared(explained({ a: 6, b: 4 }), explained({ a: 7, b: 3 })), new Map());
  assert.deepEqual([shares.moved, shares.drifted], [2, true]);
});
