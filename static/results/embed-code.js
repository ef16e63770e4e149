/** Writes the HTML that shows a result in another page. Pure. */

/** @typedef {import("../protocol/messages.js").Output} Output */

/**
 * Return the HTML, or null for a result that no page can show.
 *
 * @param {string} link   The lasting link of the upload: its files are below it.
 * @param {Output[]} outputs   The main one first.
 * @param {string} filename
 */
export function embedCode(link, outputs, filename) {
  const [main] = outputs;
  const poster = outputs.find(({ kind }) => kind === "poster");
  const size = main?.width && main.height ? ` width="${main.width}" height="${main.height}"` : "";
  switch (main?.kind) {
    case "video":
      return `<video controls preload="none"${size}${attribute("src", fileUrl(link, main))}${poster ? attribute("poster", fileUrl(link, poster)) : ""}></video>`;
    case "audio":
      return `<audio controls preload="none"${attribute("src", fileUrl(link, main))}></audio>`;
    case "image":
      return `<img${size}${attribute("src", fileUrl(link, main))}${attribute("alt", filename)}>`;
    default:
      return null;
  }
}

/** @param {string} link @param {Output} output */
function fileUrl(link, { key }) {
  return `${link}/${encodeURIComponent(key.split("/").pop() ?? "")}`;
}

/** @param {string} name @param {string} value */
function attribute(name, value) {
  return ` ${name}="${value.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;")}"`;
}
