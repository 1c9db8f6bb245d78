import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256, sha256Plain } from "../src/lib/sha256";
import { Explanation, OTHERS, PREDICTED } from "../src/model/explanation";
import { parseManifest, StoredDataError } from "../src/model/manifest";
import { golden, numbers } from "./golden";

test("a regression's global and local importances are those that were stored, to the last bit", async () => {
  const explanation = await Explanation.open(golden("regression"));
  assert.deepEqual(
    explanation.features,
    Array.from({ length: 12 }, (_, i) => `f${i}`),
  );
  assert.deepEqual([...explanation.global!.values], numbers(12, 1).map(Math.abs));
  assert.deepEqual(explanation.baseValues, [0.1]);
  const local = await explanation.load("local");
  const expected = numbers(7 * 12, 2);
  for (let row = 0; row < 7; row++) {
    for (let feature = 0; feature < 12; feature++)
      assert.ok(Object.is(local.values(0, feature)[row], expected[row * 12 + feature]));
    const found = local.row(0, row);
    assert.equal(found.rest, 0);
    found.positions.forEach((position, i) => assert.equal(found.values[i], expected[row * 12 + position]));
  }
});

test("columns in the features' own order are read by their names, and the ranking is that of the importances", async () => {
  const explanation = await Explanation.open(golden("streamed"));
  const expected = numbers(3 * 7 * 12, 21);
  const sizes = Array.from(explanation.order, (position) => explanation.global!.values[position]);
  assert.deepEqual(sizes, [...sizes].sort((a, b) => b - a));
  assert.notDeepEqual([...explanation.order], Array.from({ length: 12 }, (_, i) => i));
  for (const all of [true, false]) {
    const local = await explanation.load("local", all);
    assert.deepEqual(local.features, explanation.order);
    for (const output of [0, 1, 2])
      for (let row = 0; row < 7; row++) {
        const value = (feature: number): number => expected[(output * 7 + row) * 12 + feature];
        for (let feature = 0; feature < 12; feature++)
          assert.ok(Object.is(local.values(output, feature)[row], value(feature)));
        const found = local.row(output, row);
        assert.deepEqual(found.positions, explanation.order);
        found.positions.forEach((position, i) => assert.equal(found.values[i], value(position)));
      }
  }
});

test("the mirrored output is the negation of the stored one", async () => {
  const explanation = await Explanation.open(golden("binary"));
  const local = await explanation.load("local", true);
  const stored = Float32Array.from(numbers(15, 3));
  for (let feature = 0; feature < 3; feature++) {
    const [no, yes] = [local.values(0, feature), local.values(1, feature)];
    for (let row = 0; row < 5; row++) {
      assert.ok(Object.is(yes[row], stored[row * 3 + feature]));
      assert.ok(Object.is(no[row], -stored[row * 3 + feature]));
    }
  }
  const perClass = await explanation.load("perClass");
  assert.deepEqual([...perClass[1].values], [...Float32Array.from(numbers(6, 5)).subarray(3)].map(Math.abs));
});

test("a cut explanation has gaps, and a rest that makes each row add up", async () => {
  const explanation = await Explanation.open(golden("multiclass-cut"));
  const whole = numbers(3 * 4 * 6, 8);
  const local = await explanation.load("local");
  for (let output = 0; output < 3; output++) {
    for (let row = 0; row < 4; row++) {
      const expected = whole.slice((output * 4 + row) * 6, (output * 4 + row + 1) * 6);
      const found = local.row(output, row);
      assert.equal(found.restCount, 4);
      found.positions.forEach((position, i) => {
        assert.equal(found.values[i], expected[position]);
        assert.equal(local.values(output, position)[row], expected[position]);
      });
      const sum = found.values.reduce((a, b) => a + b, 0) + found.rest!;
      assert.ok(Math.abs(sum - expected.reduce((a, b) => a + b, 0)) < 1e-9);
    }
  }
  const total = numbers(6, 6)
    .map(Math.abs)
    .reduce((a, b) => a + b, 0);
  const shown = [...explanation.global!.values].filter((value) => !Number.isNaN(value));
  assert.equal(shown.length, 2);
  assert.ok(Math.abs(shown[0] + shown[1] + explanation.global!.rest - total) < 1e-9);
});

test("shards of rows and blocks of columns come together", async () => {
  const explanation = await Explanation.open(golden("wide"));
  assert.equal(explanation.global, null);
  const local = await explanation.load("local");
  const expected = Float32Array.from(numbers(6 * 40, 9));
  for (let feature = 0; feature < 40; feature++) {
    const values = local.values(0, feature);
    for (let row = 0; row < 6; row++) assert.ok(Object.is(values[row], expected[row * 40 + feature]));
  }
});

test("columns and labels keep their types, and missing values stay missing", async () => {
  const explanation = await Explanation.open(golden("with-data"));
  const data = await explanation.load("data");
  const values = data.names.map((name) => data.byName(name)!.value(0));
  assert.deepEqual(values, ["é", true, -3, null, "2026-11-20", null]);
  const labels = await explanation.load("labels");
  assert.deepEqual(labels.rowNames, ["row 17"]);
  assert.equal(labels.predicted!.value(0), "yes");
  assert.equal(labels.predictedOutput![0], 1);
  assert.equal(labels.true!.value(0), null);
  assert.deepEqual(
    labels.proba!.map((column) => column[0]),
    [0.25, 0.75],
  );
});

test("interactions are read without local importances", async () => {
  const explanation = await Explanation.open(golden("interactions"));
  assert.equal(explanation.has("local"), false);
  const { positions, matrices } = await explanation.load("interactions");
  const half = numbers(50, 12).map(Math.abs);
  positions.forEach((a, i) =>
    positions.forEach((b, j) => {
      for (let output = 0; output < 2; output++) {
        assert.equal(matrices[output][i * 5 + j], half[output * 25 + a * 5 + b] + half[output * 25 + b * 5 + a]);
      }
    }),
  );
});

test("a damaged file is refused with its name, and read again on the next try", async () => {
  let broken = true;
  const source = golden("regression", (name, bytes) =>
    broken && name.startsWith("local-") ? bytes.map((byte, i) => byte ^ Number(i === 9)) : bytes,
  );
  const explanation = await Explanation.open(source);
  await assert.rejects(
    explanation.load("local", true),
    (error: Error) => error instanceof StoredDataError && /local-.*SHA-256/.test(error.message),
  );
  broken = false;
  assert.equal((await explanation.load("local", true)).rows.count, 7);
});

test("manifests that readers must refuse are refused", () => {
  const refused = (text: string, why: RegExp): void => {
    assert.throws(
      () => parseManifest(new TextEncoder().encode(text)),
      (error: Error) => error instanceof StoredDataError && why.test(error.message),
    );
  };
  const manifest = (fields: string): string => `{"format": "explanation", "version": 1, ${fields}}`;
  const info =
    '"info": {"id": "i", "created_at": "t", "method": "m", "task": "regression", "outputs": ["y"], "n_features": 1, "n_rows": 1}';
  refused("{", /damaged/);
  refused('{"format": "explanation", "format": "explanation"}', /twice/);
  refused('{"format": "explanation", "version": NaN}', /damaged/);
  refused('{"format": "other"}', /no manifest/);
  refused('{"format": "explanation", "version": 2}', /newer/);
  refused(
    manifest(`${info}, "parts": {}, "files": [{"name": "../x", "role": "view", "size": 1, "sha256": "", "shape": []}]`),
    /names a file/,
  );
  refused(
    manifest(`${info}, "parts": {"local": {"dtype": "float32", "kept": 2, "ranked": false}}, "files": []`),
    /keeps 2 of 1/,
  );
  refused(" ".repeat(300_000), /at most/);
});

test("the digest that is written out equals the browser's", async () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 1000]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7919) >> 3);
    assert.equal(sha256Plain(bytes), await sha256(bytes));
  }
});

/** The stored output of the golden explanation "sampled", (12 rows, 8 features): the other one is its negation. */
function sampledImportances(): number[][] {
  const whole = Float32Array.from(numbers(12 * 8, 14));
  return Array.from({ length: 12 }, (_, row) => [...whole.subarray(row * 8, row * 8 + 8)]);
}

test("a view that leaves out rows, features and the mirrored output gives both outputs, and the rest of each row", async () => {
  const explanation = await Explanation.open(golden("sampled"));
  assert.ok(explanation.isStratified);
  const rows = await explanation.rows();
  const chosen = Array.from({ length: rows.count }, (_, place) => rows.position(place));
  assert.ok(rows.isSample && rows.count === 5 && rows.total === 12);
  const local = await explanation.load("local");
  assert.deepEqual([...local.features], [...explanation.order].slice(0, 3));
  const whole = sampledImportances();
  chosen.forEach((row, place) => {
    for (const [output, sign] of [
      [1, 1],
      [0, -1],
    ]) {
      for (const feature of local.features)
        assert.ok(Object.is(local.values(output, feature)[place], sign * whole[row][feature]));
      const found = local.row(output, place);
      assert.equal(found.restCount, 5);
      const rest = whole[row].reduce((sum, value, i) => (local.features.includes(i) ? sum : sum + value), 0);
      assert.ok(Math.abs(found.rest! - sign * rest) < 1e-6);
    }
  });
  assert.ok(!local.has(explanation.order[3]));
});

test("aggregates have lines for the predicted output, and for the features that the view leaves out", async () => {
  const explanation = await Explanation.open(golden("sampled"));
  const aggregates = await explanation.load("aggregates");
  const shown = [...explanation.order].slice(0, 3);
  assert.deepEqual([...aggregates.features], shown);
  const whole = sampledImportances();
  // Without probabilities the predicted output is that for which base value and importances add up to more.
  const predicted = whole.map((row) => Number(row.reduce((sum, value) => sum + value, 0.5) > 0));
  assert.ok(predicted.includes(0) && predicted.includes(1));
  const near = (found: number, wanted: number): void => assert.ok(Math.abs(found - wanted) < 1e-5, `${found} ${wanted}`);
  for (const feature of [...shown, OTHERS]) {
    const ofRow = (row: number[]): number =>
      feature === OTHERS ? row.reduce((sum, value, i) => (shown.includes(i) ? sum : sum + value), 0) : row[feature];
    for (const output of [0, 1, PREDICTED]) {
      const values = whole.map((row, i) => ((output === PREDICTED ? predicted[i] : output) === 1 ? 1 : -1) * ofRow(row));
      const figures = aggregates.of(output, feature)!;
      const mean = values.reduce((a, b) => a + b) / 12;
      near(figures.mean, mean);
      near(figures.meanAbs, values.reduce((sum, value) => sum + Math.abs(value), 0) / 12);
      near(figures.std, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 12));
      near(figures.min, Math.min(...values));
      near(figures.max, Math.max(...values));
      const sorted = [...values].sort((a, b) => a - b);
      near(figures.q50, (sorted[5] + sorted[6]) / 2);
    }
  }
  assert.equal(aggregates.of(1, explanation.order[3]), null);
  assert.equal(aggregates.of(2, shown[0]), null);
});

test("a view without features says which rows there are, and no more", async () => {
  const explanation = await Explanation.open(golden("rows-only"));
  assert.equal(explanation.has("local"), false);
  assert.equal(explanation.has("aggregates"), false);
  const rows = await explanation.rows();
  assert.deepEqual([rows.count, rows.total, rows.isSample, rows.find(2)], [3, 3, false, 2]);
  const data = await explanation.load("data");
  assert.deepEqual(
    [0, 1, 2].map((place) => [data.byName("area")!.value(place), data.byName("rooms")!.value(place)]),
    [
      [50.5, 1],
      [null, 2],
      [120.25, 5],
    ],
  );
  assert.deepEqual([...(await explanation.load("labels")).predicted!.values], [10, 20, 30.5]);
  assert.equal(explanation.hasTexts, false);
});

test("stored documents come back with their words, importances and sentences, from the view and from all files", async () => {
  const explanation = await Explanation.open(golden("documents"));
  assert.ok(explanation.hasTexts && explanation.has("documents"));
  const values = numbers(10, 17);
  const weights = numbers(5, 18).map(Math.abs);
  for (const all of [false, true]) {
    const documents = await explanation.load("documents", all);
    assert.equal(documents.rows.count, 3);
    const [first, empty, last] = [0, 1, 2].map((place) => documents.at(place));
    assert.deepEqual(
      first.tokens.map(({ start, end, word }) => [first.text.slice(start, end), explanation.features[word]]),
      [
        ["naïve", "naïve"],
        ["😀", "😀"],
        ["naïve", "naïve"],
        ["𝒳", "𝒳"],
      ],
    );
    assert.deepEqual([...first.values(1)], values.slice(5, 9));
    assert.deepEqual([...last.values(0), ...last.values(1)], [values[4], values[9]]);
    assert.deepEqual([...first.weights!, ...last.weights!], weights);
    assert.deepEqual(
      [first, empty, last].map((each) => each.sentences.map(({ start, end, weight }) => [each.text.slice(start, end), weight])),
      [
        [
          ["naïve 😀 naïve.", 0.75],
          ["𝒳!", 0.25],
        ],
        [],
        [["</script>", 1]],
      ],
    );
    assert.deepEqual([empty.text, empty.tokens.length], ["", 0]);
  }
});
