import assert from "node:assert/strict";
import { test } from "node:test";
import { toCsv } from "../src/lib/csv";
import { shown } from "../src/lib/text";
import { decodeState, DEFAULTS, encodeState, type State, Store } from "../src/state/store";

test("a state survives the way through a link", () => {
  const state: State = {
    ...DEFAULTS,
    panel: "local",
    output: 2,
    row: 17,
    weighting: "predicted",
    signed: true,
    search: "a&b=c 'd' 100% é 🚀",
    settings: {
      "summary.kind": "violin",
      "data.x": "12",
      "data.jitter": true,
      "ice.steps": 2.5,
      "rows.filter": "true",
    },
  };
  const text = encodeState(state);
  assert.match(text, /^[A-Za-z0-9\-_.~%=&!*()']*$/);
  assert.deepEqual(decodeState(text), state);
});

test("the usual state is an empty text, and the theme stays the reader's", () => {
  assert.equal(encodeState(DEFAULTS), "");
  assert.equal(encodeState({ ...DEFAULTS, theme: "dark" }), "");
  assert.deepEqual(decodeState(""), DEFAULTS);
});

test("what a link says wrongly is left out", () => {
  for (const text of [
    "row=-1",
    "row=abc",
    "weighting=none",
    "topK=x",
    "theme=dark",
    "%=1",
    "=",
    "a",
    "__proto__=1",
    "row=1e999",
    "sort=%E0%A4%A",
  ]) {
    assert.deepEqual(decodeState(text), DEFAULTS, text);
  }
});

test("a store tells of changes, and only of changes", () => {
  const store = new Store(DEFAULTS);
  let heard = 0;
  const stop = store.listen(() => heard++);
  store.set({ row: 3 });
  store.set({ row: 3 });
  stop();
  store.set({ row: 4 });
  assert.equal(heard, 1);
  assert.equal(store.state.row, 4);
});

test("CSV keeps all digits, quotes what must be, and holds no formulas", () => {
  const rows = [
    ["=1+1", "+x", "-x", "@x", "\tx", "\rx"],
    ['say "hi"', "a,b", "a\nb", "plain", "'x", ""],
    [0.1 + 0.2, -5, 1e-300, true, null, Number.NaN],
  ];
  assert.equal(
    toCsv({ columns: ["=name", "b", "c", "d", "e", "f"], rows }),
    "'=name,b,c,d,e,f\r\n'=1+1,'+x,'-x,'@x,'\tx,\"'\rx\"\r\n" +
      '"say ""hi""","a,b","a\nb",plain,\'x,\r\n' +
      "0.30000000000000004,-5,1e-300,true,,\r\n",
  );
});

test("texts are cut, and marks that turn the direction are visible", () => {
  assert.equal(shown("a\u202eb\u0000"), "a\\u202eb\\u0000");
  assert.equal(shown("x".repeat(10_000)).length, 120);
  assert.equal(shown("שלום"), "שלום");
});
