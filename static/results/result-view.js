/** Shows the result of an upload: a player or an image, the sizes before and after, and the downloads. */

import { Markup, byClass, instantiate, setHidden, setText } from "../shared/dom.js";
import { Downloads } from "./downloads.js";
import { loadFilmstrip } from "./filmstrip.js";
import { attachHls } from "./hls-player.js";
import { originalMeasures, outputMeasures } from "./measures.js";
import { Sharing } from "./sharing.js";

/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/messages.js").Element} Element */
/** @typedef {import("../protocol/messages.js").Output} Output */

const MARKUP = new Markup(`
<div class="result" hidden>
  <div class="viewer"><div class="screen"></div></div>
  <div class="outcome">
    <p class="saved"></p>
    <p class="partial"></p>
    <p class="facts"></p>
    <dl class="sizes">
      <div class="size before">
        <dt></dt><dd></dd><dd class="measures"></dd><span class="size-bar" aria-hidden="true"></span>
      </div>
      <div class="size after">
        <dt></dt><dd></dd><dd class="measures"></dd><span class="size-bar" aria-hidden="true"></span>
      </div>
    </dl>
    <ul class="downloads"></ul>
  </div>
</div>`);

const MAIN_KINDS = ["video", "audio", "image"];
const MIN_RENEWAL_MS = 60_000; // if this computer's clock is ahead of the server's
const MAX_TIMER_MS = 2 ** 31 - 1;

export class ResultView {
  /** @type {HTMLElement} */ element;
  /** The keys of the outputs that are shown. */ #shown = "";
  #reloading = false;
  #locale;
  #upload;
  #downloads;
  #sharing;
  #renewing = false;
  /** When the URLs expire. @type {string | undefined} */ #expiresAt;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #renewal;
  /** Detaches the current HLS stream. */ #detach = () => {};

  /**
   * @param {Upload} upload @param {Locale} locale
   * @param {(text: string) => void} announce   Announces to screen readers what was done.
   */
  constructor(upload, locale, announce) {
    this.#upload = upload;
    this.#locale = locale;
    this.element = instantiate(MARKUP);
    this.element.addEventListener("click", (event) => void this.#renewBeforeUse(event), { capture: true });
    this.#downloads = new Downloads(byClass(this.element, "downloads"));
    this.#sharing = new Sharing(upload, locale, announce);
    byClass(this.element, "viewer").append(this.#sharing.element);
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
    this.#downloads.show(outputs, filename, this.#locale);
    this.#showSharing(element, outputs, filename);
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
    void this.#upload.refresh();
  }

  /** @param {Element} element @param {Output | undefined} main */
  #showSizes({ original, saved }, main) {
    const before = original?.size ?? 0;
    const after = before && saved ? before - saved.bytes : (main?.size ?? 0);
    const largest = Math.max(before, after, 1);
    const { original: beforeTitle, result: afterTitle } = this.#locale;
    const rows = /** @type {const} */ ([
      ["before", beforeTitle, before, main && original ? originalMeasures(original, main.kind, this.#locale) : []],
      ["after", afterTitle, after, main ? outputMeasures(main, this.#locale) : []],
    ]);
    for (const [name, title, bytes, measures] of rows) {
      const row = byClass(this.element, name);
      setHidden(row, !bytes);
      setText(/** @type {HTMLElement} */ (row.querySelector("dt")), title);
      setText(/** @type {HTMLElement} */ (row.querySelector("dd")), this.#locale.bytes(bytes));
      setText(byClass(row, "measures"), measures.join(" · "));
      setHidden(byClass(row, "measures"), measures.length === 0);
      /** @type {HTMLElement} */ (row.querySelector(".size-bar")).style.width = `${(100 * bytes) / largest}%`;
    }
    const percent = saved?.percent ?? (before && after ? 100 * (1 - after / before) : null);
    setText(byClass(this.element, "saved"), percent === null ? "" : this.#locale.saved(percent));
  }

  /** @param {Element} element @param {Output[]} outputs @param {string} filename */
  #showSharing({ urlsExpireAt }, outputs, filename) {
    setHidden(this.#sharing.element, outputs.length === 0);
    if (outputs.length) this.#sharing.show(outputs, filename, urlsExpireAt, this.#locale);
    if (urlsExpireAt === this.#expiresAt) return;
    this.#expiresAt = urlsExpireAt;
    clearTimeout(this.#renewal);
    if (!urlsExpireAt) return;
    const milliseconds = Math.min(Math.max(Date.parse(urlsExpireAt) - Date.now(), MIN_RENEWAL_MS), MAX_TIMER_MS);
    this.#renewal = setTimeout(() => this.element.isConnected && void this.#upload.refresh(), milliseconds);
  }

  /** Fetch new URLs before a link is followed that has expired, as after a computer was asleep. @param {Event} event */
  async #renewBeforeUse(event) {
    const link = /** @type {globalThis.Element} */ (event.target).closest("a");
    if (!link || this.#renewing || !this.#expiresAt || Date.parse(this.#expiresAt) > Date.now()) return;
    event.preventDefault();
    event.stopPropagation();
    this.#renewing = true; // if it has expired by this computer's clock alone, it is followed all the same
    await this.#upload.refresh();
    link.click();
    this.#renewing = false;
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

/** Return whether a URL is safe to link to. @param {string} url */
function isHttpUrl(url) {
  return URL.canParse(url, location.href) && /^https?:$/.test(new URL(url, location.href).protocol);
}
