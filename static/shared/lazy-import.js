/** Loads npm libraries when they are first needed: the local copy, else the pinned one on the CDN, else none. */

/**
 * @typedef {object} Library
 * @property {string} module       The file below `node_modules`: an ES module, or a plain script.
 * @property {string} [exported]   The export of the ES module to return; absent for a script.
 * @property {string} script       The URL of the plain script on the CDN.
 * @property {string} integrity    The hash of that script.
 * @property {string} global       The variable that the script defines.
 */

/** Return socket.io-client's `io`, or null if it cannot be loaded. */
export function loadSocketIo() {
  return load({
    module: "socket.io-client/dist/socket.io.esm.min.js",
    exported: "io",
    script: "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js",
    integrity: "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1",
    global: "io",
  });
}

/** @type {Promise<any> | undefined} */ let tus;

/** Return tus-js-client, or null if it cannot be loaded. */
export function loadTus() {
  if (typeof XMLHttpRequest === "undefined") return Promise.resolve(null); // its browser build needs it
  tus ??= load({
    module: "tus-js-client/dist/tus.min.js",
    script: "https://cdn.jsdelivr.net/npm/tus-js-client@4.3.1/dist/tus.min.js",
    integrity: "sha384-UlHjK3F7TCQCEUpnoa1ohMbP2oaWB3Aypv4gMo511vaZ86uUZ0Zv7UzZ0J1zRUT1",
    global: "tus",
  });
  return tus;
}

/** Return hls.js' `Hls`, or null if it cannot be loaded. */
export function loadHls() {
  return load({
    module: "hls.js/dist/hls.min.mjs",
    exported: "default",
    script: "https://cdn.jsdelivr.net/npm/hls.js@1.7.4/dist/hls.min.js",
    integrity: "sha384-p9vgU/7IYJWd3I4STrtqxqR/2cAQlhIX7D/HrTnIMEjjcUox165b7se7sxmm3zDg",
    global: "Hls",
  });
}

/** Return uPlot's class, or null if it cannot be loaded. The admin page, which draws with it, loads nothing from a CDN. */
export function loadUplot() {
  const url = new URL("../node_modules/uplot/dist/uPlot.esm.js", import.meta.url).href;
  return import(url).then((uplot) => uplot.default, () => null);
}

/** @param {Library} library @returns {Promise<any>} */
async function load({ module, exported, script, integrity, global }) {
  try {
    const found = await import(new URL(`../node_modules/${module}`, import.meta.url).href);
    return exported ? found[exported] : globalVariable(global);
  } catch {
    return typeof document === "undefined" ? null : loadFromCdn(script, integrity, global);
  }
}

/** @param {string} src @param {string} integrity @param {string} global @returns {Promise<any>} */
function loadFromCdn(src, integrity, global) {
  return new Promise((resolve) => {
    const script = Object.assign(document.createElement("script"), { src, integrity, crossOrigin: "anonymous" });
    script.onload = () => resolve(globalVariable(global));
    script.onerror = () => resolve(null);
    document.head.append(script);
  });
}

/** @param {string} name */
function globalVariable(name) {
  return /** @type {any} */ (globalThis)[name] ?? null;
}
