/** What came out of an upload: the film, the sound or the picture, what it weighs now, and the files to take away. */

import { setHidden, setText } from "./dom.js";
import { filmstrip } from "./filmstrip.js";
import { stream } from "./streaming.js";

/** @typedef {import("./list-words.js").Words} Words */
/** @typedef {import("./roomcast.js").Element} Element */
/** @typedef {import("./roomcast.js").Output} Output */

const MARKUP = document.createElement("template");
MARKUP.innerHTML = `
<div class="result" hidden>
  <div class="screen"></div>
  <div class="outcome">
    <p class="saved"></p>
    <p class="partial"></p>
    <p class="facts"></p>
    <dl class="sizes">
      <div class="size before"><dt></dt><dd></dd><span class="weight" aria-hidden="true"></span></div>
      <div class="size after"><dt></dt><dd></dd><span class="weight" aria-hidden="true"></span></div>
    </dl>
    <ul class="downloads"></ul>
  </div>
</div>`;

const LINK = document.createElement("template");
LINK.innerHTML = `
<li><a>
  <span class="download-label"></span>
  <span class="download-facts"></span>
  <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M10 3v9m-4-4 4 4 4-4M4 16h12"/></svg>
</a></li>`;

/** What a player needs, and nobody takes home. */
const PARTS = new Set(["sprite", "storyboard", "hls"]);
const PLAYED = ["video", "audio", "image"];

export class ResultView {
  /** @type {HTMLElement} */ element;
  #shown = "";
  #reloading = false;
  #words;
  #refresh;
  /** Ends what plays now. */ #end = () => {};

  /**
   * @param {Words} words
   * @param {() => void} refresh   Asks for the state again: links expire, and come signed anew with it.
   */
  constructor(words, refresh) {
    this.#words = words;
    this.#refresh = refresh;
    this.element = /** @type {HTMLElement} */ (MARKUP.content.firstElementChild?.cloneNode(true));
    this.#part("downloads").setAttribute("aria-label", words.downloads);
  }

  /** @param {Element} element @param {string} filename what its person calls it */
  show(element, filename) {
    const outputs = element.outputs.filter(({ url }) => isWeb(url));
    const main = outputs.find(({ kind }) => PLAYED.includes(kind));
    this.#showSizes(element, main);
    setText(this.#part("partial"), this.#words.partial(element));
    setText(this.#part("facts"), this.#words.remark(element));
    this.#showDownloads(outputs, filename);
    // Links signed anew must not restart a film that is playing.
    const mark = outputs.map(({ key }) => key).join();
    if (main && mark !== this.#shown) this.#showMain(main, outputs, filename);
    this.#shown = mark;
  }

  /** @param {Output} main @param {Output[]} outputs @param {string} filename */
  #showMain(main, outputs, filename) {
    this.#end();
    const screen = this.#part("screen");
    const label = this.#words.compressed(filename);
    screen.dataset.kind = main.kind;
    if (main.kind === "image") {
      const image = picture(main, label);
      this.#watch(image, "load");
      return screen.replaceChildren(image);
    }
    const poster = outputs.find(({ kind }) => kind === "poster");
    const player = main.kind === "audio" ? sound(label) : film(main, poster, label);
    this.#watch(player, "loadedmetadata");
    screen.replaceChildren(player);
    if (player instanceof HTMLVideoElement) void this.#load(player, main, outputs, filename);
    else player.src = main.url;
  }

  /** @param {HTMLVideoElement} video @param {Output} main @param {Output[]} outputs @param {string} filename */
  async #load(video, main, outputs, filename) {
    const ladder = outputs.find(({ kind }) => kind === "hls");
    const [track, sprite] = ["storyboard", "sprite"].map((wanted) => outputs.find(({ kind }) => kind === wanted));
    const storyboard = track && sprite ? { track: track.url, sprite: sprite.url, filename } : null;
    const strip = storyboard && filmstrip(video, storyboard, this.#words);
    // What could not be streamed once is played from the one file.
    const end = ladder && !this.#reloading ? await stream(video, ladder.url, () => this.#reload(video)) : null;
    if (!video.isConnected) return void end?.();
    if (end) this.#end = end;
    else video.src = main.url;
    const scenes = await strip;
    if (scenes && video.isConnected) video.after(scenes);
  }

  /** @param {HTMLMediaElement | HTMLImageElement} media @param {string} loaded the event that says so */
  #watch(media, loaded) {
    media.addEventListener(loaded, () => (this.#reloading = false));
    media.addEventListener("error", () => this.#reload(media), { once: true });
  }

  /**
   * Once more with a fresh link; if that fails too, the downloads remain.
   *
   * @param {HTMLMediaElement | HTMLImageElement} media
   */
  #reload(media) {
    if (this.#reloading || !media.isConnected) return;
    this.#reloading = true;
    this.#shown = "";
    this.#part("screen").replaceChildren();
    this.#refresh();
  }

  /** @param {Element} element @param {Output | undefined} main */
  #showSizes({ original, saved }, main) {
    const before = original?.size ?? 0;
    const after = before && saved ? before - saved.bytes : (main?.size ?? 0);
    const largest = Math.max(before, after, 1);
    const { original: was, result: is } = this.#words;
    for (const [name, title, bytes] of /** @type {const} */ ([["before", was, before], ["after", is, after]])) {
      const row = this.#part(name);
      setHidden(row, !bytes);
      setText(/** @type {HTMLElement} */ (row.querySelector("dt")), title);
      setText(/** @type {HTMLElement} */ (row.querySelector("dd")), this.#words.bytes(bytes));
      /** @type {HTMLElement} */ (row.querySelector(".weight")).style.width = `${(100 * bytes) / largest}%`;
    }
    const percent = saved?.percent ?? (before && after ? 100 * (1 - after / before) : null);
    setText(this.#part("saved"), percent === null ? "" : this.#words.saved(percent));
  }

  /** @param {Output[]} outputs @param {string} filename */
  #showDownloads(outputs, filename) {
    const list = this.#part("downloads");
    const items = grouped(outputs.filter(({ kind }) => !PARTS.has(kind))).map((group) =>
      group.length === 1 ? download(group[0], filename, this.#words) : downloads(group, filename, this.#words),
    );
    const changed = items.map((item) => item.outerHTML).join("") !== list.innerHTML;
    if (changed) list.replaceChildren(...items);
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`.${name}`));
  }
}

/** @param {Output} output @param {Output | undefined} poster @param {string} label */
function film({ width, height }, poster, label) {
  const video = document.createElement("video");
  Object.assign(video, { controls: true, preload: poster ? "none" : "metadata", playsInline: true });
  video.setAttribute("aria-label", label);
  if (poster) video.poster = poster.url;
  reserveSpace(video, width, height);
  return video;
}

/** @param {string} label */
function sound(label) {
  const audio = document.createElement("audio");
  Object.assign(audio, { controls: true, preload: "metadata" });
  audio.setAttribute("aria-label", label);
  return audio;
}

/** @param {Output} output @param {string} label */
function picture({ url, width, height }, label) {
  const image = document.createElement("img");
  image.alt = label;
  reserveSpace(image, width, height);
  image.src = url;
  return image;
}

/** So that nothing jumps when it loads. @param {HTMLElement} media @param {number} [width] @param {number} [height] */
function reserveSpace(media, width, height) {
  if (width && height) media.style.aspectRatio = `${width} / ${height}`;
}

/** Pictures of the same size are one choice, of several formats. @param {Output[]} outputs @returns {Output[][]} */
function grouped(outputs) {
  /** @type {Map<string, Output[]>} */ const groups = new Map();
  for (const output of outputs) {
    const pictured = output.kind === "image" || output.kind === "thumbnail";
    const name = pictured ? `${output.width} × ${output.height}` : output.key;
    groups.set(name, [...(groups.get(name) ?? []), output]);
  }
  return [...groups.values()];
}

/** @param {Output} output @param {string} filename @param {Words} words */
function download(output, filename, words) {
  const item = /** @type {HTMLElement} */ (LINK.content.firstElementChild?.cloneNode(true));
  const link = /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
  lead(link, output, filename);
  setText(/** @type {HTMLElement} */ (item.querySelector(".download-label")), words.outputTitle(output));
  setText(/** @type {HTMLElement} */ (item.querySelector(".download-facts")), words.outputFacts(output));
  return item;
}

/**
 * One size of a picture, in each of its formats.
 *
 * @param {Output[]} group @param {string} filename @param {Words} words
 */
function downloads(group, filename, words) {
  const item = document.createElement("li");
  const { width, height } = group[0];
  item.className = "formats";
  item.append(
    line("download-size", `${width} × ${height}`),
    ...group.map((output) => {
      const link = document.createElement("a");
      link.append(line("download-label", words.format(output)), line("download-facts", words.bytes(output.size)));
      link.setAttribute("aria-label", `${words.outputTitle(output)}, ${words.outputFacts(output)}`);
      lead(link, output, filename);
      return link;
    }),
  );
  return item;
}

/** @param {string} name @param {string} text */
function line(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}

/** @param {HTMLAnchorElement} link @param {Output} output @param {string} filename */
function lead(link, output, filename) {
  link.href = output.url;
  link.download = downloadName(output, filename);
}

/** The person's own name for it, with the ending of what it now is. @param {Output} output @param {string} filename */
function downloadName({ key, kind, width, height }, filename) {
  const stem = filename.replace(/\.[^.]*$/, "");
  const ending = key.split(".").pop();
  const pictured = (kind === "image" || kind === "thumbnail") && width && height;
  const which = pictured ? `-${Math.max(width, height)}` : kind === "poster" ? "-poster" : "";
  return `${stem}${which}.${ending}`;
}

/** A link is followed only if it leads to the web. @param {string} url */
function isWeb(url) {
  return URL.canParse(url, location.href) && /^https?:$/.test(new URL(url, location.href).protocol);
}
