/** Libraries from npm: the copy beside this file, else the pinned one of the CDN, else none. */

/**
 * @typedef {object} Library
 * @property {string} module       Its file below node_modules: an ES module, or the plain script.
 * @property {string} [exported]   What of an ES module is wanted; absent for a script.
 * @property {string} script       The URL of its plain script on the CDN.
 * @property {string} integrity    Of that script.
 * @property {string} global       What the script defines.
 */

/** @param {Library} library @returns {Promise<any>} */
export async function load({ module, exported, script, integrity, global }) {
  try {
    const found = await import(new URL(`./node_modules/${module}`, import.meta.url).href);
    return exported ? found[exported] : defined(global);
  } catch {
    return typeof document === "undefined" ? null : loadFromCdn(script, integrity, global);
  }
}

/** @param {string} src @param {string} integrity @param {string} global @returns {Promise<any>} */
function loadFromCdn(src, integrity, global) {
  return new Promise((resolve) => {
    const script = Object.assign(document.createElement("script"), { src, integrity, crossOrigin: "anonymous" });
    script.onload = () => resolve(defined(global));
    script.onerror = () => resolve(null);
    document.head.append(script);
  });
}

/** @param {string} global */
function defined(global) {
  return /** @type {any} */ (globalThis)[global] ?? null;
}
