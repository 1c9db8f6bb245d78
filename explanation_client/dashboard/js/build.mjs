/**
 * Builds what is shipped: ../static/dashboard.js, ../static/dashboard.css and the licences of what they contain.
 *
 * The same sources give the same bytes, so that a check can build again and compare.
 */
import { build } from "esbuild";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "static");
// Gates, in bytes after gzip.
const MOST_SCRIPT = 100_000;
const MOST_STYLE = 12_000;

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  metafile: true,
  write: false,
  legalComments: "none",
  target: ["chrome111", "firefox114", "safari16.4"],
  logLevel: "warning",
};
const script = await build({
  ...common,
  entryPoints: ["src/index.ts"],
  format: "esm",
  charset: "ascii",
  jsx: "automatic",
  jsxImportSource: "preact",
});
const style = await build({ ...common, entryPoints: ["src/styles/index.css"], charset: "ascii" });

const js = script.outputFiles[0].text;
const css = style.outputFiles[0].text;
check(js, "dashboard.js", MOST_SCRIPT);
check(css, "dashboard.css", MOST_STYLE);
await writeFile(join(target, "dashboard.js"), js);
await writeFile(join(target, "dashboard.css"), css);
await writeFile(join(target, "THIRD_PARTY_LICENSES.txt"), await licences(script.metafile));

/** Refuse what must never be in a bundle that pages hold inline, and what has grown too large. */
function check(text, name, most) {
  const banned = [
    /<\/?script/i,
    /<\/style/i,
    /<!--/,
    /sourceMappingURL/,
    /\beval\(/,
    /new Function\b/,
    /insertAdjacentHTML/,
    /\bdocument\.write/,
    /\bfetch\(/,
    /XMLHttpRequest/,
    /WebSocket/,
    /sendBeacon/,
    /localStorage/,
    /importScripts/,
  ];
  const found = banned.filter((pattern) => pattern.test(text));
  if (found.length > 0) throw new Error(`${name} contains ${found.join(", ")}`);
  const size = gzipSync(text, { level: 9 }).length;
  console.log(`${name}: ${text.length.toLocaleString("en")} bytes, ${size.toLocaleString("en")} after gzip`);
  if (size > most) throw new Error(`${name} has ${size} bytes after gzip, at most ${most}`);
}

/** The licence texts of the packages of which code is in the bundle. */
async function licences(metafile) {
  const names = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input.replaceAll("\\", "/"));
    if (match) names.add(match[1]);
  }
  const texts = ["dashboard.js contains code of these packages."];
  for (const name of [...names].sort()) {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).sort().find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${relative(here, folder)} has no licence file`);
    texts.push(`${name} ${version} (${license})\n\n${(await readFile(join(folder, file), "utf8")).trim()}`);
  }
  return `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
