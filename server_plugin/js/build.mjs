/**
 * Builds what the server has: ../static/inject.js for MLflow's pages, and the page behind the tab.
 *
 * The packages are those of the dashboard, which is built first and is a file of its own beside this page.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dashboard = join(here, "..", "..", "explanation_client", "dashboard", "js");
const target = join(here, "..", "static");
const { build } = createRequire(join(dashboard, "package.json"))("esbuild");

const common = {
  absWorkingDir: here,
  nodePaths: [join(dashboard, "node_modules")],
  bundle: true,
  minify: true,
  charset: "ascii",
  legalComments: "none",
  target: ["chrome111", "firefox114", "safari16.4"],
  logLevel: "warning",
};
await mkdir(target, { recursive: true });
await build({ ...common, entryPoints: ["src/inject.ts"], format: "iife", outfile: join(target, "inject.js") });
await build({
  ...common,
  entryPoints: ["src/main.ts"],
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
  external: ["./dashboard.js"],
  outfile: join(target, "page.js"),
});
await build({ ...common, entryPoints: ["src/page.css"], outfile: join(target, "page.css") });
await copyFile(join(here, "src", "index.html"), join(target, "index.html"));
