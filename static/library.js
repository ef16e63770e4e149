/** Libraries from npm: the copy beside this file, else the pinned one of the CDN, else none. */

/**
 * @typedef {object} Library
 * @property {string} module      Its ES module, below node_modules.
 * @property {string} exported    What of it is wanted.
 * @property {string} script      The URL of its plain script on the CDN.
 * @property {string} integrity   Of that script.
 * @property {string} global      What the script defines.
 */

/** @param {Library} library @returns {Promise<any>} */
export async function load({ module, exported, script, integrity, global }) {
  try {
    return (await import(new URL(`./node_modules/${module}`, import.meta.url).href))[exported];
  } catch {
    return typeof document === "undefined" ? null : loadFromCdn(script, integrity, global);
  }
}

/** @param {string} src @param {string} integrity @param {string} global @returns {Promise<any>} */
function loadFromCdn(src, integrity, global) {
  return new Promise((resolve) => {
    const script = Object.assign(document.createElement("script"), { src, integrity, crossOrigin: "anonymous" });
    script.onload = () => resolve(/** @type {any} */ (globalThis)[global] ?? null);
    script.onerror = () => resolve(null);
    document.head.append(script);
  });
}
