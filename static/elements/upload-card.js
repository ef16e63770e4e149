/** One upload as a row: its progress, its actions and its result. */

import { Markup, byClass, copyText, instantiate, setHidden, setText } from "../shared/dom.js";
import { mediaTypeOf } from "../shared/media-type.js";
import { actionsOf, isSettled, outcomeOf, viewOf } from "./upload-view-model.js";

/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/errors.js").RoomcastError} RoomcastError */
/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../results/result-view.js").ResultView} ResultView */
/** @typedef {import("./upload-view-model.js").Action} Action */
/** @typedef {import("./upload-view-model.js").UploadView} UploadView */

const MARKUP = new Markup(`
<li class="card" part="row" tabindex="-1">
  <svg class="glyph" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
    <path class="glyph-video" d="M4 5h16v14H4zM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4"/>
    <path class="glyph-image" d="M4 5h16v14H4zm0 11 5-5 4 4 2.5-2.5L20 17M15.5 9.2h.01"/>
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
        <span class="progress-facts"></span>
      </p>
      <p class="attempt"></p>
      <p class="problem" part="problem"></p>
    </div>
    <div class="actions">
      <button class="button" part="button" type="button" data-action="pause"></button>
      <button class="button" part="button" type="button" data-action="resume"></button>
      <button class="button" part="button" type="button" data-action="cancel"></button>
      <button class="button" part="button" type="button" data-action="retry"></button>
      <button class="button primary" part="button" type="button" data-action="choose"></button>
      <button class="button quiet icon" part="button" type="button" data-action="dismiss"></button>
      <button class="button quiet icon" part="button" type="button" data-action="delete"></button>
    </div>
  </div>
  <p class="reference" hidden>
    <code class="upload-id" part="id"></code>
    <button class="button quiet icon copy" part="button" type="button"></button>
  </p>
  <input type="file" hidden>
</li>`);

const ICONS = {
  pause: "M8 6v12M16 6v12",
  resume: "M8 5.5v13l10-6.5z",
  cancel: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  retry: "M18.5 9A7 7 0 1 0 19 13.5M19 5v4.5h-4.5",
  choose: "M4 18V6h6l2 2.5h8V18z",
  delete: "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 10.5v5.5M13.5 10.5v5.5",
  dismiss: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  copy: "M9 9h10v11H9zM15 5.5V4H5v11h1.5",
  copied: "m5 12.5 4.7 4.7L19.5 7",
};

const COPIED_MS = 2_000; // how long the button confirms that the ID was copied

const ANNOUNCED = new Set(["compressing", "completed", "error"]); // announcing every status would be too much

let cards = 0;

/** Events: `change` after every rendering, `announce` after a change of status, `dismiss` when the user asks for it. */
export class UploadCard extends EventTarget {
  /** @type {HTMLElement} */ element;
  /** The width of the bar. It never falls within an attempt, and is 100 only for a completed upload. */
  progress = 0;
  /** @type {UploadView} */ view;

  #attempt = "";
  /** @type {Action | ""} */ #busy = "";
  /** Settles when the last cancel, retry or deletion has been answered. */ #pending = Promise.resolve();
  /** The message of a cancel, retry or deletion that failed. */ #actionError = "";
  #status = "";
  /** @type {Locale} */ #locale;
  #rejection;
  /** @type {ResultView | null} */ #result = null;
  #dismissible;
  #deletable;
  #readOnly;
  #copied = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #copiedTimer;
  #render = () => this.render();

  /**
   * @param {object} options
   * @param {Upload | null} options.upload      Null if the file was rejected before the upload started.
   * @param {Locale} options.locale
   * @param {{filename: string, reason: string}} [options.rejected]
   * @param {boolean} [options.dismissible]     Whether there is a button to dismiss the row; true by default.
   * @param {boolean} [options.deletable]       Whether there is a button to delete an ended upload; false by default.
   * @param {boolean} [options.readOnly]        Whether there are no buttons that act on the upload; false by default.
   */
  constructor({ upload, locale, rejected, dismissible = true, deletable = false, readOnly = false }) {
    super();
    this.upload = upload;
    this.#dismissible = dismissible;
    this.#deletable = deletable;
    this.#readOnly = readOnly;
    this.#locale = locale;
    this.#rejection = rejected?.reason;
    this.filename = upload ? locale.filename(upload) : (rejected?.filename ?? "");
    this.view = viewOf(upload, locale, this.#rejection);
    this.element = this.#build();
    upload?.addEventListener("change", this.#render);
    this.render();
  }

  /** @param {Locale} locale */
  set locale(locale) {
    this.#locale = locale;
    if (this.#result) this.#result.locale = locale;
    this.render();
  }

  /** Whether nothing changes any more unless the user acts. */
  get settled() {
    return isSettled(this.upload);
  }

  /** Whether it can be cancelled. */
  get cancellable() {
    return actionsOf(this.upload).has("cancel");
  }

  /** The announcement of the current state to screen readers; empty if it is not important enough. */
  get announcement() {
    const state = this.upload?.state;
    if (state) {
      return ANNOUNCED.has(state.status) || state.attempt > 1 ? this.#locale.announcement(this.filename, state) : "";
    }
    return this.view.tone === "failed" ? this.#locale.rejected(this.filename, this.view.problem) : "";
  }

  /** Whether the row has the focus or the pointer. */
  get inUse() {
    return this.element.matches(":hover, :focus-within");
  }

  /** Show the result in the row, once there is one. @param {ResultView} result */
  showResult(result) {
    this.#result = result;
    byClass(this.element, "reference").before(result.element);
    this.render();
  }

  get hasResult() {
    return this.#result !== null;
  }

  /** Remove the row. */
  stop() {
    clearTimeout(this.#copiedTimer);
    this.upload?.removeEventListener("change", this.#render);
    this.element.remove();
  }

  /** Cancel the upload, like the button does. */
  cancel() {
    void this.#perform("cancel");
  }

  /** Focus the first button, or the row. */
  focus() {
    const first = this.#buttons().find((button) => !button.hidden);
    (first ?? this.element).focus({ preventScroll: true });
  }

  render() {
    const statusChanged = this.#updateStatus();
    this.#renderName();
    this.view = viewOf(this.upload, this.#locale, this.#rejection);
    const { tone, activity, title, facts, attempt, problem } = this.view;
    this.element.dataset.tone = tone;
    this.element.dataset.activity = activity;
    setText(byClass(this.element, "stage"), title);
    // A line may break between two facts, but not within one.
    const unbreakable = facts.map((fact) => fact.replaceAll(" ", "\u00a0"));
    setText(byClass(this.element, "progress-facts"), unbreakable.join("\u00a0· "));
    setText(byClass(this.element, "attempt"), attempt);
    setText(byClass(this.element, "problem"), this.#actionError || problem);
    this.#renderBar();
    this.#renderActions();
    this.#renderId();
    this.#renderPreview();
    const element = this.upload?.state?.element;
    if (element) this.#result?.show(element, this.filename);
    if (this.#result) setHidden(this.#result.element, !element);
    if (statusChanged) this.dispatchEvent(new Event("announce"));
    this.dispatchEvent(new Event("change"));
  }

  #renderName() {
    if (this.upload) this.filename = this.#locale.filename(this.upload);
    const name = byClass(this.element, "name");
    setText(name, this.filename);
    name.title = this.filename;
    const type = this.upload?.file?.type ?? "";
    this.element.dataset.media = mediaTypeOf({ name: this.filename, type }) ?? "video";
  }

  #renderBar() {
    const { title, tone, facts } = this.view;
    const state = this.upload?.state;
    if (state) this.#updateProgress(state);
    const percent = Math.floor(this.progress);
    const bar = byClass(this.element, "bar");
    bar.setAttribute("aria-valuenow", String(percent));
    bar.setAttribute("aria-valuetext", this.#locale.progressValue(percent, title, facts));
    byClass(this.element, "fill").style.setProperty("--progress", String(this.progress));
    setText(byClass(this.element, "percent-number"), String(percent));
    setHidden(byClass(this.element, "percent"), tone === "done" || tone === "failed" || tone === "cancelled");
    setHidden(bar, !this.upload || tone === "done");
  }

  /** @param {Message} state */
  #updateProgress({ status, epoch, attempt, progress }) {
    const key = `${epoch} ${attempt}`;
    if (key !== this.#attempt) this.progress = 0;
    this.#attempt = key;
    this.progress = status === "completed" ? 100 : Math.max(this.progress, Math.min(progress, 99));
  }

  /** Show the poster until the result is shown. A newly signed URL does not load it again. */
  #renderPreview() {
    const state = this.upload?.state;
    const output = state?.element?.outputs.find(({ kind }) => kind === "poster" || kind === "thumbnail");
    const poster = state?.element && this.#result ? undefined : (state?.poster ?? output);
    const image = /** @type {HTMLImageElement} */ (byClass(this.element, "preview"));
    if (poster && poster.key !== image.dataset.key) {
      Object.assign(image, { alt: this.#locale.poster(this.filename), src: poster.url });
      image.dataset.key = poster.key;
    }
    const failed = state?.status === "error";
    setHidden(image, !poster || failed || image.dataset.failedKey === poster.key);
  }

  #renderActions() {
    const focused = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement;
    const possible = actionsOf(this.upload);
    if (!this.#dismissible) possible.delete("dismiss");
    if (!this.#deletable) possible.delete("delete");
    if (this.#readOnly) possible.clear();
    for (const button of this.#buttons()) {
      const action = /** @type {Action} */ (button.dataset.action);
      setHidden(button, !possible.has(action));
      button.setAttribute("aria-disabled", String(this.#busy === action));
      const text = this.#textOf(action);
      setText(/** @type {HTMLElement} */ (button.lastElementChild), text);
      button.title = text;
    }
    // Otherwise the focus would be lost when its button is hidden.
    if (focused instanceof HTMLElement && focused.hidden && this.element.contains(focused)) this.focus();
  }

  /** @param {Action} action */
  #textOf(action) {
    if (action === "cancel" && this.#busy === action) return this.#locale.cancelling;
    return action === "delete" && this.#busy === action ? this.#locale.deleting : this.#locale[action];
  }

  /** Show the upload's ID, which identifies it in logs and on the admin page. */
  #renderId() {
    const id = this.upload?.id ?? "";
    setHidden(byClass(this.element, "reference"), !id);
    setText(byClass(this.element, "upload-id"), id);
    const button = /** @type {HTMLButtonElement} */ (byClass(this.element, "copy"));
    const text = this.#copied ? this.#locale.copied : this.#locale.copyId;
    setText(/** @type {HTMLElement} */ (button.lastElementChild), text);
    button.title = text;
    button.querySelector("path")?.setAttribute("d", this.#copied ? ICONS.copied : ICONS.copy);
  }

  async #copyId() {
    this.#copied = await copyText(byClass(this.element, "upload-id"));
    this.render();
    clearTimeout(this.#copiedTimer);
    this.#copiedTimer = setTimeout(() => {
      this.#copied = false;
      this.render();
    }, COPIED_MS);
  }

  /** Return whether the status has changed since the last rendering. The first status of an old upload is ignored. */
  #updateStatus() {
    const { state } = this.upload ?? {};
    const unsent = this.upload && outcomeOf(this.upload);
    const { epoch, attempt, stage } = state ?? {};
    const status = state ? `${epoch} ${attempt} ${stage === "deleted" ? stage : state.status}` : (unsent ?? "");
    if (status === this.#status) return false;
    const first = this.#status === "" && !this.upload?.file;
    this.#status = status;
    this.#actionError = "";
    return !first;
  }

  /** @param {Action} action */
  async #perform(action) {
    const { upload } = this;
    if (action === "dismiss" || !upload) return void this.dispatchEvent(new Event("dismiss"));
    if (action === "choose") return /** @type {HTMLInputElement} */ (this.element.querySelector("input")).click();
    if (action === "pause") return upload.pause();
    if (action === "resume") return upload.resume();
    if (this.#busy) await this.#pending; // the room may report the end of a cancel before the cancel is answered
    if (this.#busy || !actionsOf(upload).has(action)) return;
    if (action === "delete" && !confirm(this.#locale.confirmDelete(this.filename))) return;
    this.#pending = this.#request(action, upload);
  }

  /** Never rejects. @param {"cancel" | "retry" | "delete"} action @param {Upload} upload */
  async #request(action, upload) {
    this.#busy = action;
    this.#actionError = "";
    this.render();
    try {
      await upload[action]();
    } catch (error) {
      await upload.refresh(); // the upload may have ended before the call arrived
      const { code, message } = /** @type {RoomcastError} */ (error);
      if (action === "delete" && code === "FORBIDDEN") this.#deletable = false;
      if (!this.settled || action !== "cancel") this.#actionError = message;
    } finally {
      this.#busy = "";
      this.render();
    }
  }

  /** Send the file again, if it has the expected size. @param {File} file */
  #sendAgain(file) {
    const expected = this.upload?.state?.bytesExpected;
    const wrong = expected && file.size !== expected;
    this.#actionError = wrong ? this.#locale.wrongFile(expected) : "";
    if (wrong) this.render();
    else void this.upload?.send(file);
  }

  #build() {
    const element = instantiate(MARKUP);
    const id = `upload-${(cards += 1)}`;
    byClass(element, "name").id = id;
    element.setAttribute("aria-labelledby", id);
    element.querySelector(".bar")?.setAttribute("aria-labelledby", id);
    for (const button of element.querySelectorAll("button")) {
      button.setAttribute("aria-describedby", id);
      const icon = ICONS[/** @type {Action | undefined} */ (button.dataset.action) ?? "copy"];
      button.innerHTML = `
        <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d="${icon}"/></svg>
        <span></span>`;
    }
    element.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      if (button?.dataset.action) void this.#perform(/** @type {Action} */ (button.dataset.action));
      else if (button?.classList.contains("copy")) void this.#copyId();
    });
    const input = /** @type {HTMLInputElement} */ (element.querySelector("input"));
    const preview = /** @type {HTMLImageElement} */ (byClass(element, "preview"));
    preview.addEventListener("error", () => {
      preview.dataset.failedKey = preview.dataset.key;
      setHidden(preview, true);
    });
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      input.value = "";
      if (file) this.#sendAgain(file);
    });
    return element;
  }

  #buttons() {
    return /** @type {HTMLButtonElement[]} */ ([...this.element.querySelectorAll("button[data-action]")]);
  }
}
