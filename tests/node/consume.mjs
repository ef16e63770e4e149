/**
 * Bundles applications that use the npm package: `node consume.mjs FOLDER`, which has their sources and `node_modules`.
 *
 * esbuild makes `dist/NAME.js` of each `NAME.entry.js(x)`, and `dist/NAME.iife.js` of the plain ones; Vite makes
 * `vite/react.js`. Prints the size of every output in bytes, as JSON, also gzipped, and what React renders on a server.
 */

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";

import { compileScript, parse } from "vue/compiler-sfc";

const folder = process.argv[2];
const { build } = createRequire(new URL("../../static/package.json", import.meta.url))("esbuild");
const sizes = {};

/** Compiles single-file components, as the plugins for bundlers do. */
const vue = {
  name: "vue",
  setup({ onLoad }) {
    onLoad({ filter: /\.vue$/ }, ({ path: filename }) => {
      const { descriptor } = parse(readFileSync(filename, "utf8"), { filename });
      return { contents: compileScript(descriptor, { id: "app", inlineTemplate: true }).content, loader: "js" };
    });
  },
};

function common() {
  return {
    absWorkingDir: folder,
    bundle: true,
    minify: true,
    jsx: "automatic",
    outdir: "dist",
    plugins: [vue],
    define: {
      "process.env.NODE_ENV": '"production"',
      __VUE_OPTIONS_API__: "false",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
    },
    logLevel: "error",
  };
}

async function bundled(options) {
  const { metafile } = await build({ ...common(), ...options, metafile: true });
  for (const name of Object.keys(metafile.outputs)) record(name);
}

function record(name) {
  const bytes = readFileSync(path.join(folder, name));
  sizes[name] = { bytes: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length };
}

const entries = readdirSync(folder).filter((name) => /\.entry\.jsx?$/.test(name));
for (const name of entries) {
  const out = name.replace(/\.entry\.jsx?$/, "");
  // In development, React's strict mode mounts every component twice.
  const define = out === "one" ? { "process.env.NODE_ENV": '"development"' } : common().define;
  const entry = { entryPoints: { [out]: name }, chunkNames: `${out}-[name]-[hash]` };
  await bundled({ ...entry, define, format: "esm", splitting: true });
  if (name.endsWith(".js")) await bundled({ entryPoints: { [`${out}.iife`]: name }, format: "iife" });
}

const vite = await import("vite");
await vite.build({
  root: folder,
  configFile: false,
  logLevel: "error",
  esbuild: { jsx: "automatic" },
  build: {
    outDir: "vite",
    rollupOptions: { input: path.join(folder, "react.entry.jsx"), output: { entryFileNames: "react.js" } },
  },
});
for (const name of readdirSync(path.join(folder, "vite"), { recursive: true })) {
  if (name.endsWith(".js")) record(path.join("vite", name));
}

// On a server: everything can be imported, and renders without a connection.
const server = `
  import { createElement } from "react";
  import { renderToString } from "react-dom/server";
  import { createSSRApp } from "vue";
  import { renderToString as renderVue } from "vue/server-renderer";
  import "roomcast";
  import "roomcast/element";
  import { createRoomcast } from "roomcast/vue";
  import { App } from "./App.jsx";
  import VueApp from "./App.vue";
  export const rendered = async () => ({
    react: renderToString(createElement(App)),
    vue: await renderVue(createSSRApp(VueApp).use(createRoomcast())),
  });
`;
await build({
  ...common(),
  stdin: { contents: server, resolveDir: folder },
  outdir: undefined,
  outfile: "server.mjs",
  platform: "node",
  format: "esm",
  minify: false,
  external: ["react", "react-dom", "vue", "roomcast"],
});
const { rendered } = await import(pathToFileURL(path.join(folder, "server.mjs")));
writeFileSync(path.join(folder, "result.json"), JSON.stringify({ sizes, rendered: await rendered() }));
