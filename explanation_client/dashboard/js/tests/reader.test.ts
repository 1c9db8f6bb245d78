import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256, sha256Plain } from "../src/lib/sha256";
import { Explanation } from "../src/model/explanation";
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
