/** Where socket.io-client comes from. */

const SOCKET_MODULE = new URL("./node_modules/socket.io-client/dist/socket.io.esm.min.js", import.meta.url);
const SOCKET_CDN = {
  src: "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js",
  integrity: "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1",
};

/** The official client: the copy beside this file, else the pinned one of the CDN, else none. */
export async function loadSocketIo() {
  try {
    return (await import(SOCKET_MODULE.href)).io;
  } catch {
    return typeof document === "undefined" ? null : loadFromCdn();
  }
}

/** @returns {Promise<Function | null>} */
function loadFromCdn() {
  return new Promise((resolve) => {
    const script = Object.assign(document.createElement("script"), { ...SOCKET_CDN, crossOrigin: "anonymous" });
    script.onload = () => resolve(/** @type {any} */ (globalThis).io ?? null);
    script.onerror = () => resolve(null);
    document.head.append(script);
  });
}
