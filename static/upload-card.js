/** One upload as a row: what is happening to it, what can be done about it, and what came out. */

import { copyText, setHidden, setText } from "./dom.js";
import { kindOf } from "./intake.js";
import { actionsOf, faceOf, hasEnded, outcomeOf } from "./upload-face.js";

/** @typedef {import("./list-words.js").Words} Words */
/** @typedef {import("./result-view.js").ResultView} ResultView */
/** @typedef {import("./roomcast.js").Message} Message */
/** @typedef {import("./roomcast.js").Upload} Upload */
/** @typedef {import("./upload-face.js").Action} Action */
/** @typedef {import("./upload-face.js").Face} Face */

const MARKUP = document.createElement("template");
MARKUP.innerHTML = `
<li class="card" part="row" tabindex="-1">
  <svg class="glyph" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
    <path class="glyph-film" d="M4 5h16v14H4zM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4"/>
    <path class="glyph-picture" d="M4 5h16v14H4zm0 11 5-5 4 4 2.5-2.5L20 17M15.5 9.2h.01"/>
    <path class="glyph-done" d="m5 12.5 4.7 4.7L19.5 7"/>
    <path class="glyph-failed" d="M12 6v7.5m0 4v.01"/>
    <path class="glyph-cancelled" d="M7 7l10 10M17 7 7 17"/>
  </svg>
  <img class="preview" hidden>
  <h3 class="name" part="name"></h3>
  <p class="percent" aria-hidden="true"><span class="percent-number"></span><span class="percent-sign">%</span></p>
  <div class="bar" part="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100">
    <div class="fill" part="fill"></div>
  </div>
  <div class="foot">
    <div class="now">
      <p class="line">
        <span class="doing">
          <svg class="activity" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
            <g class="waiting"><circle cx="12" cy="12" r="8"/><path d="M12 7.5V12l3 2"/></g>
            <g class="receiving"><path d="M5 16v3h14v-3"/><path class="moves" d="M12 15V5M8 9l4-4 4 4"/></g>
            <g class="reading"><path class="moves" d="M10.5 5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM14.5 14.5l4 4"/></g>
            <g class="compressing">
              <path class="moves" d="m7 3.5 5 4.5 5-4.5"/><path d="M6 12h12"/><path class="moves" d="m7 20.5 5-4.5 5 4.5"/>
            </g>
            <g class="storing"><path d="M5 15v4h14v-4"/><path class="moves" d="M12 4v10M8 10l4 4 4-4"/></g>
          </svg>
          <span class="stage" part="stage"></span>
        </span>
        <span class="pace"></span>
      </p>
      <p class="attempt"></p>
      <p class="problem" part="problem"></p>
    </div>
    <div class="actions">
      <button class="button" part="button" type="button" data-do="pause"></button>
      <button class="button" part="button" type="button" data-do="resume"></button>
      <button class="button" part="button" type="button" data-do="cancel"></button>
      <button class="button" part="button" type="button" data-do="retry"></button>
      <button class="button primary" part="button" type="button" data-do="choose"></button>
      <button class="button quiet icon" part="button" type="button" data-do="dismiss"></button>
    </div>
  </div>
  <p class="reference" hidden>
    <code class="upload-id" part="id"></code>
    <button class="button quiet icon copy" part="button" type="button"></button>
  </p>
  <input type="file" hidden>
</li>`;

const ICONS = {
  pause: "M8 6v12M16 6v12",
  resume: "M8 5.5v13l10-6.5z",
  cancel: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  retry: "M18.5 9A7 7 0 1 0 19 13.5M19 5v4.5h-4.5",
  choose: "M4 18V6h6l2 2.5h8V18z",
  dismiss: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  copy: "M9 9h10v11H9zM15 5.5V4H5v11h1.5",
  copied: "m5 12.5 4.7 4.7L19.5 7",
};

const COPIED_MS = 2_000; // how long it is shown that the id was copied

const IMPORTANT = new Set(["compressing", "completed", "error"]); // the rest would be chatter

let cards = 0;

/** Events: `change` after every rendering, `news` when it is in another status, `dismiss` when it is wanted gone. */
export class UploadCard extends EventTarget {
  /** @type {HTMLElement} */ element;
  /** How full the bar is; it never falls within an attempt, and is 100 for nothing but a completed upload. */
  progress = 0;
  /** @type {Face} */ face;

  #attempt = "";
  /** @type {Action | ""} */ #busy = "";
  /** Settles when what its person asked for last has been answered. */ #underway = Promise.resolve();
  #complaint = "";
  #mark = "";
  /** @type {Words} */ #words;
  #refusal;
  /** @type {ResultView | null} */ #result = null;
  #dismissible;
  #copied = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #copiedTimer;
  #render = () => this.render();

  /**
   * @param {object} options
   * @param {Upload | null} options.upload      Null: the file was refused before it became one.
   * @param {Words} options.words
   * @param {{filename: string, reason: string}} [options.refused]
   * @param {boolean} [options.dismissible]     Whether it can be wanted gone; true by default.
   */
  constructor({ upload, words, refused, dismissible = true }) {
    super();
    this.upload = upload;
    this.#dismissible = dismissible;
    this.#words = words;
    this.#refusal = refused?.reason;
    this.filename = upload ? words.filename(upload) : (refused?.filename ?? "");
    this.face = faceOf(upload, words, this.#refusal);
    this.element = this.#build();
    upload?.addEventListener("change", this.#render);
    this.render();
  }

  /** Whether nothing more will happen by itself. */
  get finished() {
    return hasEnded(this.upload);
  }

  /** Whether it can be cancelled. */
  get cancellable() {
    return actionsOf(this.upload).has("cancel");
  }

  /** One sentence for a screen reader on where it now is; empty where that is not worth one. */
  get news() {
    const state = this.upload?.state;
    if (state) {
      return IMPORTANT.has(state.status) || state.attempt > 1 ? this.#words.news(this.filename, state) : "";
    }
    return this.face.tone === "failed" ? this.#words.refused(this.filename, this.face.problem) : "";
  }

  /** Whether the keyboard or the pointer is on it. */
  get attended() {
    return this.element.matches(":hover, :focus-within");
  }

  /** Show what came out, too. @param {ResultView} result */
  showResult(result) {
    this.#result = result;
    this.#part("reference").before(result.element);
    this.render();
  }

  get hasResult() {
    return this.#result !== null;
  }

  /** No more of it. */
  stop() {
    clearTimeout(this.#copiedTimer);
    this.upload?.removeEventListener("change", this.#render);
    this.element.remove();
  }

  /** Cancel, as its button does. */
  cancel() {
    void this.#do("cancel");
  }

  /** Put the keyboard's place here. */
  focus() {
    const next = this.#buttons().find((button) => !button.hidden);
    (next ?? this.element).focus({ preventScroll: true });
  }

  render() {
    const moved = this.#moved();
    this.#renderName();
    this.face = faceOf(this.upload, this.#words, this.#refusal);
    const { tone, activity, title, facts, attempt, problem } = this.face;
    this.element.dataset.tone = tone;
    this.element.dataset.activity = activity;
    setText(this.#part("stage"), title);
    // A line may end between two facts, but not between a number and its unit.
    setText(this.#part("pace"), facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join("\u00a0· "));
    setText(this.#part("attempt"), attempt);
    setText(this.#part("problem"), this.#complaint || problem);
    this.#renderBar();
    this.#renderActions();
    this.#renderId();
    this.#renderPreview();
    const element = this.upload?.state?.element;
    if (element) this.#result?.show(element, this.filename);
    if (this.#result) setHidden(this.#result.element, !element);
    if (moved) this.dispatchEvent(new Event("news"));
    this.dispatchEvent(new Event("change"));
  }

  #renderName() {
    if (this.upload) this.filename = this.#words.filename(this.upload);
    const name = this.#part("name");
    setText(name, this.filename);
    name.title = this.filename;
    const type = this.upload?.file?.type ?? "";
    this.element.dataset.kind = kindOf({ name: this.filename, type }) ?? "video";
  }

  #renderBar() {
    const { title, tone, facts } = this.face;
    const state = this.upload?.state;
    if (state) this.#advance(state);
    const percent = Math.floor(this.progress);
    const bar = this.#part("bar");
    bar.setAttribute("aria-valuenow", String(percent));
    bar.setAttribute("aria-valuetext", this.#words.value(percent, title, facts));
    this.#part("fill").style.setProperty("--progress", String(this.progress));
    setText(this.#part("percent-number"), String(percent));
    setHidden(this.#part("percent"), tone === "done" || tone === "failed" || tone === "cancelled");
    setHidden(bar, !this.upload || tone === "done");
  }

  /** @param {Message} state */
  #advance({ status, epoch, attempt, progress }) {
    const mark = `${epoch} ${attempt}`;
    if (mark !== this.#attempt) this.progress = 0;
    this.#attempt = mark;
    this.progress = status === "completed" ? 100 : Math.max(this.progress, Math.min(progress, 99));
  }

  /** A picture of it, until the result itself is there. A link signed anew is no reason to load it once more. */
  #renderPreview() {
    const state = this.upload?.state;
    const made = state?.element?.outputs.find(({ kind }) => kind === "poster" || kind === "thumbnail");
    const poster = state?.element && this.#result ? undefined : (state?.poster ?? made);
    const image = /** @type {HTMLImageElement} */ (this.#part("preview"));
    if (poster && poster.key !== image.dataset.key) {
      Object.assign(image, { alt: this.#words.poster(this.filename), src: poster.url });
      image.dataset.key = poster.key;
    }
    const over = state?.status === "error";
    setHidden(image, !poster || over || image.dataset.lost === poster.key);
  }

  #renderActions() {
    const had = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement;
    const shown = actionsOf(this.upload);
    if (!this.#dismissible) shown.delete("dismiss");
    for (const button of this.#buttons()) {
      const action = /** @type {Action} */ (button.dataset.do);
      setHidden(button, !shown.has(action));
      button.setAttribute("aria-disabled", String(this.#busy === action));
      const words = action === "cancel" && this.#busy === "cancel" ? this.#words.cancelling : this.#words[action];
      setText(/** @type {HTMLElement} */ (button.lastElementChild), words);
      button.title = words;
    }
    // A button that vanishes must not take the keyboard's place on the page with it.
    if (had instanceof HTMLElement && had.hidden && this.element.contains(had)) this.focus();
  }

  /** For whoever has to find it in a log. */
  #renderId() {
    const id = this.upload?.id ?? "";
    setHidden(this.#part("reference"), !id);
    setText(this.#part("upload-id"), id);
    const button = /** @type {HTMLButtonElement} */ (this.#part("copy"));
    const words = this.#copied ? this.#words.copied : this.#words.copyId;
    setText(/** @type {HTMLElement} */ (button.lastElementChild), words);
    button.title = words;
    button.querySelector("path")?.setAttribute("d", this.#copied ? ICONS.copied : ICONS.copy);
  }

  async #copyId() {
    this.#copied = await copyText(this.#part("upload-id"));
    this.render();
    clearTimeout(this.#copiedTimer);
    this.#copiedTimer = setTimeout(() => {
      this.#copied = false;
      this.render();
    }, COPIED_MS);
  }

  /** Whether it is in another status than when last shown; where it was when the page opened is no news. */
  #moved() {
    const { state } = this.upload ?? {};
    const unsent = this.upload && outcomeOf(this.upload);
    const mark = state ? `${state.epoch} ${state.attempt} ${state.status}` : (unsent ?? "");
    if (mark === this.#mark) return false;
    const first = this.#mark === "" && !this.upload?.file;
    this.#mark = mark;
    this.#complaint = "";
    return !first;
  }

  /** @param {Action} action */
  async #do(action) {
    const { upload } = this;
    if (action === "dismiss" || !upload) return void this.dispatchEvent(new Event("dismiss"));
    if (action === "choose") return /** @type {HTMLInputElement} */ (this.element.querySelector("input")).click();
    if (action === "pause") return upload.pause();
    if (action === "resume") return upload.resume();
    if (this.#busy) await this.#underway; // the room may tell of a cancel's end before the cancel itself is answered
    if (this.#busy || !actionsOf(upload).has(action)) return;
    this.#underway = this.#ask(action, upload);
  }

  /** Never rejects. @param {"cancel" | "retry"} action @param {Upload} upload */
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

  /** @param {File} file */
  #bring(file) {
    const expected = this.upload?.state?.bytesExpected;
    const other = expected && file.size !== expected;
    this.#complaint = other ? this.#words.otherFile(expected) : "";
    if (other) this.render();
    else void this.upload?.send(file);
  }

  #build() {
    const element = /** @type {HTMLElement} */ (MARKUP.content.firstElementChild?.cloneNode(true));
    const id = `upload-${(cards += 1)}`;
    /** @type {HTMLElement} */ (element.querySelector(".name")).id = id;
    element.setAttribute("aria-labelledby", id);
    element.querySelector(".bar")?.setAttribute("aria-labelledby", id);
    for (const button of element.querySelectorAll("button")) {
      button.setAttribute("aria-describedby", id);
      const icon = ICONS[/** @type {Action | undefined} */ (button.dataset.do) ?? "copy"];
      button.innerHTML = `
        <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d="${icon}"/></svg>
        <span></span>`;
    }
    element.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      if (button?.dataset.do) void this.#do(/** @type {Action} */ (button.dataset.do));
      else if (button) void this.#copyId();
    });
    const input = /** @type {HTMLInputElement} */ (element.querySelector("input"));
    const preview = /** @type {HTMLImageElement} */ (element.querySelector(".preview"));
    preview.addEventListener("error", () => {
      preview.dataset.lost = preview.dataset.key;
      setHidden(preview, true);
    });
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
    return /** @type {HTMLButtonElement[]} */ ([...this.element.querySelectorAll("button[data-do]")]);
  }
}
