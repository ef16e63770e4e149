/** Knows where the server is: the one that this module was loaded from. The npm package replaces this module. */

/** Return the URL of the server, with a slash at the end; below it are its API and its Socket.IO endpoint. */
export function defaultServer() {
  return new URL("../../", import.meta.url);
}
