/**
 * Bundles what is in this folder: `node build.mjs pages` for the server, into `dist/`; `node build.mjs packages` for
 * npm, into `../build/npm/`; without an argument, both.
 *
 * `dist/` has the scripts and styles of the pages and of the public modules, minified, named after their content and
 * compressed with gzip and Brotli. `dist/manifest.json`, which is written last, names the pages and the modules, and
 * the digest of every file that they were made of: the server uses `dist/` only while these files are the same.
 */

import { createHash } from "node:crypto";
import { cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { build, transform } from "esbuild";

import { ROW_STYLES } from "./rows/styles.js";

const STATIC = path.dirname(fileURLToPath(import.meta.url));
const DIST = path.join(STATIC, "dist");
const PACKAGE = path.join(STATIC, "..", "build", "npm");
const TARGET = "es2022";
const PAGES = ["page/progress-demo", "admin/admin", "docs/docs"];
const CONNECTING = new Set(["page/progress-demo.js"]);
const MODULES = ["roomcast", "element", "upload-progress-list", "upload-progress", "upload-drop", "page/link-page"];
const STYLES = [
  "base.css",
  "elements/elements.css",
  ...ROW_STYLES,
  "intake/file-sources.css",
  "intake/notices.css",
  "intake/upload-drop.css",
  "results/result-view.css",
  "results/film-player.css",
];
const TAGS = { "upload-progress-list": "UploadProgressList", "upload-progress": "UploadProgress", "upload-drop": "UploadDrop" };
const LANGUAGES = ["ar", "de", "en", "es", "fr", "ja"];
const COMPRESSED = new Set([".html", ".js", ".css", ".svg"]);

// The libraries of the pages are the files that the modules load, so that their licences are those of the wheel.
const INSTALLED_LIBRARIES = `
export const loadSocketIo = () =>
  import("../node_modules/socket.io-client/dist/socket.io.esm.min.js").then(({ io }) => io, () => null);
export const loadTus = () =>
  import("../node_modules/tus-js-client/dist/tus.min.js").then((tus) => tus.default ?? tus, () => null);
export const loadHls = () => import("../node_modules/hls.js/dist/hls.min.mjs").then((hls) => hls.default, () => null);
export const loadUplot = () => import("../node_modules/uplot/dist/uPlot.esm.js").then((uplot) => uplot.default, () => null);
`;

// Those of the package are its peers. A bundler accepts a missing one because the failure is handled.
const PEER_LIBRARIES = `
export const loadSocketIo = () => import("socket.io-client").then(({ io }) => io, () => null);
export const loadTus = () =>
  typeof XMLHttpRequest === "undefined" ? Promise.resolve(null) : import("tus-js-client").then((tus) => tus, () => null);
export const loadHls = () => import("hls.js").then((hls) => hls.default, () => null);
`;

// The script for pages without a bundler has all but hls.js, which is larger than everything else together.
const INLINED_LIBRARIES = `
import { io } from "../node_modules/socket.io-client/dist/socket.io.esm.min.js";
import * as tus from "../node_modules/tus-js-client/dist/tus.min.js";
export const loadSocketIo = () => Promise.resolve(io);
export const loadTus = () => Promise.resolve(tus.default ?? tus);
export const loadHls = () => Promise.resolve(globalThis.Hls ?? null);
`;

const PAGE_ORIGIN = `
export const defaultServer = () => new URL("/", globalThis.location?.href ?? "file:///");
`;

const INLINED_STYLES = `
${STYLES.map((name, index) => `import style${index} from "../${name}";`).join("\n")}
const texts = { ${STYLES.map((name, index) => `"${name}": style${index}`).join(", ")} };
export const styleText = (path) => Promise.resolve(texts[path]);
`;

/**
 * Return the plugin that replaces modules of `shared/` and turns style sheets into strings.
 *
 * @param {Record<string, string>} replacements   The code of modules, by their name.
 * @returns {import("esbuild").Plugin}
 */
function replacing(replacements) {
  return {
    name: "replacing",
    setup({ onLoad }) {
      for (const [name, contents] of Object.entries(replacements)) {
        onLoad({ filter: new RegExp(`static/shared/${name}\\.js$`) }, ({ path: file }) => ({
          contents,
          resolveDir: path.dirname(file),
        }));
      }
      onLoad({ filter: /\.css$/ }, async ({ path: file }) => {
        const { code } = await transform(await readFile(file, "utf8"), { loader: "css", minify: true });
        return { contents: code, loader: "text" };
      });
    },
  };
}

const ON_THE_SERVER = replacing({ "lazy-import": INSTALLED_LIBRARIES, "style-text": INLINED_STYLES });

/** Collects the outputs for the server, and the files that they were made of. */
class Dist {
  /** @type {Set<string>} */ inputs = new Set();
  /** By name below `dist/`. @type {Map<string, Buffer | string>} */ files = new Map();

  /** Add the files of a build. @param {import("esbuild").BuildResult<{write: false, metafile: true}>} result */
  add({ outputFiles, metafile }) {
    for (const input of Object.keys(metafile.inputs)) this.inputs.add(path.relative(STATIC, path.resolve(STATIC, input)));
    for (const { path: file, contents } of outputFiles) this.files.set(path.basename(file), Buffer.from(contents));
  }

  /** Add a file under a name with its digest; return that name. @param {string} name @param {Buffer | string} content */
  addHashed(name, content) {
    const { name: stem, ext } = path.parse(name);
    const hashed = `${stem}-${digest(content).slice(0, 8).toUpperCase()}${ext}`;
    this.files.set(hashed, content);
    return hashed;
  }

  /** Read a file below `static/` that the outputs depend on. @param {string} name */
  async read(name) {
    this.inputs.add(name);
    return readFile(path.join(STATIC, name));
  }

  /** Write everything, the manifest last. @param {{pages: Record<string, string>, modules: Record<string, string>}} content */
  async write(content) {
    const folder = `${DIST}.new`;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    for (const [name, bytes] of this.files) {
      await writeFile(path.join(folder, name), bytes);
      if (!COMPRESSED.has(path.extname(name))) continue;
      const quality = bytes.length > 400_000 ? 9 : 11; // the highest takes seconds for a megabyte, and gains 3 %
      const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      await writeFile(path.join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
      await writeFile(path.join(folder, `${name}.br`), brotliCompressSync(bytes, { params }));
    }
    /** @type {Record<string, string>} */ const inputs = {};
    for (const name of [...this.inputs].sort()) inputs[name] = digest(await readFile(path.join(STATIC, name)));
    await writeFile(path.join(folder, "manifest.json"), JSON.stringify({ ...content, inputs }, null, 2));
    await rm(DIST, { recursive: true, force: true });
    await rename(folder, DIST);
  }
}

async function buildPages() {
  const dist = new Dist();
  /** @type {Record<string, string>} */ const pages = {};
  for (const page of PAGES) pages[`${page}.html`] = await buildPage(dist, page);
  await dist.write({ pages, modules: await buildModules(dist) });
}

/** Bundle one page; return the name of its HTML below `dist/`. @param {Dist} dist @param {string} page */
async function buildPage(dist, page) {
  const script = await bundle({ [path.basename(page)]: `${page}.js` });
  dist.add(script);
  const html = (await dist.read(`${page}.html`)).toString();
  const sheets = urlsOf(html, /<link rel="stylesheet" href="static\/([^"]+)">/g);
  const styles = await Promise.all(sheets.map((name) => dist.read(name)));
  const { code } = await transform(styles.join("\n"), { loader: "css", minify: true, target: TARGET });
  const preloaded = preloadedBy(script, `${page}.js`);
  const head = [
    ["link", `rel="stylesheet" href="static/dist/${dist.addHashed(`${path.basename(page)}.css`, code)}"`, ""],
    ...preloaded.map((name) => ["link", `rel="modulepreload" href="static/dist/${name}"${priorityOf(name)}`, ""]),
  ].map(([tag, attributes]) => `<${tag} ${attributes}>`);
  const scripts = urlsOf(html, /<script defer src="static\/([^"]+)">/g);
  let bundled = html
    .replace(/ *<link rel="stylesheet" [^>]+>\n/, (line) => `${head.map((tag) => `    ${tag}\n`).join("")}@${line}`)
    .replace(/@? *<link rel="(stylesheet|modulepreload)" href="static\/(?!dist\/)[^>]+>\n/g, "")
    .replace(`"static/${page}.js`, `"static/dist/${entryName(script, `${page}.js`)}`)
    .replace('"static/favicon.svg', `"static/dist/${dist.addHashed("favicon.svg", await dist.read("favicon.svg"))}`);
  for (const name of scripts) {
    bundled = bundled.replace(`"static/${name}`, `"static/dist/${dist.addHashed(path.basename(name), await dist.read(name))}`);
  }
  dist.files.set(`${path.basename(page)}.html`, bundled);
  return `${path.basename(page)}.html`;
}

/**
 * Bundle the public modules and the script of the pages of links, which share their code. Return, by module, the file that is served under its name: it
 * imports all that the module needs, so that the browser loads it at once, and exports what the module does.
 *
 * @param {Dist} dist
 */
async function buildModules(dist) {
  const built = await bundle(Object.fromEntries(MODULES.map((name) => [path.basename(name), `${name}.js`])));
  dist.add(built);
  /** @type {Record<string, string>} */ const served = {};
  for (const name of MODULES) {
    const folder = name.includes("/") ? "../dist" : "./dist";
    const imports = preloadedBy(built, `${name}.js`).map((script) => `import "${folder}/${script}";\n`);
    const file = `${path.basename(name)}.served`;
    dist.files.set(file, `${imports.join("")}export * from "${folder}/${entryName(built, `${name}.js`)}";\n`);
    served[`${name}.js`] = file;
  }
  return served;
}

/** @param {Record<string, string>} entryPoints */
function bundle(entryPoints) {
  return build({
    entryPoints,
    absWorkingDir: STATIC,
    outdir: DIST,
    bundle: true,
    splitting: true,
    format: "esm",
    target: TARGET,
    minify: true,
    legalComments: "none", // the licences of the libraries are beside them
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    plugins: [ON_THE_SERVER],
    metafile: true,
    write: false,
    logLevel: "warning",
  });
}

/** Return the attribute of a preload: files can be chosen before the page is connected. @param {string} name */
function priorityOf(name) {
  return name.startsWith("socket.io") ? ' fetchpriority="low"' : "";
}

/** Return the name of an entry's output. @param {import("esbuild").BuildResult<any>} result @param {string} entry */
function entryName({ metafile }, entry) {
  const outputs = Object.entries(/** @type {import("esbuild").Metafile} */ (metafile).outputs);
  const [name] = outputs.find(([, { entryPoint }]) => entryPoint === entry) ?? [""];
  return path.basename(name);
}

/**
 * Return the other scripts that a page needs at once: what its script imports, and the Socket.IO client where the page
 * connects without being asked.
 *
 * @param {import("esbuild").BuildResult<any>} result @param {string} entry
 */
function preloadedBy({ metafile }, entry) {
  const { outputs } = /** @type {import("esbuild").Metafile} */ (metafile);
  const isSocketIo = (/** @type {string} */ file) => outputs[file]?.entryPoint?.includes("socket.io-client");
  /** @type {Set<string>} */ const found = new Set();
  const waiting = Object.keys(outputs).filter((file) => outputs[file].entryPoint === entry);
  for (let file = waiting.pop(); file; file = waiting.pop()) {
    for (const { path: imported, kind } of outputs[file].imports) {
      const needed = kind === "import-statement" || (CONNECTING.has(entry) && isSocketIo(imported));
      if (!needed || found.has(imported)) continue;
      found.add(imported);
      waiting.push(imported);
    }
  }
  return [...found].map((file) => path.basename(file));
}

/** @param {string} html @param {RegExp} pattern */
function urlsOf(html, pattern) {
  return [...html.matchAll(pattern)].map(([, url]) => url);
}

/** @param {Buffer | string} content */
function digest(content) {
  return createHash("sha256").update(content).digest("hex");
}

// --- the npm package ------------------------------------------------------------------------------------------------

async function buildPackage() {
  const project = await readFile(path.join(STATIC, "..", "pyproject.toml"), "utf8");
  const [, version] = /** @type {RegExpExecArray} */ (/^version = "(.+)"$/m.exec(project));
  const { dependencies } = JSON.parse(await readFile(path.join(STATIC, "package.json"), "utf8"));
  await rm(PACKAGE, { recursive: true, force: true });
  await build({
    entryPoints: {
      index: "roomcast.js",
      element: "element.js",
      react: "bindings/react.js",
      vue: "bindings/vue.js",
      ...Object.fromEntries(LANGUAGES.map((language) => [`locale/${language}`, `locale/${language}.js`])),
    },
    absWorkingDir: STATIC,
    outdir: PACKAGE,
    bundle: true,
    splitting: true,
    format: "esm",
    target: TARGET,
    chunkNames: "chunks/[name]-[hash]",
    packages: "external",
    plugins: [replacing({ "lazy-import": PEER_LIBRARIES, "style-text": INLINED_STYLES, server: PAGE_ORIGIN })],
    logLevel: "warning",
  });
  await build({
    stdin: { contents: 'export * from "./roomcast.js"; export * from "./element.js";', resolveDir: STATIC },
    absWorkingDir: STATIC,
    outfile: path.join(PACKAGE, "roomcast.iife.js"),
    bundle: true,
    format: "iife",
    globalName: "roomcast",
    target: TARGET,
    minify: true,
    legalComments: "eof",
    plugins: [replacing({ "lazy-import": INLINED_LIBRARIES, "style-text": INLINED_STYLES, server: PAGE_ORIGIN })],
    logLevel: "warning",
  });
  await copyTypes();
  await cp(path.join(STATIC, "..", "LICENSE"), path.join(PACKAGE, "LICENSE"));
  await cp(path.join(STATIC, "package-readme.md"), path.join(PACKAGE, "README.md"));
  await writeFile(path.join(PACKAGE, "package.json"), `${JSON.stringify(description(version, dependencies), null, 2)}\n`);
}

/** Copy the declarations, and add those of the tags, which JSDoc cannot express. */
async function copyTypes() {
  const types = path.join(PACKAGE, "types");
  await cp(STATIC, types, {
    recursive: true,
    filter: (source) => {
      const name = path.relative(STATIC, source);
      return !/^(node_modules|dist|page|admin|docs|\.)/.test(name) && (!path.extname(name) || name.endsWith(".d.ts"));
    },
  });
  const imports = Object.entries(TAGS).map(([tag, type]) => `import { ${type} } from "./${tag}.js";`);
  const tags = Object.entries(TAGS).map(([tag, type]) => `    "${tag}": ${type};`);
  const global = ["declare global {", "  interface HTMLElementTagNameMap {", ...tags, "  }", "}"];
  await appendLines(path.join(types, "element.d.ts"), [...imports, ...global]);
  const elements = Object.entries(TAGS).map(
    ([tag, type]) => `      "${tag}": RoomcastProps<${type}>;`,
  );
  await appendLines(path.join(types, "bindings", "react.d.ts"), [
    ...imports.map((line) => line.replace("import {", "import type {").replace('"./', '"../')),
    'import type * as React from "react";',
    "interface RoomcastAttributes {",
    ...["for", "server", "accept", "type", "mode", "max-items", "auto-close", "auto-hide", "upload-id"].map(
      (name) => `  "${name}"?: string | number | undefined;`,
    ),
    ...["results", "disabled"].map((name) => `  "${name}"?: boolean | undefined;`),
    '  roomcast?: import("../client/connection.js").Roomcast | null | undefined;',
    '  locale?: string | Partial<import("../locale/create-locale.js").Locale> | null | undefined;',
    "}",
    "type RoomcastProps<T> =",
    "  React.DetailedHTMLProps<Omit<React.HTMLAttributes<T>, keyof RoomcastAttributes>, T> & RoomcastAttributes;",
    'declare module "react" {',
    "  namespace JSX {",
    "    interface IntrinsicElements {",
    ...elements,
    "    }",
    "  }",
    "}",
  ]);
}

/** @param {string} file @param {string[]} lines */
async function appendLines(file, lines) {
  await writeFile(file, `${await readFile(file, "utf8")}${lines.join("\n")}\n`);
}

/** Return the `package.json`. @param {string} version @param {Record<string, string>} libraries */
function description(version, libraries) {
  const major = (/** @type {string} */ name) => `^${libraries[name].split(".")[0]}`;
  const entry = (/** @type {string} */ file, /** @type {string} */ types) => ({
    types: `./types/${types}.d.ts`,
    default: `./${file}.js`,
  });
  return {
    name: "roomcast",
    version,
    description: "Sends videos and images to a Roomcast server, and shows their progress: client, web components, React and Vue.",
    license: "MIT",
    type: "module",
    sideEffects: ["./element.js", "./roomcast.iife.js"],
    exports: {
      ".": entry("index", "roomcast"),
      "./element": entry("element", "element"),
      "./react": entry("react", "bindings/react"),
      "./vue": entry("vue", "bindings/vue"),
      ...Object.fromEntries(LANGUAGES.map((language) => [`./locale/${language}`, entry(`locale/${language}`, `locale/${language}`)])),
      "./roomcast.iife.js": "./roomcast.iife.js",
      "./package.json": "./package.json",
    },
    types: "./types/roomcast.d.ts",
    peerDependencies: {
      "hls.js": major("hls.js"),
      react: ">=18",
      "socket.io-client": major("socket.io-client"),
      "tus-js-client": major("tus-js-client"),
      vue: ">=3.3",
    },
    peerDependenciesMeta: { "hls.js": { optional: true }, react: { optional: true }, vue: { optional: true } },
  };
}

const [wanted] = process.argv.slice(2);
if (wanted !== "packages") await buildPages();
if (wanted !== "pages") await buildPackage();
