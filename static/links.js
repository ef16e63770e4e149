/** The links in a message. Pure. */

/** @typedef {import("./roomcast.js").Message} Message */

/**
 * The message with whole addresses: a server that does not know its public one sends paths, which are the server's and
 * not those of the page that shows them.
 *
 * @param {Message} message
 * @param {(link: string) => string} resolve
 * @returns {Message}
 */
export function withAddresses(message, resolve) {
  const { poster, element } = message;
  if (!poster && !element) return message;
  const resolved = { ...message };
  if (poster) resolved.poster = resolvedOutput(poster, resolve);
  if (element) {
    const outputs = element.outputs.map((output) => resolvedOutput(output, resolve));
    resolved.element = { ...element, url: element.url && resolve(element.url), outputs };
  }
  return resolved;
}

/** @param {import("./roomcast.js").Output} output @param {(link: string) => string} resolve */
function resolvedOutput(output, resolve) {
  return { ...output, url: resolve(output.url) };
}
