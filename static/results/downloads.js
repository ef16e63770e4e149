/** The list of a result's files, each with a link that saves it. */

import { Markup, byClass, instantiate, setText } from "../shared/dom.js";

/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/messages.js").Output} Output */

const LINK = new Markup(`
<li><a>
  <span class="download-label"></span>
  <span class="download-facts"></span>
  <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M10 3v9m-4-4 4 4 4-4M4 16h12"/></svg>
</a></li>`);

/** The outputs that only a player needs; they are not offered as downloads. */
const PLAYER_KINDS = new Set(["sprite", "storyboard", "hls"]);

/** Fills the list. New URLs of the same files change its links in place, so that the focus stays. */
export class Downloads {
  #list;
  /** What the list shows, but the URLs. */ #shown = "";

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** @param {Output[]} outputs @param {string} filename   Of the source. @param {Locale} locale */
  show(outputs, filename, locale) {
    const saved = outputs.filter(({ kind }) => !PLAYER_KINDS.has(kind));
    const groups = groupedBySize(saved);
    const items = groups.map((group) => (group.length === 1 ? singleFormat(group[0], locale) : severalFormats(group, locale)));
    const shown = items.map((item) => item.outerHTML).join("");
    if (shown !== this.#shown) this.#list.replaceChildren(...items);
    this.#shown = shown;
    this.#list.setAttribute("aria-label", locale.downloads);
    for (const [index, link] of this.#list.querySelectorAll("a").entries()) linkTo(link, groups.flat()[index], filename);
  }
}

/** Group images of the same size, which differ in their format. @param {Output[]} outputs @returns {Output[][]} */
function groupedBySize(outputs) {
  /** @type {Map<string, Output[]>} */ const groups = new Map();
  for (const output of outputs) {
    const name = isImage(output) ? `${output.width} × ${output.height}` : output.key;
    groups.set(name, [...(groups.get(name) ?? []), output]);
  }
  return [...groups.values()];
}

/** @param {Output} output @param {Locale} locale */
function singleFormat(output, locale) {
  const item = instantiate(LINK);
  setText(byClass(item, "download-label"), locale.outputTitle(output));
  setText(byClass(item, "download-facts"), locale.outputFacts(output));
  return item;
}

/**
 * Return one list item for an image size, with a link for each of its formats.
 *
 * @param {Output[]} group @param {Locale} locale
 */
function severalFormats(group, locale) {
  const item = document.createElement("li");
  const { width, height } = group[0];
  item.className = "formats";
  item.append(
    textLine("download-size", locale.format.dimensions(width ?? 0, height ?? 0)),
    ...group.map((output) => {
      const link = document.createElement("a");
      const dimensions = locale.format.dimensions(output.width ?? 0, output.height ?? 0);
      link.append(
        textLine("download-label", locale.outputFormat(output)),
        " ",
        textLine("download-facts", locale.bytes(output.size)),
        textLine("visually-hidden", `${locale.comma}${dimensions}`),
      );
      return link;
    }),
  );
  return item;
}

/** @param {string} className @param {string} text */
function textLine(className, text) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = text;
  return span;
}

/** @param {HTMLAnchorElement} link @param {Output} output @param {string} filename */
function linkTo(link, output, filename) {
  const url = output.downloadUrl ?? output.url;
  if (link.href !== url) link.href = url;
  link.download = downloadName(output, filename);
}

/** Return the source's filename with the output's extension. @param {Output} output @param {string} filename */
function downloadName(output, filename) {
  const { key, kind, width, height } = output;
  const stem = filename.replace(/\.[^.]*$/, "");
  const extension = key.split(".").pop();
  const imageSize = isImage(output) && width && height ? `-${Math.max(width, height)}` : "";
  const suffix = kind === "poster" ? "-poster" : imageSize;
  return `${stem}${suffix}.${extension}`;
}

/** @param {Output} output */
function isImage({ kind }) {
  return kind === "image" || kind === "thumbnail";
}
