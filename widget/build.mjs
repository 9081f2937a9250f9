// Builds the files that the collector serves, into the Python package, and fails when one outgrows its budget.
//   node build.mjs             build
//   node build.mjs --check     build in memory and fail if what is committed differs
//   node build.mjs --release   build, and keep what is served under a hashed name for as long as there are collectors
//   node build.mjs --package   build the npm package for those who bundle the widget, into dist/
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const here = new URL("./", import.meta.url);
const target = new URL("../collector/web/static/widget/", here);

/** Bytes in brotli 11. The loader's leaves room for the texts of one survey, see `tests/test_script.py` for the sums. */
const BUDGETS = {
  "loader.js": 3285,
  "frozen.js": 3640,
  "ui.js": 7380,
  "explain.js": 4260, // and draws a draft; no visitor loads it
  "preview.js": 7905, // the admin's, which no visitor loads
  "editor.js": 2600,
};

/**
 * The names of the configuration, by the number of their format. A format never changes, because loaders that were pinned
 * ask for theirs for ever: to add a name, copy the newest format under the next number and add it there.
 */
const FORMATS = JSON.parse(readFileSync(new URL("formats.json", here)));
const FORMAT = Math.max(...Object.keys(FORMATS));

/**
 * Of these, words that browsers or the page's own calls use too; in TypeScript they end with a line. The browser's `host`,
 * `port` and `hash` are asked for as `url["port"]` instead, which the build leaves alone.
 */
const CLASHING = "all body close color consent email event key question revision send site".split(" ");

/** Properties that only these files know of, all of one build: one letter each, whichever; in this order the loader compresses best. */
const OWN =
  "files closed preferred turn allowed seek held root claim answered hears era watched draw token onPage flush destroy pending url blocked said remember ready arrive waiting named bases still taken session other attend";

/**
 * What is global in a file has the first of these names that is free. They are the ones that functions need least for
 * what is theirs, so that this has the same few names everywhere: what is alike is spelt alike, and compresses better.
 */
const GLOBALS = "ghPwqvkxyzbfpmABCDEFGQITKLMNOjHRSJUVWXYZ$_";

/** What properties are called in what is served. */
const NAMES = Object.fromEntries([
  ...Object.entries(FORMATS[FORMAT]).map(([name, short]) => [
    CLASHING.includes(name) ? name + "_" : name,
    short,
  ]),
  ...OWN.split(" ").map((name, index) => [name, String.fromCharCode((index < 26 ? 97 : 65 - 26) + index)]),
]);

/** The files that are loaded when they are needed have this hash of them all in their names; the loader knows it. */
let further = "";
/** What a pinned loader holds each of them against. */
const integrity = {};

/** What terser leaves of a module, some 4 % less than esbuild in brotli. */
const minified = async (code) => {
  const compress = { passes: 3, unsafe_arrows: true, keep_fargs: false, lhs_constants: false };
  const short = await minify(code, { ecma: 2020, module: true, compress, mangle: false });
  const nameCache = {};
  const options = { ecma: 2020, module: true, compress: false, mangle: { toplevel: true }, nameCache };
  const mangled = () => minify(short.code, options);
  await mangled(); // once for what is global in it, and again with a name for each
  const names = nameCache.vars.props;
  Object.keys(names).forEach((name, index) => (names[name] = GLOBALS[index] ?? "$" + index));
  return (await mangled()).code;
};

const bundle = async (entry, format) => {
  const result = await build({
    entryPoints: [new URL(`src/${entry}`, here).pathname],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2021",
    charset: "utf8",
    mangleProps: new RegExp(`^(${Object.keys(NAMES).join("|")})$`),
    mangleCache: { ...NAMES },
    legalComments: "none",
    external: ["./ui.js", "./explain.js"], // beside the package's index.js, for whoever bundles it to split off
    define: {
      __GIVEN__: `${entry == "index.ts" || entry == "frozen.ts"}`,
      __FORMAT__: FORMAT + "",
      __FURTHER__: JSON.stringify(further),
      __INTEGRITY__: JSON.stringify(integrity),
    },
    loader: { ".css": "text" },
    plugins: [
      {
        // the style sheet as a string, minified
        name: "style",
        setup: ({ onLoad }) =>
          onLoad({ filter: /\.css$/ }, async ({ path }) => {
            const style = await build({
              entryPoints: [path],
              minify: true,
              write: false,
              target: "chrome123",
            });
            return {
              contents: style.outputFiles[0].text.trim().replace(/="([\w-]+)"\]/g, "=$1]"),
              loader: "text",
            };
          }),
      },
    ],
    write: false,
  });
  const code = await minified(result.outputFiles[0].text);
  // a script of the page must not spill names into it
  return (format == "iife" ? `(()=>{${code.replace(/;$/, "")}})();` : code) + "\n";
};

/** The files that draw and explain are the same as the collector's; the one that loads them is the package's own. */
const writePackage = async ({ "ui.js": ui, "explain.js": explain }) => {
  const folder = new URL("dist/", here);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const files = { "index.js": await bundle("index.ts", "esm"), "ui.js": ui, "explain.js": explain };
  for (const [name, text] of Object.entries(files)) writeFileSync(new URL(name, folder), text);
  copyFileSync(new URL("src/tevreden.d.ts", here), new URL("index.d.ts", folder));
  copyFileSync(new URL("../LICENSE", here), new URL("LICENSE", here));
};

const sources = createHash("sha256");
for (const name of readdirSync(new URL("src/", here)).sort())
  sources
    .update(name)
    .update("\0")
    .update(readFileSync(new URL(`src/${name}`, here)));
for (const name of ["build.mjs", "formats.json"]) sources.update(readFileSync(new URL(name, here)));

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const ui = await bundle("ui.ts", "esm");
const explain = await bundle("explain.ts", "esm");
further = sha256(ui + explain).slice(0, 6);
for (const [name, text] of [
  ["ui", ui],
  ["explain", explain],
])
  integrity[name] = "sha384-" + createHash("sha384").update(text).digest("base64");
const files = {
  "ui.js": ui,
  "explain.js": explain,
  "loader.js": await bundle("embed.ts", "iife"),
  "frozen.js": await bundle("frozen.ts", "iife"),
  "preview.js": await bundle("preview.ts", "iife"),
  "editor.js": await bundle("editor.ts", "iife"),
};
const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
const bytes = {};
for (const [name, text] of Object.entries(files)) {
  bytes[name] = brotliCompressSync(text, quality).length;
  console.log(`${name}: ${text.length} characters, ${bytes[name]} bytes in brotli (budget ${BUDGETS[name]})`);
}
files["formats.json"] = readFileSync(new URL("formats.json", here), "utf8"); // for the collector
files["manifest.json"] =
  JSON.stringify(
    {
      sources: sources.digest("hex"),
      format: FORMAT,
      further,
      hashes: Object.fromEntries(Object.keys(bytes).map((name) => [name, sha256(files[name]).slice(0, 12)])),
      bytes,
    },
    null,
    2,
  ) + "\n";

/** Keep the files of a release beside those of all earlier ones; nothing is ever taken away or written over. */
const keepRelease = () => {
  const folder = new URL("released/", target);
  const list = new URL("released.json", folder);
  mkdirSync(folder, { recursive: true });
  const released = existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : {};
  const named = {
    [`ui-${further}.js`]: files["ui.js"],
    [`explain-${further}.js`]: files["explain.js"],
    [`loader-${sha256(files["frozen.js"]).slice(0, 12)}.js`]: files["frozen.js"],
  };
  for (const [name, text] of Object.entries(named)) {
    if (released[name] && released[name] != sha256(text))
      throw new Error(`${name} was released with other bytes`);
    released[name] = sha256(text);
    writeFileSync(new URL(name, folder), text);
  }
  writeFileSync(list, JSON.stringify(released, null, 2) + "\n");
};

const over = Object.keys(BUDGETS).filter((name) => bytes[name] > BUDGETS[name]);
if (over.length) {
  console.error(
    `over budget: ${over.join(", ")}; make it smaller, or raise the budget in build.mjs with a reason`,
  );
  process.exit(1);
}
if (process.argv.includes("--package")) {
  await writePackage(files);
  process.exit();
}
mkdirSync(target, { recursive: true });
for (const [name, text] of Object.entries(files)) {
  const file = new URL(name, target);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(
      `collector/web/static/widget/${name} is not what the sources give: run make build and commit it`,
    );
    process.exit(1);
  }
}
if (process.argv.includes("--release")) keepRelease();
