// Builds the files that the collector serves, into the Python package, and fails when one outgrows its budget.
//   node build.mjs             build
//   node build.mjs --check     build in memory and fail if what is committed differs
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
const target = new URL("../collector/static/widget/", here);

/** Bytes in brotli 11. The loader's leaves room for the texts of one survey, see `tests/test_script.py` for the sums. */
const BUDGETS = {
  "loader.js": 2640,
  "frozen.js": 2690,
  "ui.js": 4940,
  "explain.js": 3400, // and draws a draft; no visitor loads it
  "preview.js": 6200, // the admin's, which no visitor loads
  "editor.js": 2600,
};

/**
 * Properties that only these files know of, and those of the configuration that the collector writes for them, with what
 * they are called in what is served. The manifest has the table, for the collector (`collector/web/script.py`).
 */
const NAMES = Object.fromEntries(
  [
    "allowed answered claim closed destroy era flush hears held named remember still taken targeted turn waiting watched",
    "again callout delay element ends exclude exit first follow heading include ink invalid labels large link link_text",
    "manual neutral path image points position query renew reopen root rtl sample scheme scroll surveys texts thanks",
  ]
    .join(" ")
    .split(" ")
    .map((name, index) => [name, String.fromCharCode((index < 26 ? 97 : 65 - 26) + index)]),
);

const bundle = async (entry, format) => {
  const result = await build({
    entryPoints: [new URL(`src/${entry}`, here).pathname],
    bundle: true,
    minify: true,
    format,
    target: "es2021",
    charset: "utf8",
    mangleProps: new RegExp(`^(${Object.keys(NAMES).join("|")})$`),
    mangleCache: { ...NAMES },
    legalComments: "none",
    external: ["./ui.js", "./explain.js"], // beside the package's index.js, for whoever bundles it to split off
    define: { __PACKAGED__: `${entry == "index.ts"}` },
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
  // terser takes another 2 % off what esbuild leaves
  const { code } = await minify(result.outputFiles[0].text, {
    ecma: 2020,
    module: format == "esm",
    toplevel: format == "esm", // a script of the page must not spill names into it
    compress: { passes: 3, unsafe_arrows: true, keep_fargs: false },
  });
  return code + "\n";
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
sources.update(readFileSync(new URL("build.mjs", here)));

const files = {
  "loader.js": await bundle("embed.ts", "iife"),
  "frozen.js": await bundle("frozen.ts", "iife"),
  "ui.js": await bundle("ui.ts", "esm"),
  "explain.js": await bundle("explain.ts", "esm"),
  "preview.js": await bundle("preview.ts", "iife"),
  "editor.js": await bundle("editor.ts", "iife"),
};
const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
const bytes = {};
for (const [name, text] of Object.entries(files)) {
  bytes[name] = brotliCompressSync(text, quality).length;
  console.log(`${name}: ${text.length} characters, ${bytes[name]} bytes in brotli (budget ${BUDGETS[name]})`);
}
files["manifest.json"] =
  JSON.stringify(
    {
      sources: sources.digest("hex"),
      names: NAMES,
      hashes: Object.fromEntries(
        Object.entries(files).map(([name, text]) => [
          name,
          createHash("sha256").update(text).digest("hex").slice(0, 12),
        ]),
      ),
      bytes,
    },
    null,
    2,
  ) + "\n";

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
      `collector/static/widget/${name} is not what the sources give: run make build and commit it`,
    );
    process.exit(1);
  }
}
