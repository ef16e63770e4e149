/** Shows the scenes of a video below its player; a slider over them seeks the player. */

import { Markup, byClass, instantiate, setHidden, setText } from "../shared/dom.js";
import { parseStoryboard, tileAt } from "./storyboard.js";

/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("./storyboard.js").Tile} Tile */

const ASPECT_RATIO = 8.5; // of the strip
const KEY_STEPS = 100; // key presses from end to end

const MARKUP = new Markup(`
<div class="filmstrip">
  <div class="scenes" aria-hidden="true"></div>
  <div class="playhead" aria-hidden="true"></div>
  <input type="range" min="0" step="any" value="0">
  <div class="scene-preview" aria-hidden="true" hidden><div class="scene"></div><span class="time"></span></div>
</div>`);

/**
 * Load the storyboard track and return the strip; null if it cannot be loaded.
 *
 * @param {HTMLVideoElement} video
 * @param {{track: string, sprite: string, filename: string}} storyboard
 * @param {Locale} locale
 * @returns {Promise<HTMLElement | null>}
 */
export async function loadFilmstrip(video, { track, sprite, filename }, locale) {
  const response = await fetch(track).catch(() => null);
  const tiles = response?.ok ? parseStoryboard(await response.text()) : [];
  return tiles.length ? new Filmstrip(video, tiles, sprite, filename, locale).element : null;
}

class Filmstrip {
  /** @type {HTMLElement} */ element;
  #video;
  #tiles;
  #sprite;
  #duration;
  #locale;
  /** @type {HTMLInputElement} */ #slider;

  /**
   * @param {HTMLVideoElement} video @param {Tile[]} tiles
   * @param {string} sprite @param {string} filename @param {Locale} locale
   */
  constructor(video, tiles, sprite, filename, locale) {
    this.#video = video;
    this.#tiles = tiles;
    this.#sprite = sprite;
    this.#duration = tiles[tiles.length - 1].end;
    this.#locale = locale;
    this.element = instantiate(MARKUP);
    this.#slider = /** @type {HTMLInputElement} */ (this.element.querySelector("input"));
    this.#slider.max = String(this.#duration);
    this.#slider.setAttribute("aria-label", locale.scenes(filename));
    this.#fill();
    this.#listen();
    this.#showPosition(0);
  }

  /** Show as many scenes as fit side by side, spread evenly over the video. */
  #fill() {
    const { width, height } = this.#tiles[0];
    const count = Math.min(20, Math.max(4, Math.round((ASPECT_RATIO * height) / width)));
    const scenes = Array.from({ length: count }, (_, index) => {
      const scene = document.createElement("div");
      scene.className = "scene";
      this.#paint(scene, ((index + 0.5) / count) * this.#duration);
      return scene;
    });
    byClass(this.element, "scenes").replaceChildren(...scenes);
  }

  #listen() {
    const slider = this.#slider;
    slider.addEventListener("input", () => this.#seek(slider.valueAsNumber));
    slider.addEventListener("keydown", (event) => this.#step(event));
    slider.addEventListener("pointermove", ({ clientX }) => this.#preview(this.#timeAt(clientX)));
    for (const end of ["pointerleave", "pointercancel", "blur"]) {
      slider.addEventListener(end, () => setHidden(byClass(this.element, "scene-preview"), true));
    }
    this.#video.addEventListener("timeupdate", () => this.#showPosition(this.#video.currentTime));
    this.#video.addEventListener("loadedmetadata", () => {
      const requested = slider.valueAsNumber;
      if (requested > 0) this.#video.currentTime = requested;
    });
  }

  /** Move by a fixed step: with `step=any` each browser uses a step of its own. @param {KeyboardEvent} event */
  #step(event) {
    const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!direction) return;
    event.preventDefault();
    const time = this.#slider.valueAsNumber + (direction * this.#duration) / KEY_STEPS;
    this.#seek(Math.min(this.#duration, Math.max(0, time)));
  }

  /** @param {number} time */
  #seek(time) {
    this.#showPosition(time);
    this.#preview(time);
    if (this.#video.readyState > 0) this.#video.currentTime = time;
    else this.#video.dispatchEvent(new Event("seekrequest"));
    if (this.#video.preload === "none") this.#video.preload = "metadata";
  }

  /** @param {number} time */
  #showPosition(time) {
    this.#slider.value = String(time);
    this.#slider.setAttribute("aria-valuetext", this.#locale.position(time, this.#duration));
    this.element.style.setProperty("--at", String(time / this.#duration));
  }

  /** @param {number} time */
  #preview(time) {
    const preview = byClass(this.element, "scene-preview");
    this.#paint(/** @type {HTMLElement} */ (preview.firstElementChild), time);
    setText(byClass(this.element, "time"), this.#locale.duration(time));
    preview.style.setProperty("--at", String(time / this.#duration));
    setHidden(preview, false);
  }

  /** @param {number} clientX */
  #timeAt(clientX) {
    const { left, width } = this.#slider.getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - left) / width)) * this.#duration;
  }

  /** Show the tile of a time as the background, scaled to the element.
   * @param {HTMLElement} scene @param {number} time */
  #paint(scene, time) {
    const { x, y, width, height } = tileAt(this.#tiles, time);
    const columns = Math.max(...this.#tiles.map((tile) => tile.x / width)) + 1;
    const rows = Math.max(...this.#tiles.map((tile) => tile.y / height)) + 1;
    scene.style.aspectRatio = `${width} / ${height}`;
    scene.style.backgroundImage = `url("${new URL(this.#sprite, location.href).href}")`;
    scene.style.backgroundSize = `${columns * 100}% ${rows * 100}%`;
    scene.style.backgroundPosition = `${positionPercent(x / width, columns)}% ${positionPercent(y / height, rows)}%`;
  }
}

/** Return the CSS background position that shows one of `count` tiles. @param {number} index @param {number} count */
function positionPercent(index, count) {
  return count > 1 ? (100 * index) / (count - 1) : 0;
}
