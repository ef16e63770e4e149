/** One upload on the page: what is happening to it, what can be done about it, and what came out. */

import { isFinished } from "./merge.js";
import { kindOf } from "./intake.js";
import { bytesWords, paceWords, stageWords } from "./words.js";
import { announcement, valueWords } from "./spoken.js";
import { setHidden, setText } from "./dom.js";
import { ResultView } from "./result-view.js";

/** @typedef {import("./roomcast.js").Upload} Upload */
/** @typedef {import("./roomcast.js").Message} Message */
/** @typedef {import("./roomcast.js").RoomcastError} RoomcastError */

const MARKUP = document.createElement("template");
MARKUP.innerHTML = `
<li class="card" tabindex="-1">
  <svg class="glyph" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
    <path class="glyph-film" d="M4 5h16v14H4zM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4"/>
    <path class="glyph-picture" d="M4 5h16v14H4zm0 11 5-5 4 4 2.5-2.5L20 17M15.5 9.2h.01"/>
    <path class="glyph-done" d="m5 12.5 4.7 4.7L19.5 7"/>
    <path class="glyph-failed" d="M12 6v7.5m0 4v.01"/>
    <path class="glyph-cancelled" d="M7 7l10 10M17 7 7 17"/>
  </svg>
  <img class="preview" hidden>
  <h3 class="name"></h3>
  <p class="percent" aria-hidden="true"><span class="percent-number"></span><span class="percent-sign">%</span></p>
  <div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100"><div class="fill"></div></div>
  <div class="foot">
    <div class="now">
      <p class="line"><span class="stage"></span><span class="pace"></span></p>
      <p class="attempt"></p>
      <p class="problem"></p>
    </div>
    <div class="actions">
      <button class="button" type="button" data-do="cancel">Cancel</button>
      <button class="button" type="button" data-do="retry">Retry</button>
      <button class="button primary" type="button" data-do="choose">Choose the file again</button>
      <button class="button quiet" type="button" data-do="dismiss">Dismiss</button>
    </div>
  </div>
  <input type="file" hidden>
</li>`;

let cards = 0;

/**
 * Events: `change` after every rendering, `dismiss` when its person wants it gone.
 */
export class UploadCard extends EventTarget {
  /** @type {HTMLElement} */ element;
  /** How full the bar is; it never falls within an attempt, and is 100 for nothing but a completed upload. */
  progress = 0;

  #attempt = "";
  #busy = "";
  /** Settles when what its person asked for last has been answered. */ #underway = Promise.resolve();
  #complaint = "";
  #mark = "";
  #result = new ResultView(() => void this.upload?.refresh());
  /** @type {(about: object, words: string) => void} */ #announce;

  /**
   * @param {object} options
   * @param {Upload | null} options.upload       null: it was refused before it became one.
   * @param {string} options.filename
   * @param {string} [options.refusal]
   * @param {boolean} [options.finished]         Whether it is known to have ended, until its state is read.
   * @param {(about: object, words: string) => void} options.announce
   */
  constructor({ upload, filename, refusal, finished = false, announce }) {
    super();
    this.upload = upload;
    this.filename = filename;
    this.refusal = refusal;
    this.presumedFinished = finished;
    this.#announce = announce;
    this.element = this.#build();
    upload?.addEventListener("change", () => this.render());
    this.render();
  }

  /** Whether nothing more will happen by itself. */
  get finished() {
    const { upload } = this;
    if (!upload) return true;
    if (upload.state) return isFinished(upload.state);
    return this.presumedFinished || (upload.error !== null && upload.id === null);
  }

  /** Whether it has ended without a result, and not because its person wished so. */
  get failed() {
    return this.element.dataset.tone === "failed";
  }

  render() {
    const moved = this.#moved();
    const face = this.#face();
    this.element.dataset.tone = face.tone;
    setText(this.#part("stage"), face.title);
    setText(this.#part("pace"), face.facts.join(" · "));
    setText(this.#part("attempt"), face.attempt);
    setText(this.#part("problem"), this.#complaint || face.problem);
    this.#renderBar(face);
    this.#renderActions();
    this.#renderPreview();
    const element = this.upload?.state?.element;
    if (element) this.#result.show(element, this.filename);
    setHidden(this.#result.element, !element);
    if (moved) this.#announce(this, announcement(this.filename, /** @type {Message} */ (this.upload?.state)));
    this.dispatchEvent(new Event("change"));
  }

  /** What there is to see, whatever it comes from. */
  #face() {
    const { upload } = this;
    const state = upload?.state ?? null;
    if (!upload) return face("failed", "Not sent", { problem: this.refusal });
    if (state?.status === "completed") return face("done", "Completed");
    if (state?.stage === "cancelled") return face("cancelled", "Cancelled");
    if (state?.status === "error") return face("failed", "Failed", { problem: state.error?.message ?? state.message });
    if (upload.error) return this.#stuckFace(upload.error);
    if (upload.needsFile) return face("waiting", "The file is needed again", { problem: missingWords(this) });
    if (upload.sending === "waiting") return face("waiting", "Waiting to be sent");
    if (!state) return face("waiting", upload.sending === "now" ? stageWords("receiving") : "Looking it up");
    const again = state.attempt > 1 ? `Attempt ${state.attempt}. ${state.message}` : "";
    return face(state.stage === "queued" ? "waiting" : "busy", stageWords(state.stage), {
      facts: paceWords(state),
      attempt: again,
    });
  }

  /** @param {RoomcastError} error */
  #stuckFace(error) {
    if (error.code === "CANCELLED") return face("cancelled", "Cancelled");
    if (error.code === "UNAUTHENTICATED") return face("waiting", "Waiting for a token");
    const title = this.upload?.state ? "Sending stopped" : "Not sent";
    return face("failed", error.code === "NETWORK" ? title : "Failed", { problem: error.message });
  }

  /** @param {ReturnType<typeof face>} shown */
  #renderBar({ title, tone, facts }) {
    const state = this.upload?.state;
    if (state) this.#advance(state);
    const percent = Math.floor(this.progress);
    const bar = this.#part("bar");
    bar.setAttribute("aria-valuenow", String(percent));
    bar.setAttribute("aria-valuetext", valueWords(percent, title, facts));
    this.#part("fill").style.width = `${this.progress}%`;
    setText(this.#part("percent-number"), String(percent));
    setHidden(this.#part("percent"), tone === "done" || tone === "failed" || tone === "cancelled");
    setHidden(bar, !this.upload || tone === "done");
  }

  /** The poster, until the film itself is there. A link signed anew is no reason to load it once more. */
  #renderPreview() {
    const state = this.upload?.state;
    const poster = state?.element ? undefined : state?.poster;
    const image = /** @type {HTMLImageElement} */ (this.#part("preview"));
    if (poster && poster.key !== image.dataset.key) {
      Object.assign(image, { alt: `Poster of ${this.filename}`, src: poster.url });
      image.dataset.key = poster.key;
    }
    if (!poster) delete image.dataset.key;
    setHidden(image, !poster);
  }

  /** @param {Message} state */
  #advance({ status, epoch, attempt, progress }) {
    const mark = `${epoch} ${attempt}`;
    if (mark !== this.#attempt) this.progress = 0;
    this.#attempt = mark;
    this.progress = status === "completed" ? 100 : Math.max(this.progress, Math.min(progress, 99));
  }

  #renderActions() {
    const { upload } = this;
    const state = upload?.state;
    const failure = state?.status === "error" ? state.error : (upload?.error ?? undefined);
    const going = Boolean(upload) && !this.finished && (upload?.id !== null || !upload?.error);
    const had = /** @type {HTMLElement | null} */ (document.activeElement);
    const shown = {
      cancel: going && !this.#lost(),
      retry: Boolean(failure?.retryable) && !upload?.needsFile,
      choose: Boolean(upload?.needsFile),
      dismiss: !upload || (upload.id === null && upload.error !== null),
    };
    for (const button of this.#buttons()) {
      const action = /** @type {keyof typeof shown} */ (button.dataset.do);
      setHidden(button, !shown[action]);
      button.setAttribute("aria-disabled", String(this.#busy === action));
      if (action === "cancel") setText(button, this.#busy === "cancel" ? "Cancelling…" : "Cancel");
    }
    // A button that vanishes must not take the keyboard's place on the page with it.
    if (had?.hidden && this.element.contains(had)) this.#focusSomething();
  }

  /** The server no longer knows it, or will not say: there is nothing to cancel. */
  #lost() {
    return this.upload?.error?.retryable === false;
  }

  #focusSomething() {
    const next = this.#buttons().find((button) => !button.hidden);
    (next ?? this.element).focus({ preventScroll: true });
  }

  /** Whether it is in another stage than when last shown; where it was when the page opened is no news. */
  #moved() {
    const state = this.upload?.state;
    const mark = state ? `${state.epoch} ${state.attempt} ${state.stage}` : "";
    if (mark === this.#mark) return false;
    const first = this.#mark === "" && !this.upload?.file;
    this.#mark = mark;
    this.#complaint = "";
    return !first;
  }

  /** @param {string} action */
  async #do(action) {
    const { upload } = this;
    if (action === "dismiss" || !upload) return void this.dispatchEvent(new Event("dismiss"));
    if (action === "choose") return /** @type {HTMLInputElement} */ (this.element.querySelector("input")).click();
    if (this.#busy) await this.#underway; // the room may tell of a cancel's end before the cancel itself is answered
    if (this.#busy || !this.#offers(action)) return;
    this.#underway = this.#ask(action, upload);
  }

  /** Never rejects. @param {string} action @param {Upload} upload */
  async #ask(action, upload) {
    this.#busy = action;
    this.#complaint = "";
    this.render();
    try {
      await (action === "cancel" ? upload.cancel() : upload.retry());
    } catch (error) {
      await upload.refresh(); // it may have moved on while the button was being pressed
      if (!this.finished || action === "retry") this.#complaint = /** @type {Error} */ (error).message;
    } finally {
      this.#busy = "";
      this.render();
    }
  }

  /** @param {string} action */
  #offers(action) {
    return this.#buttons().some((button) => button.dataset.do === action && !button.hidden);
  }

  /** @param {File} file */
  #bring(file) {
    const expected = this.upload?.state?.bytesExpected;
    const other = expected && file.size !== expected;
    this.#complaint = other ? `That is another file: this upload has ${bytesWords(expected)}.` : "";
    if (other) this.render();
    else void this.upload?.send(file);
  }

  #build() {
    const element = /** @type {HTMLElement} */ (MARKUP.content.firstElementChild?.cloneNode(true));
    const id = `upload-${(cards += 1)}`;
    const name = /** @type {HTMLElement} */ (element.querySelector(".name"));
    name.id = id;
    name.textContent = this.filename;
    name.title = this.filename;
    element.dataset.kind = kindOf({ name: this.filename, type: this.upload?.file?.type ?? "" }) ?? "video";
    element.setAttribute("aria-labelledby", id);
    element.querySelector(".bar")?.setAttribute("aria-labelledby", id);
    for (const button of element.querySelectorAll("button")) button.setAttribute("aria-describedby", id);
    element.append(this.#result.element);
    element.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      if (button?.dataset.do) void this.#do(button.dataset.do);
    });
    const input = /** @type {HTMLInputElement} */ (element.querySelector("input"));
    const preview = /** @type {HTMLImageElement} */ (element.querySelector(".preview"));
    preview.addEventListener("error", () => setHidden(preview, true));
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      input.value = "";
      if (file) this.#bring(file);
    });
    return element;
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`.${name}`));
  }

  #buttons() {
    return [...this.element.querySelectorAll("button")];
  }
}

/**
 * @param {"waiting" | "busy" | "done" | "failed" | "cancelled"} tone @param {string} title
 * @param {{facts?: string[], attempt?: string, problem?: string}} [more]
 */
function face(tone, title, { facts = [], attempt = "", problem = "" } = {}) {
  return { tone, title, facts, attempt, problem };
}

/** @param {UploadCard} card */
function missingWords({ filename }) {
  return `Neither the server nor this page has the file any more. Choose ${filename} again to send it.`;
}
