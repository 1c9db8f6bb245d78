import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeScale, numberDomain } from "../src/charts/scale";
import { paint, pointAt, type PointSet } from "../src/charts/points";
import { LANGUAGES, STRINGS } from "../src/i18n/strings";
import { chooseLanguage, Format, translator } from "../src/i18n/translate";
import { categorical, makeColumn } from "../src/model/columns";
import { Explanation } from "../src/model/explanation";
import { likelyPartner } from "../src/model/interplay";
import { globalBars, type GlobalBars, matching, ranked } from "../src/model/ranking";
import { someRows } from "../src/model/rows";
import { binned, density, quantiles } from "../src/model/stats";
import { numberColumn } from "../src/model/variables";
import { golden, numbers } from "./golden";

const none = { perClass: null, aggregates: null, local: null, labels: null, mask: null };

test("importances that are stored are shown as they are, whatever the class", async () => {
  const explanation = await Explanation.open(golden("binary"));
  const perClass = await explanation.load("perClass");
  const average = globalBars(explanation, { weighting: "average", output: 1, signed: false }, none) as GlobalBars;
  assert.deepEqual(average.values, explanation.global!.values);
  assert.equal(average.origin, "stored");
  const one = globalBars(
    explanation,
    { weighting: "class", output: 0, signed: false },
    { ...none, perClass },
  ) as GlobalBars;
  assert.deepEqual(one.values, perClass[0].values);
});

test("signed importances are means over the rows, and do not exist for an average over classes", async () => {
  const explanation = await Explanation.open(golden("binary"));
  const local = await explanation.load("local");
  assert.equal(
    globalBars(explanation, { weighting: "average", output: 1, signed: true }, { ...none, local }),
    "global.notSigned",
  );
  const found = globalBars(
    explanation,
    { weighting: "class", output: 1, signed: true },
    { ...none, local },
  ) as GlobalBars;
  const stored = Float32Array.from(numbers(15, 3));
  for (let f = 0; f < 3; f++) {
    const mean = [0, 1, 2, 3, 4].reduce((sum, row) => sum + stored[row * 3 + f], 0) / 5;
    assert.ok(Math.abs(found.values[f] - mean) < 1e-6);
  }
});

test("the predicted class weighs each row by its own class, from all rows where that is stored", async () => {
  const explanation = await Explanation.open(golden("binary"));
  const local = await explanation.load("local");
  const labels = {
    rows: local.rows,
    rowNames: null,
    predicted: null,
    true: null,
    proba: null,
    predictedOutput: Int32Array.from([0, 1, 1, 0, 1]),
  };
  const wanted = { weighting: "predicted", output: 1, signed: true } as const;
  assert.equal(globalBars(explanation, wanted, { ...none, local }), "global.notPredicted");
  const found = globalBars(explanation, wanted, { ...none, local, labels }) as GlobalBars;
  const stored = Float32Array.from(numbers(15, 3));
  const signs = [-1, 1, 1, -1, 1];
  for (let f = 0; f < 3; f++) {
    const mean = signs.reduce((sum, sign, row) => sum + sign * stored[row * 3 + f], 0) / 5;
    assert.ok(Math.abs(found.values[f] - mean) < 1e-6);
  }
  const figures = { meanAbs: 2, mean: -1, std: 0, min: 0, q05: 0, q25: 0, q50: 0, q75: 0, q95: 0, max: 0 };
  const aggregates = {
    features: Int32Array.from([0, 1, 2]),
    of: (output: number) => (output === -1 ? figures : null),
  };
  const exact = globalBars(explanation, wanted, { ...none, aggregates }) as GlobalBars;
  assert.deepEqual([...exact.values], [-1, -1, -1]);
  assert.equal(exact.origin, "exact");
});

test("a subset of rows is averaged over these rows alone", async () => {
  const explanation = await Explanation.open(golden("regression"));
  const local = await explanation.load("local");
  const mask = Uint8Array.from([1, 0, 0, 1, 0, 0, 0]);
  const found = globalBars(
    explanation,
    { weighting: "average", output: 0, signed: false },
    { ...none, local, mask },
  ) as GlobalBars;
  const stored = numbers(7 * 12, 2);
  for (let f = 0; f < 12; f++)
    assert.ok(Math.abs(found.values[f] - (Math.abs(stored[f]) + Math.abs(stored[36 + f])) / 2) < 1e-12);
  assert.equal(found.rows, 2);
});

test("rankings are by magnitude, ties and unknown ones in their own order", () => {
  const names = ["b 10", "a", "b 9", "é"];
  assert.deepEqual([...ranked([1, -3, NaN, 1], names, "importance")], [1, 0, 3]);
  assert.deepEqual([...ranked([1, 1, 1, 1], names, "name")], [1, 2, 0, 3]);
  assert.deepEqual([...ranked([5, 4, 3, 2], names, "row", [0, -1, 2, 0])], [2, 1, 0, 3]);
  assert.deepEqual([...matching([3, 2, 1, 0], names, " E ")], [3]);
});

test("every value is in one bin, and the greatest in the last", () => {
  const values = Float64Array.from([0, 0.1, 0.5, 0.99, 1, NaN, 1, 0.3]);
  const { edges, counts } = binned(values, 5);
  assert.ok(edges[0] <= 0 && edges[edges.length - 1] >= 1);
  assert.equal(
    counts[0].reduce((sum, count) => sum + count, 0),
    7,
  );
  assert.ok(counts[0][counts[0].length - 1] >= 2);
  const mask = Uint8Array.from([1, 1, 0, 0, 0, 0, 0, 0]);
  assert.equal(
    binned(values, 5, null, 1, mask).counts[0].reduce((sum, count) => sum + count, 0),
    2,
  );
  const split = binned(values, 5, Uint16Array.from([0, 1, 0, 1, 0, 1, 0, 1]), 2).counts;
  assert.deepEqual(
    split.map((group) => group.reduce((sum, count) => sum + count, 0)),
    [4, 3],
  );
  assert.deepEqual(binned([3, 3], 10).counts[0], Float64Array.from([2]));
});

test("quantiles are those of numpy", () => {
  const expected = [1, 1.75, 2.5, 7.9, 10];
  quantiles([3, 1, NaN, 2, 10], [0, 0.25, 0.5, 0.9, 1]).forEach((value, i) =>
    assert.ok(Math.abs(value - expected[i]) < 1e-12),
  );
  assert.ok(Number.isNaN(quantiles([], [0.5])[0]));
});

test("a density is one at its mode and nothing beyond the values", () => {
  const values = Float64Array.from({ length: 500 }, (_, i) => Math.sin(i) / 4);
  const found = density(values, -1, 1, 101);
  assert.equal(Math.max(...found), 1);
  assert.equal(found[10], 0);
  assert.equal(found[95], 0);
});

test("an automatic colour finds the feature that the importances depend on", () => {
  const column = (seed: number): ReturnType<typeof numberColumn> =>
    numberColumn(
      `c${seed}`,
      Float64Array.from({ length: 600 }, (_, i) => (Math.sin(seed * 12.9898 * (i + 1)) * 43758.5453) % 1),
    );
  const [x, y, z] = [column(1), column(2), column(3)];
  const importances = Float64Array.from(x.values, (value, i) => value * y.values[i]);
  assert.equal(likelyPartner(x, importances, [{ column: z }, { column: y }])?.column, y);
});

test("ticks are round, and of categories as many as fit", () => {
  const format = new Format("en");
  const domain = numberDomain(-1.3, 2.7);
  const scale = makeScale(domain, 0, 600, format);
  assert.deepEqual(
    scale.ticks.map(({ label }) => label),
    ["−1.0", "−0.5", "0", "0.5", "1.0", "1.5", "2.0", "2.5"],
  );
  assert.ok(Math.abs(scale.invert(scale(1.234)) - 1.234) < 1e-12);
  const names = Array.from({ length: 100 }, (_, i) => `name ${i}`);
  assert.ok(makeScale({ kind: "category", names }, 0, 300, format, 18).ticks.length <= 17);
  const years = makeScale(
    { kind: "time", low: Date.UTC(2020, 0, 1), high: Date.UTC(2024, 0, 1) },
    0,
    600,
    format,
  ).ticks;
  assert.ok(years.every(({ label }) => /^20\d\d-\d\d$/.test(label)));
  assert.deepEqual(numberDomain(5, 5), { kind: "number", low: 4.5, high: 5.5 });
});

test("the point that was drawn last is the one that is found", () => {
  globalThis.ImageData ??= class {
    readonly data: Uint8ClampedArray;
    constructor(
      readonly width: number,
      readonly height: number,
    ) {
      this.data = new Uint8ClampedArray(4 * width * height);
    }
  } as unknown as typeof ImageData;
  for (const radius of [0.5, 3]) {
    const set: PointSet = {
      count: 4,
      x: Float32Array.from([20, 60, 60, NaN]),
      y: Float32Array.from([20, 40, 40, 10]),
      color: new Uint8Array(4),
      table: [[255, 0, 0]],
      radius,
      alpha: 1,
    };
    const painted = paint(set, 100, 80, 1, [255, 255, 255], null);
    assert.equal(pointAt(painted, 22, 21), 0);
    assert.equal(pointAt(painted, 60, 40), 2);
    assert.equal(pointAt(painted, 90, 70), -1);
    const at = 4 * (20 * 100 + 20);
    assert.deepEqual(
      [...painted.image.data.slice(at, at + 4)].map((value) => Math.round(value / 8) * 8),
      [256, 0, 0, 256].map((value) => Math.min(256, value)),
    );
  }
});

test("rows of a sample are found by their position", () => {
  const rows = someRows([2, 5, 9], 20);
  assert.deepEqual(
    [2, 5, 9, 0, 6, 19].map((row) => rows.find(row)),
    [0, 1, 2, -1, -1, -1],
  );
  assert.equal(rows.isSample, true);
  assert.throws(() => someRows([2, 2], 20), /out of order/);
  assert.throws(() => someRows([20], 20), /range/);
});

test("columns keep whole numbers that no float64 holds, and times to the second", () => {
  const big = makeColumn("id", "int64", BigInt64Array.from([9007199254740993n, 5n]));
  assert.deepEqual([big.value(0), big.value(1)], ["9007199254740993", 5]);
  const time = makeColumn("t", "datetime64[ns]", [Date.UTC(2026, 10, 20, 12, 30), Date.UTC(2026, 10, 20), null]);
  assert.deepEqual(
    [0, 1, 2].map((row) => time.value(row)),
    ["2026-11-20T12:30:00", "2026-11-20", null],
  );
  assert.deepEqual(categorical("c", "object", ["x", null, "a", "x"], ["x"]).categories, ["x", "a"]);
});

test("numbers are written in the reader's language, and none but zero is a zero", () => {
  const [en, sv, fr] = ["en", "sv", "fr"].map((language) => new Format(language));
  assert.equal(en.number(0.123456), "0.1235");
  assert.equal(sv.number(-1234.5), "−1\u00a0235".replace("1\u00a0235", sv.number(1234.5)));
  assert.equal(fr.signed(0.5), "+0,5");
  assert.equal(en.number(1.2e-9), "1.2E−9");
  const text = en.series([1.5619, 0.2, 0.00001], true);
  assert.deepEqual([1.5619, -0.2, 0.00001, 0].map(text), ["+1.562", "−0.200", "+1E−5", "0"]);
});

test("every sentence has all languages, and each the same places to fill", () => {
  for (const [key, texts] of Object.entries(STRINGS)) {
    assert.equal(texts.length, LANGUAGES.length, key);
    const places = texts.map((text) =>
      [...new Set(text.match(/\{\w+\}/g) ?? [])]
        .filter((place) => place !== "{n}")
        .sort()
        .join(),
    );
    assert.ok(
      places.every((found) => found === places[0]),
      key,
    );
    // A singular may leave its number out, a plural must not.
    const numbered = texts.map((text) => (text.split(" | ").pop() ?? "").includes("{n}"));
    assert.ok(
      numbered.every((found) => found === numbered[0]),
      key,
    );
    assert.ok(
      texts.every((text) => text.trim() === text && text.length > 0),
      key,
    );
  }
  const t = translator("fr", new Format("fr"));
  assert.equal(t("info.rows", { n: 1 }), "1 ligne");
  assert.equal(t("info.rows", { n: 2 }), "2 lignes");
  assert.equal(chooseLanguage("sv-FI", ["fr"]), "sv");
  assert.equal(chooseLanguage("xx", ["de", "es-MX"]), "es");
  assert.equal(chooseLanguage(undefined, ["zh"]), "en");
});

test("colours are told apart from their background in both themes", () => {
  const style = readFileSync(join(String(process.env.DASHBOARD_TESTS), "../src/styles/theme.css"), "utf8");
  const [light, dark] = style
    .split('[data-theme="dark"]')
    .map(
      (block) =>
        new Map([...block.matchAll(/--xd-([a-z0-9-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value])),
    );
  for (const theme of [light, dark]) {
    const contrast = (a: string, b: string): number => {
      const [high, low] = [luminance(theme.get(a)!), luminance(theme.get(b)!)].sort((x, y) => y - x);
      return (high + 0.05) / (low + 0.05);
    };
    for (const surface of ["surface", "sunken", "raised"])
      for (const text of ["text", "muted"])
        assert.ok(contrast(text, surface) >= 4.5, `${text} on ${surface}: ${contrast(text, surface)}`);
    const pairs = [
      ["accent", "surface"],
      ["accent", "accent-soft"],
      ["on-accent", "accent"],
      ["danger", "danger-soft"],
    ];
    for (const [text, surface] of pairs)
      assert.ok(contrast(text, surface) >= 4.5, `${text} on ${surface}: ${contrast(text, surface)}`);
    const marks = [
      "line-strong",
      "bar",
      "positive",
      "negative",
      "total",
      "point",
      "missing",
      ...Array.from({ length: 8 }, (_, i) => `category-${i}`),
    ];
    for (const mark of marks) assert.ok(contrast(mark, "surface") >= 3, `${mark}: ${contrast(mark, "surface")}`);
    assert.ok(contrast("positive", "negative") > 1);
  }
});

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
