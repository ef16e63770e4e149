/** What came out of an upload: the film or the picture, what it weighs now, and the files to take away. */

import { setHidden, setText } from "./dom.js";
import { bytesWords, outputFacts, outputTitle, savedWords } from "./words.js";

/** @typedef {import("./roomcast.js").Element} Element */
/** @typedef {import("./roomcast.js").Output} Output */

const MARKUP = document.createElement("template");
MARKUP.innerHTML = `
<div class="result" hidden>
  <div class="screen"></div>
  <div class="outcome">
    <p class="saved"></p>
    <dl class="sizes">
      <div class="size before"><dt>Original</dt><dd></dd><span class="weight" aria-hidden="true"></span></div>
      <div class="size after"><dt>Result</dt><dd></dd><span class="weight" aria-hidden="true"></span></div>
    </dl>
    <ul class="downloads" aria-label="Downloads"></ul>
  </div>
</div>`;

const LINK = document.createElement("template");
LINK.innerHTML = `
<li><a>
  <span class="download-label"></span>
  <span class="download-facts"></span>
  <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M10 3v9m-4-4 4 4 4-4M4 16h12"/></svg>
</a></li>`;

export class ResultView {
  /** @type {HTMLElement} */ element;
  #shown = "";
  #reloading = false;
  #refresh;

  /** @param {() => void} refresh   Asks for the state again: links expire, and come signed anew with it. */
  constructor(refresh) {
    this.#refresh = refresh;
    this.element = /** @type {HTMLElement} */ (MARKUP.content.firstElementChild?.cloneNode(true));
  }

  /** @param {Element} element @param {string} filename what its person calls it */
  show(element, filename) {
    const outputs = element.outputs.filter(({ url }) => isWeb(url));
    const main = outputs.find(({ kind }) => kind === "video") ?? outputs.find(({ kind }) => kind === "image");
    this.#showSizes(element, main);
    this.#showDownloads(outputs, filename);
    // Links signed anew must not restart a film that is playing.
    const mark = outputs.map(({ key }) => key).join();
    if (main && mark !== this.#shown) this.#showMain(main, outputs, filename);
    this.#shown = mark;
  }

  /** @param {Output} main @param {Output[]} outputs @param {string} filename */
  #showMain(main, outputs, filename) {
    const poster = outputs.find(({ kind }) => kind === "poster") ?? outputs.find(({ kind }) => kind === "thumbnail");
    const media = main.kind === "video" ? film(main, poster, filename) : picture(main, filename);
    media.addEventListener(main.kind === "video" ? "loadedmetadata" : "load", () => (this.#reloading = false));
    media.addEventListener("error", () => this.#reload(media), { once: true });
    this.#part("screen").replaceChildren(media);
  }

  /**
   * Once more with a fresh link; if that fails too, the downloads remain.
   *
   * @param {HTMLVideoElement | HTMLImageElement} media
   */
  #reload(media) {
    if (this.#reloading) return;
    this.#reloading = true;
    this.#shown = "";
    media.remove();
    this.#refresh();
  }

  /** @param {Element} element @param {Output | undefined} main */
  #showSizes({ original, saved }, main) {
    const before = original?.size ?? 0;
    const after = before && saved ? before - saved.bytes : (main?.size ?? 0);
    const largest = Math.max(before, after, 1);
    for (const [name, bytes] of /** @type {const} */ ([["before", before], ["after", after]])) {
      const row = this.#part(name);
      setHidden(row, !bytes);
      setText(/** @type {HTMLElement} */ (row.querySelector("dd")), bytesWords(bytes));
      /** @type {HTMLElement} */ (row.querySelector(".weight")).style.width = `${(100 * bytes) / largest}%`;
    }
    const percent = saved?.percent ?? (before && after ? 100 * (1 - after / before) : null);
    setText(this.#part("saved"), percent === null ? "" : savedWords(percent));
  }

  /** @param {Output[]} outputs @param {string} filename */
  #showDownloads(outputs, filename) {
    const list = this.#part("downloads");
    const links = outputs.map((output) => downloadLink(output, filename));
    const changed = links.map((item) => item.outerHTML).join("") !== list.innerHTML;
    if (changed) list.replaceChildren(...links);
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`.${name}`));
  }
}

/** @param {Output} output @param {Output | undefined} poster @param {string} filename */
function film({ url, width, height }, poster, filename) {
  const video = document.createElement("video");
  Object.assign(video, { controls: true, preload: poster ? "none" : "metadata", playsInline: true });
  video.setAttribute("aria-label", `${filename}, compressed`);
  if (poster) video.poster = poster.url;
  reserveSpace(video, width, height);
  video.src = url;
  return video;
}

/** @param {Output} output @param {string} filename */
function picture({ url, width, height }, filename) {
  const image = document.createElement("img");
  image.alt = `${filename}, compressed`;
  reserveSpace(image, width, height);
  image.src = url;
  return image;
}

/** So that nothing jumps when it loads. @param {HTMLElement} media @param {number} [width] @param {number} [height] */
function reserveSpace(media, width, height) {
  if (width && height) media.style.aspectRatio = `${width} / ${height}`;
}

/** @param {Output} output @param {string} filename */
function downloadLink(output, filename) {
  const item = /** @type {HTMLElement} */ (LINK.content.firstElementChild?.cloneNode(true));
  const link = /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
  link.href = output.url;
  link.download = downloadName(output, filename);
  setText(/** @type {HTMLElement} */ (item.querySelector(".download-label")), outputTitle(output));
  setText(/** @type {HTMLElement} */ (item.querySelector(".download-facts")), outputFacts(output));
  return item;
}

/** The person's own name for it, with the ending of what it now is. @param {Output} output @param {string} filename */
function downloadName({ key, kind }, filename) {
  const stem = filename.replace(/\.[^.]*$/, "");
  const ending = key.split(".").pop();
  return `${stem}${kind === "poster" || kind === "thumbnail" ? `-${kind}` : ""}.${ending}`;
}

/** A link is followed only if it leads to the web. @param {string} url */
function isWeb(url) {
  return URL.canParse(url, location.href) && /^https?:$/.test(new URL(url, location.href).protocol);
}
