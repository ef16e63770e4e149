/** The player of a film that is still being compressed, with its qualities as they become ready. */

import { Markup, byClass, instantiate, setHidden, setText } from "../shared/dom.js";
import { openFilmStream } from "./film-stream.js";
import { isAtEdge, largestFirst } from "./qualities.js";

/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../protocol/messages.js").Playable} Playable */
/** @typedef {import("./film-stream.js").FilmStream} FilmStream */

const MARKUP = new Markup(`
<section class="film">
  <div class="screen"><video controls playsinline preload="auto"></video></div>
  <div class="film-foot">
    <p class="film-note" role="status"></p>
    <fieldset class="qualities" hidden><legend></legend></fieldset>
    <button class="button quiet icon close-film" part="button" type="button">
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d="M6.5 6.5l11 11M17.5 6.5l-11 11"/></svg>
      <span></span>
    </button>
  </div>
</section>`);

const AUTOMATIC = "";
const HURRY_MS = 1_500; // how often further segments are looked for while the player waits for them

let players = 0;

/** Event: `close`, when the user closes the player, and when the film is complete but can only be played as a result. */
export class FilmPlayer extends EventTarget {
  /** @type {HTMLElement} */ element;
  #upload;
  #locale;
  #announce;
  #video;
  #group = `quality-${(players += 1)}`;
  /** @type {Playable | null} */ #playable = null;
  /** @type {Message | null} */ #state = null;
  #filename = "";
  /** @type {FilmStream | null} */ #stream = null;
  /** The qualities in the list, the largest first. @type {string[]} */ #qualities = [];
  #chosen = AUTOMATIC;
  #waits = false;
  #failed = false;
  #stopped = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;

  /**
   * @param {Upload} upload @param {Locale} locale
   * @param {(text: string) => void} announce   Announces to screen readers what has become ready.
   */
  constructor(upload, locale, announce) {
    super();
    this.#upload = upload;
    this.#locale = locale;
    this.#announce = announce;
    this.element = instantiate(MARKUP);
    this.#video = /** @type {HTMLVideoElement} */ (this.element.querySelector("video"));
    byClass(this.element, "close-film").addEventListener("click", () => this.#close());
    byClass(this.element, "qualities").addEventListener("change", (event) => this.#choose(event));
    this.#video.addEventListener("waiting", () => this.#setWaiting(isAtEdge(this.#video)));
    for (const event of ["playing", "seeking", "pause"]) this.#video.addEventListener(event, () => this.#setWaiting(false));
  }

  /** @param {Locale} locale */
  set locale(locale) {
    this.#locale = locale;
    this.#render();
  }

  /** Play from the beginning, and move the focus to the player. */
  start() {
    this.#video.focus({ preventScroll: true });
    void this.#open();
  }

  /** Remove the player. */
  stop() {
    this.#end();
    this.element.remove();
  }

  /** @param {Message | null} state @param {string} filename   The name of the source file. */
  show(state, filename) {
    const before = this.#playable;
    const isPlannedAgain = this.#failed && state?.playable && !this.#state?.playable;
    this.#state = state;
    this.#filename = filename;
    this.#playable = state?.playable ?? before;
    const poster = state?.poster?.url;
    if (poster && !this.#video.poster) this.#video.poster = poster;
    const added = (this.#playable?.qualities.length ?? 0) - (before?.qualities.length ?? 0);
    if (before && added > 0) this.#stream?.update();
    if (state?.status === "error") {
      this.#end();
      this.#failed = true; // until a retry has made something that can be played
    }
    this.#failIfWithdrawn();
    if (isPlannedAgain) {
      this.#failed = false;
      this.#stopped = false;
      void this.#open();
    }
    if (state?.status === "completed" && this.#failed) queueMicrotask(() => this.#close());
    this.#render();
  }

  async #open() {
    const stream = await openFilmStream(this.#video, {
      url: () => /** @type {Playable} */ (this.#playable).url,
      renew: () => this.#upload.refresh(),
      onQualities: () => this.#render(),
      onFailure: () => this.#fail(),
    });
    if (!stream) return this.#fail();
    if (this.#stopped) return stream.stop();
    this.#stream = stream;
    this.#video.controls = true;
    // Where the browser does not let a page play with sound by itself, the viewer presses the player's own button.
    await this.#video.play().catch(() => {});
  }

  /** Without a stream the player's own controls would do nothing. */
  #end() {
    const { activeElement } = /** @type {Document | ShadowRoot} */ (this.element.getRootNode());
    if (activeElement === this.#video) byClass(this.element, "close-film").focus({ preventScroll: true });
    this.#video.controls = false;
    this.#stopped = true;
    this.#setWaiting(false);
    this.#stream?.stop();
    this.#stream = null;
  }

  /** The segments of a complete film are deleted some time later; its result is then what can be played. */
  #fail() {
    const { currentTime, paused } = this.#video;
    this.#end();
    this.#failed = true;
    if (this.#state?.status === "completed") void this.#playResult(currentTime, paused);
    else this.#render();
  }

  /** Go on with the result where the viewer was. @param {number} time @param {boolean} paused */
  async #playResult(time, paused) {
    if (time > 0) await this.#upload.refresh().catch(() => {}); // its URLs may have expired
    const result = this.#state?.element?.outputs.find(({ kind }) => kind === "video");
    if (!result || !time) return this.#close();
    this.#failed = false;
    this.#video.controls = true;
    this.#video.addEventListener("error", () => this.#close(), { once: true });
    this.#video.src = result.url;
    this.#video.currentTime = time;
    this.#render();
    if (!paused) await this.#video.play().catch(() => {});
  }

  #close() {
    this.dispatchEvent(new Event("close"));
  }

  /** @param {boolean} waits   Whether the player has shown everything that is there. */
  #setWaiting(waits) {
    clearInterval(this.#timer);
    if (waits) this.#timer = setInterval(() => this.#stream?.hurry(), HURRY_MS);
    if (this.#waits === waits) return;
    this.#waits = waits;
    this.#render();
    this.#failIfWithdrawn();
  }

  /** Do not wait for further segments of a film whose plan was withdrawn: there will be none. */
  #failIfWithdrawn() {
    const { status, playable } = this.#state ?? {};
    if (this.#waits && !playable && (status === "starting" || status === "compressing")) this.#fail();
  }

  /** @param {Event} event */
  #choose({ target }) {
    this.#chosen = /** @type {HTMLInputElement} */ (target).value;
    this.#stream?.choose(this.#chosen === AUTOMATIC ? null : this.#chosen);
    this.#render();
  }

  #render() {
    const { closePlayer, compressed, quality } = this.#locale;
    this.element.setAttribute("aria-label", compressed(this.#filename));
    this.#video.setAttribute("aria-label", compressed(this.#filename));
    const largest = this.#playable?.qualities[0];
    if (largest && !this.#video.style.aspectRatio) this.#video.style.aspectRatio = `${largest.width} / ${largest.height}`;
    const close = byClass(this.element, "close-film");
    close.title = closePlayer;
    setText(/** @type {HTMLElement} */ (close.lastElementChild), closePlayer);
    setText(byClass(this.element, "film-note"), this.#note());
    setText(/** @type {HTMLElement} */ (this.element.querySelector("legend")), quality);
    this.#renderQualities();
  }

  #note() {
    const { filmCancelled, filmComplete, filmFailed, filmGrows, filmUnplayable, filmWaits } = this.#locale;
    const { status, stage } = this.#state ?? {};
    if (status === "error") return stage === "failed" ? filmFailed : filmCancelled;
    if (this.#failed) return filmUnplayable;
    if (status === "completed") return filmComplete;
    return this.#waits ? filmWaits : filmGrows;
  }

  /** Add what is ready to the list, in which the focus stays where it is. One quality alone leaves nothing to choose. */
  #renderQualities() {
    const list = byClass(this.element, "qualities");
    const ready = largestFirst(this.#stream?.qualities ?? []);
    for (const name of ready.filter((one) => !this.#qualities.includes(one))) {
      const named = [...list.querySelectorAll("label")].filter(({ dataset }) => dataset.quality !== AUTOMATIC);
      const smaller = named.find(({ dataset }) => Number(dataset.quality) < Number(name));
      list.insertBefore(this.#choice(name), smaller ?? null);
      if (this.#qualities.length) this.#announce(this.#locale.qualityReady(this.#named(name)));
    }
    if (ready.length && !list.querySelector("label[data-quality='']")) list.querySelector("legend")?.after(this.#choice(AUTOMATIC));
    this.#qualities = largestFirst([...this.#qualities, ...ready]);
    setHidden(list, this.#qualities.length < 2 || this.#stream === null);
    for (const label of list.querySelectorAll("label")) {
      const name = label.dataset.quality ?? AUTOMATIC;
      setText(/** @type {HTMLElement} */ (label.lastElementChild), name === AUTOMATIC ? this.#automatic() : this.#named(name));
    }
  }

  /** @param {string} name */
  #choice(name) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: this.#group, value: name });
    input.checked = name === this.#chosen;
    label.dataset.quality = name;
    label.append(input, document.createElement("span"));
    return label;
  }

  #automatic() {
    const playing = this.#chosen === AUTOMATIC ? this.#stream?.playing : null;
    return playing ? this.#locale.automaticQuality(this.#named(playing)) : this.#locale.automatic;
  }

  /** @param {string} quality */
  #named(quality) {
    return this.#locale.format.leftToRight(`${quality}p`);
  }
}
