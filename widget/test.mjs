// Bundles the unit tests and runs them on Node's own runner.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const here = new URL("./", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "widget-"));
await build({
  entryPoints: readdirSync(join(here, "tests")).map((name) => join(here, "tests", name)),
  outdir: folder,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
});
const files = readdirSync(folder).map((name) => join(folder, name));
const { status } = spawnSync(process.execPath, ["--test", ...files], { cwd: here, stdio: "inherit" });
rmSync(folder, { recursive: true });
process.exit(status ?? 1);
