/** Warns developers when a browser blocks the responses of a server that does not know the page's origin. */

/** @type {Set<string>} */
const hinted = new Set();

/**
 * Warn in the console, once for each server, if it answers but its responses may not be read.
 *
 * @param {URL} server   Whose request has just failed.
 * @returns {Promise<void>}
 */
export async function hintAtCors({ href, origin }) {
  const page = globalThis.location?.origin;
  if (!page || page === origin || page === "null" || hinted.has(origin)) return;
  const isReachable = await fetch(new URL("api/config", href), { mode: "no-cors" }).then(() => true, () => false);
  if (!isReachable || hinted.has(origin)) return;
  hinted.add(origin);
  console.warn(`The Roomcast server ${origin} does not accept this page's origin. On the server, set ROOMCAST_CORS_ORIGINS=${page}`);
}
