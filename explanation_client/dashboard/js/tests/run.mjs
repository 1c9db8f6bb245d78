/** Bundles the tests with esbuild and runs them with Node's own runner. */
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const names = (await readdir(here)).filter((name) => name.endsWith(".test.ts") || name.endsWith(".test.tsx"));
const out = await mkdtemp(join(tmpdir(), "dashboard-tests-"));
await build({
  absWorkingDir: join(here, ".."),
  entryPoints: names.sort().map((name) => join(here, name)),
  bundle: true,
  format: "esm",
  platform: "node",
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: out,
  outExtension: { ".js": ".mjs" },
  sourcemap: "inline",
  define: { "process.env.DASHBOARD_TESTS": JSON.stringify(here) },
  // The browser's entry of hyparquet: the other reads files.
  conditions: ["browser"],
  logLevel: "warning",
});
const files = (await readdir(out)).filter((name) => name.endsWith(".mjs")).map((name) => join(out, name));
const ran = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
await rm(out, { recursive: true });
process.exit(ran.status ?? 1);
