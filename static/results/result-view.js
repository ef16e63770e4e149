/** Shows the result of an upload: a player or an image, the sizes before and after, and the downloads. */

import { Markup, byClass, instantiate, setHidden, setText } from "../shared/dom.js";
import { loadFilmstrip } from "./filmstrip.js";
import { attachHls } from "./hls-player.js";

/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/messages.js").Element} Element */
/** @typedef {import("../protocol/messages.js").Output} Output */

const MARKUP = new Markup(`
<div class="result" hidden>
  <div class="screen"></div>
  <div class="outcome">
    <p class="saved"></p>
    <p class="partial"></p>
    <p class="facts"></p>
    <dl class="sizes">
      <div class="size before"><dt></dt><dd></dd><span class="size-bar" aria-hidden="true"></span></div>
      <div class="size after"><dt></dt><dd></dd><span class="size-bar" aria-hidden="true"></span></div>
    </dl>
    <ul class="downloads"></ul>
  </div>
</div>`);

const LINK = new Markup(`
<li><a>
  <span class="download-label"></span>
  <span class="download-facts"></span>
  <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M10 3v9m-4-4 4 4 4-4M4 16h12"/></svg>
</a></li>`);

/** The outputs that only a player needs; they are not offered as downloads. */
const PLAYER_KINDS = new Set(["sprite", "storyboard", "hls"]);
const MAIN_KINDS = ["video", "audio", "image"];

export class ResultView {
  /** @type {HTMLElement} */ element;
  /** The keys of the outputs that are shown. */ #shown = "";
  #reloading = false;
  #locale;
  #refresh;
  /** Detaches the current HLS stream. */ #detach = () => {};

  /**
   * @param {Locale} locale
   * @param {() => void} refresh   Fetches the state again, with newly signed URLs: URLs expire.
   */
  constructor(locale, refresh) {
    this.#locale = locale;
    this.#refresh = refresh;
    this.element = instantiate(MARKUP);
  }

  /** The texts of the next `show`. @param {Locale} locale */
  set locale(locale) {
    this.#locale = locale;
  }

  /** @param {Element} element @param {string} filename   The name of the source file. */
  show(element, filename) {
    const outputs = element.outputs.filter(({ url }) => isHttpUrl(url));
    const main = outputs.find(({ kind }) => MAIN_KINDS.includes(kind));
    this.#showSizes(element, main);
    setText(byClass(this.element, "partial"), this.#locale.partialNote(element));
    setText(byClass(this.element, "facts"), this.#locale.resultNote(element));
    byClass(this.element, "downloads").setAttribute("aria-label", this.#locale.downloads);
    this.#showDownloads(outputs, filename);
    // Keys and not URLs: a newly signed URL must not restart a video that is playing.
    const keys = outputs.map(({ key }) => key).join();
    if (main && keys !== this.#shown) this.#showMain(main, outputs, filename);
    this.#shown = keys;
    this.#label(this.#locale.compressed(filename));
  }

  /** @param {string} label   Of the player or the image. */
  #label(label) {
    const media = byClass(this.element, "screen").firstElementChild;
    if (media instanceof HTMLImageElement) media.alt = label;
    else media?.setAttribute("aria-label", label);
  }

  /** @param {Output} main @param {Output[]} outputs @param {string} filename */
  #showMain(main, outputs, filename) {
    this.#detach();
    const screen = byClass(this.element, "screen");
    screen.dataset.kind = main.kind;
    if (main.kind === "image") {
      const image = imageOf(main);
      this.#reloadOnError(image, "load");
      return screen.replaceChildren(image);
    }
    const poster = outputs.find(({ kind }) => kind === "poster");
    const player = main.kind === "audio" ? audioPlayer() : videoPlayer(main, poster);
    this.#reloadOnError(player, "loadedmetadata");
    screen.replaceChildren(player);
    if (player instanceof HTMLVideoElement) void this.#load(player, main, outputs, filename);
    else player.src = main.url;
  }

  /** @param {HTMLVideoElement} video @param {Output} main @param {Output[]} outputs @param {string} filename */
  async #load(video, main, outputs, filename) {
    const ladder = outputs.find(({ kind }) => kind === "hls");
    const [track, sprite] = ["storyboard", "sprite"].map((wanted) => outputs.find(({ kind }) => kind === wanted));
    const storyboard = track && sprite ? { track: track.url, sprite: sprite.url, filename } : null;
    const strip = storyboard && loadFilmstrip(video, storyboard, this.#locale);
    // After a failure of the stream, the single file is played instead.
    const detach = ladder && !this.#reloading ? await attachHls(video, ladder.url, () => this.#reload(video)) : null;
    if (!video.isConnected) return void detach?.();
    if (detach) this.#detach = detach;
    else video.src = main.url;
    const scenes = await strip;
    if (scenes && video.isConnected) video.after(scenes);
  }

  /** @param {HTMLMediaElement | HTMLImageElement} media @param {string} loaded   The event of a successful load. */
  #reloadOnError(media, loaded) {
    media.addEventListener(loaded, () => (this.#reloading = false));
    media.addEventListener("error", () => this.#reload(media), { once: true });
  }

  /**
   * Load the media once more with a newly signed URL. If that fails too, only the downloads are shown.
   *
   * @param {HTMLMediaElement | HTMLImageElement} media
   */
  #reload(media) {
    if (this.#reloading || !media.isConnected) return;
    this.#reloading = true;
    this.#shown = "";
    byClass(this.element, "screen").replaceChildren();
    this.#refresh();
  }

  /** @param {Element} element @param {Output | undefined} main */
  #showSizes({ original, saved }, main) {
    const before = original?.size ?? 0;
    const after = before && saved ? before - saved.bytes : (main?.size ?? 0);
    const largest = Math.max(before, after, 1);
    const { original: beforeTitle, result: afterTitle } = this.#locale;
    const rows = /** @type {const} */ ([["before", beforeTitle, before], ["after", afterTitle, after]]);
    for (const [name, title, bytes] of rows) {
      const row = byClass(this.element, name);
      setHidden(row, !bytes);
      setText(/** @type {HTMLElement} */ (row.querySelector("dt")), title);
      setText(/** @type {HTMLElement} */ (row.querySelector("dd")), this.#locale.bytes(bytes));
      /** @type {HTMLElement} */ (row.querySelector(".size-bar")).style.width = `${(100 * bytes) / largest}%`;
    }
    const percent = saved?.percent ?? (before && after ? 100 * (1 - after / before) : null);
    setText(byClass(this.element, "saved"), percent === null ? "" : this.#locale.saved(percent));
  }

  /** @param {Output[]} outputs @param {string} filename */
  #showDownloads(outputs, filename) {
    const list = byClass(this.element, "downloads");
    const items = groupedBySize(outputs.filter(({ kind }) => !PLAYER_KINDS.has(kind))).map((group) =>
      group.length === 1 ? download(group[0], filename, this.#locale) : downloadGroup(group, filename, this.#locale),
    );
    const changed = items.map((item) => item.outerHTML).join("") !== list.innerHTML;
    if (changed) list.replaceChildren(...items);
  }
}

/** @param {Output} output @param {Output | undefined} poster */
function videoPlayer({ width, height }, poster) {
  const video = document.createElement("video");
  Object.assign(video, { controls: true, preload: poster ? "none" : "metadata", playsInline: true });
  if (poster) video.poster = poster.url;
  reserveSpace(video, width, height);
  return video;
}

function audioPlayer() {
  const audio = document.createElement("audio");
  Object.assign(audio, { controls: true, preload: "metadata" });
  return audio;
}

/** @param {Output} output */
function imageOf({ url, width, height }) {
  const image = document.createElement("img");
  reserveSpace(image, width, height);
  image.src = url;
  return image;
}

/** Prevent a layout shift when the media loads.
 * @param {HTMLElement} media @param {number} [width] @param {number} [height] */
function reserveSpace(media, width, height) {
  if (width && height) media.style.aspectRatio = `${width} / ${height}`;
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

/** @param {Output} output @param {string} filename @param {Locale} locale */
function download(output, filename, locale) {
  const item = instantiate(LINK);
  const link = /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
  linkTo(link, output, filename);
  setText(byClass(item, "download-label"), locale.outputTitle(output));
  setText(byClass(item, "download-facts"), locale.outputFacts(output));
  return item;
}

/**
 * Return one list item for an image size, with a link for each of its formats.
 *
 * @param {Output[]} group @param {string} filename @param {Locale} locale
 */
function downloadGroup(group, filename, locale) {
  const item = document.createElement("li");
  const { width, height } = group[0];
  item.className = "formats";
  item.append(
    textLine("download-size", locale.format.dimensions(width ?? 0, height ?? 0)),
    ...group.map((output) => {
      const link = document.createElement("a");
      link.append(
        textLine("download-label", locale.outputFormat(output)),
        textLine("download-facts", locale.bytes(output.size)),
      );
      link.setAttribute("aria-label", [locale.outputTitle(output), locale.outputFacts(output)].join(locale.comma));
      linkTo(link, output, filename);
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
  link.href = output.downloadUrl ?? output.url;
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

/** Return whether a URL is safe to link to. @param {string} url */
function isHttpUrl(url) {
  return URL.canParse(url, location.href) && /^https?:$/.test(new URL(url, location.href).protocol);
}
