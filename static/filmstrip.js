/** A strip of the film's scenes under its player: shows what is where, and goes there. */

import { setHidden, setText } from "./dom.js";
import { parseStoryboard, tileAt } from "./storyboard.js";
import { durationWords } from "./words.js";

/** @typedef {import("./list-words.js").Words} Words */
/** @typedef {import("./storyboard.js").Tile} Tile */

const SHAPE = 8.5; // how many times as wide as high the strip is
const STEPS = 100; // of the keyboard, from end to end

const MARKUP = document.createElement("template");
MARKUP.innerHTML = `
<div class="filmstrip">
  <div class="scenes" aria-hidden="true"></div>
  <div class="playhead" aria-hidden="true"></div>
  <input type="range" min="0" step="any" value="0">
  <div class="glimpse" aria-hidden="true" hidden><div class="scene"></div><span class="moment"></span></div>
</div>`;

/**
 * The strip, once its track has been read; null where it cannot be.
 *
 * @param {HTMLVideoElement} video
 * @param {{track: string, sprite: string, filename: string}} storyboard
 * @param {Words} words
 * @returns {Promise<HTMLElement | null>}
 */
export async function filmstrip(video, { track, sprite, filename }, words) {
  const response = await fetch(track).catch(() => null);
  const tiles = response?.ok ? parseStoryboard(await response.text()) : [];
  return tiles.length ? new Filmstrip(video, tiles, sprite, filename, words).element : null;
}

class Filmstrip {
  /** @type {HTMLElement} */ element;
  #video;
  #tiles;
  #sprite;
  #duration;
  #words;
  /** @type {HTMLInputElement} */ #slider;

  /**
   * @param {HTMLVideoElement} video @param {Tile[]} tiles
   * @param {string} sprite @param {string} filename @param {Words} words
   */
  constructor(video, tiles, sprite, filename, words) {
    this.#video = video;
    this.#tiles = tiles;
    this.#sprite = sprite;
    this.#duration = tiles[tiles.length - 1].end;
    this.#words = words;
    this.element = /** @type {HTMLElement} */ (MARKUP.content.firstElementChild?.cloneNode(true));
    this.#slider = /** @type {HTMLInputElement} */ (this.element.querySelector("input"));
    this.#slider.max = String(this.#duration);
    this.#slider.setAttribute("aria-label", words.scenes(filename));
    this.#fill();
    this.#listen();
    this.#showPosition(0);
  }

  /** As many scenes as fit beside each other, evenly spread over the film. */
  #fill() {
    const { width, height } = this.#tiles[0];
    const count = Math.min(20, Math.max(4, Math.round((SHAPE * height) / width)));
    const scenes = Array.from({ length: count }, (_, index) => {
      const scene = document.createElement("div");
      scene.className = "scene";
      this.#paint(scene, ((index + 0.5) / count) * this.#duration);
      return scene;
    });
    this.#part("scenes").replaceChildren(...scenes);
  }

  #listen() {
    const slider = this.#slider;
    slider.addEventListener("input", () => this.#seek(slider.valueAsNumber));
    slider.addEventListener("keydown", (event) => this.#step(event));
    slider.addEventListener("pointermove", ({ clientX }) => this.#glimpseAt(this.#momentAt(clientX)));
    for (const end of ["pointerleave", "pointercancel", "blur"]) {
      slider.addEventListener(end, () => setHidden(this.#part("glimpse"), true));
    }
    this.#video.addEventListener("timeupdate", () => this.#showPosition(this.#video.currentTime));
    this.#video.addEventListener("loadedmetadata", () => {
      const wanted = slider.valueAsNumber;
      if (wanted > 0) this.#video.currentTime = wanted;
    });
  }

  /** How far a key goes with `step=any`, each browser decides for itself. @param {KeyboardEvent} event */
  #step(event) {
    const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!direction) return;
    event.preventDefault();
    const moment = this.#slider.valueAsNumber + (direction * this.#duration) / STEPS;
    this.#seek(Math.min(this.#duration, Math.max(0, moment)));
  }

  /** @param {number} moment */
  #seek(moment) {
    this.#showPosition(moment);
    this.#glimpseAt(moment);
    if (this.#video.readyState > 0) this.#video.currentTime = moment;
    else this.#video.dispatchEvent(new Event("wanted"));
    if (this.#video.preload === "none") this.#video.preload = "metadata";
  }

  /** @param {number} moment */
  #showPosition(moment) {
    this.#slider.value = String(moment);
    this.#slider.setAttribute("aria-valuetext", this.#words.moment(moment, this.#duration));
    this.element.style.setProperty("--at", String(moment / this.#duration));
  }

  /** @param {number} moment */
  #glimpseAt(moment) {
    const glimpse = this.#part("glimpse");
    this.#paint(/** @type {HTMLElement} */ (glimpse.firstElementChild), moment);
    setText(this.#part("moment"), durationWords(moment));
    glimpse.style.setProperty("--at", String(moment / this.#duration));
    setHidden(glimpse, false);
  }

  /** @param {number} clientX */
  #momentAt(clientX) {
    const { left, width } = this.#slider.getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - left) / width)) * this.#duration;
  }

  /** In shares of the element's own size, which may be any. @param {HTMLElement} scene @param {number} moment */
  #paint(scene, moment) {
    const { x, y, width, height } = tileAt(this.#tiles, moment);
    const columns = Math.max(...this.#tiles.map((tile) => tile.x / width)) + 1;
    const rows = Math.max(...this.#tiles.map((tile) => tile.y / height)) + 1;
    scene.style.aspectRatio = `${width} / ${height}`;
    scene.style.backgroundImage = `url("${new URL(this.#sprite, location.href).href}")`;
    scene.style.backgroundSize = `${columns * 100}% ${rows * 100}%`;
    scene.style.backgroundPosition = `${share(x / width, columns)}% ${share(y / height, rows)}%`;
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`.${name}`));
  }
}

/** Where CSS wants a background, for one of its parts to show. @param {number} index @param {number} count */
function share(index, count) {
  return count > 1 ? (100 * index) / (count - 1) : 0;
}
