import assert from "node:assert/strict";
import { test } from "node:test";
import { prose } from "../src/lib/text";
import { type Documents, makeDocuments, pieces, type TextFile, wordSums } from "../src/model/documents";
import type { FileEntry } from "../src/model/manifest";
import { asNumbers, type Cells } from "../src/model/parquet";
import { allRows } from "../src/model/rows";

function file(name: string, columns: Readonly<Record<string, Cells>>): TextFile {
  const names = Object.keys(columns);
  const cells = (place: number): Cells => columns[names[place]];
  return {
    entry: { name, role: name, size: 0, sha256: "", shape: [] } satisfies FileEntry,
    table: {
      rows: columns[names[0]].length,
      names,
      find: (wanted) => names.indexOf(wanted),
      cells,
      numbers: (place) => asNumbers(cells(place)),
    },
  };
}

const TEXTS = ["no word", "🍜 good, 𝒳 good. Bad!", ""];

function documentsOf(change: Readonly<Record<string, Cells>> = {}): Documents {
  const texts = file("documents", { text: TEXTS, tokens: [0, 4, 0], sentences: [0, 2, 0] });
  const tokens = file("tokens", {
    start: [2, 8, 10, 16],
    end: [6, 9, 14, 19],
    word: [0, 2, 0, 1],
    value_0: [0.5, 0, 0.25, -2],
    value_1: [-0.5, 0, -0.25, 2],
    ...change,
  });
  const sentences = file("sentences", { start: [0, 16], end: [15, 20], weight: [0.25, 0.75] });
  return makeDocuments([{ texts, tokens, sentences }], allRows(3), 2, 3);
}

test("tokens stand where they are, however many characters are beyond the basic plane", () => {
  const document = documentsOf().at(1);
  assert.deepEqual(
    document.tokens.map(({ start, end, word }) => [document.text.slice(start, end), word]),
    [["good", 0], ["𝒳", 2], ["good", 0], ["Bad", 1]],
  );
  assert.deepEqual([...document.values(1)], [-0.5, 0, -0.25, 2]);
  assert.equal(document.weights, null);
  assert.deepEqual(
    document.sentences.map(({ start, end, weight }) => [document.text.slice(start, end), weight]),
    [["🍜 good, 𝒳 good.", 0.25], ["Bad!", 0.75]],
  );
});

test("documents without a word have a text", () => {
  const documents = documentsOf();
  assert.deepEqual([documents.at(0).text, documents.at(0).tokens, [...documents.at(0).values(0)]], ["no word", [], []]);
  assert.deepEqual(pieces(documents.at(0)).map(({ start, end, token }) => [start, end, token]), [[0, 7, -1]]);
  assert.deepEqual(pieces(documents.at(2)), []);
});

test("the pieces of a text are the text, and each sentence begins once", () => {
  const document = documentsOf().at(1);
  const all = pieces(document);
  assert.equal(all.map(({ start, end }) => document.text.slice(start, end)).join(""), document.text);
  assert.deepEqual(all.filter(({ token }) => token >= 0).map(({ token }) => token), [0, 1, 2, 3]);
  assert.deepEqual(
    all.filter(({ sentence }) => sentence >= 0).map(({ start, sentence }) => [document.text.slice(start, start + 2), sentence]),
    [["🍜", 0], ["Ba", 1]],
  );
  const first = pieces(document, 2);
  assert.equal(document.text.slice(0, first[first.length - 1].end), "🍜 good, 𝒳 ");
  const short = pieces(document, Infinity, 5);
  assert.equal(short[short.length - 1].end, 3);
});

test("occurrences of a word are added up, the most important first", () => {
  const document = documentsOf().at(1);
  assert.deepEqual(wordSums(document.tokens, document.values(0)), [
    { word: 1, value: -2, count: 1 },
    { word: 0, value: 0.75, count: 2 },
    { word: 2, value: 0, count: 1 },
  ]);
});

test("files that do not fit together are refused with the name of one", () => {
  assert.throws(() => documentsOf({ start: [2, 8, 10, 99] }).at(1).tokens, /tokens can't be decoded: names character 99/);
  assert.throws(() => documentsOf({ start: [2, 5, 10, 16] }).at(1).tokens, /token 1 is out of order/);
  assert.throws(() => documentsOf({ word: [0, 2, 0, 3] }).at(1).tokens, /feature 3/);
  assert.throws(() => documentsOf({ value_0: [0, NaN, 0, 0] }).at(1).values(0), /not finite/);
  const texts = file("documents", { text: TEXTS, tokens: [0, 4, 1] });
  assert.throws(() => makeDocuments([{ texts, tokens: null, sentences: null }], allRows(3), 2, 3), /speaks of 5 lines where there are 0/);
  assert.throws(() => makeDocuments([], allRows(3), 2, 3), /0 documents for 3 rows/);
});

test("files of several ranges of documents follow each other", () => {
  const shard = (text: string, value: number) => ({
    texts: file("documents", { text: [text], tokens: [1] }),
    tokens: file("tokens", { start: [0], end: [1], word: [0], value_0: [value], weight: [0.5] }),
    sentences: null,
  });
  const documents = makeDocuments([shard("a", 1), shard("b", 2), shard("c", 3)], allRows(3), 1, 1);
  const found = [0, 1, 2].map((place) => documents.at(place));
  assert.deepEqual(found.map(({ text, values, weights }) => [text, values(0)[0], weights![0]]), [["a", 1, 0.5], ["b", 2, 0.5], ["c", 3, 0.5]]);
});

test("prose keeps its lines, and shows what would turn or hide what follows", () => {
  assert.equal(prose("a\r\nb\tc\u202ed\u0000\u200b"), "a\nb\tc\\u202ed\\u0000\\u200b");
});
