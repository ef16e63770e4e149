/** One upload as a row: its progress, its actions and its result. */

import { filledShare, segmentsOf } from "../rows/bar-segments.js";
import { CARD_MARKUP, ICONS, iconMarkup } from "../rows/card-markup.js";
import { showFacts } from "../rows/facts-line.js";
import { dividedName } from "../rows/shortened-name.js";
import { byClass, copyText, instantiate, setHidden, setText } from "../shared/dom.js";
import { topLevelTypeOf } from "../shared/media-type.js";
import { actionsOf, isSettled, outcomeOf, viewOf } from "./upload-view-model.js";

/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/errors.js").RoomcastError} RoomcastError */
/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../protocol/messages.js").Output} Output */
/** @typedef {import("../results/film-player.js").FilmPlayer} FilmPlayer */
/** @typedef {import("../results/result-view.js").ResultView} ResultView */
/** @typedef {import("../rows/bar-segments.js").Segments} Segments */
/** @typedef {import("./upload-view-model.js").Action} Action */
/** @typedef {import("./upload-view-model.js").UploadView} UploadView */

const COPIED_MS = 2_000; // how long the button confirms that the ID was copied

const ANNOUNCED = new Set(["compressing", "completed", "error"]); // announcing every status would be too much

let cards = 0;

/** The stages between sending and compressing, which have no percentage of their own. */
const BETWEEN = new Set(["queued", "fetching", "probing"]);

const MAIN_OUTPUTS = new Set(["video", "audio", "image"]);

/**
 * Events: `change` after every rendering, `announce` after a change of status, `dismiss` and `delete` when the user asks
 * for it.
 */
export class UploadCard extends EventTarget {
  /** @type {HTMLElement} */ element;
  /** The filled share of the bar. It never falls within an attempt, and is 100 only for a completed upload. */
  progress = 0;
  /** When the upload was added, in milliseconds. */ addedAt;
  /** @type {UploadView} */ view;

  #attempt = "";
  /** @type {Segments | undefined} */ #segments;
  /** @type {Action | ""} */ #busy = "";
  /** Settles when the last cancel, retry or deletion has been answered. */ #pending = Promise.resolve();
  /** The message of a cancel, retry or deletion that failed. */ #actionError = "";
  /** Why a file that was chosen is not the expected one, until the right one is. */ #wrongFile = "";
  #status = "";
  /** @type {Locale} */ #locale;
  #rejection;
  /** @type {ResultView | null} */ #result = null;
  /** Whether there can be a result in the row. */ #showsResults = false;
  /** Whether the result is open by itself. */ #opensResult = true;
  /** The user's choice, once there is one. @type {boolean | null} */ #resultChosen = null;
  /** The player of the film, while it is open. @type {FilmPlayer | null} */ #film = null;
  #filmChosen = false;
  #scheduled = false;
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
    this.addedAt = upload?.addedAt ?? Date.now();
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
    if (this.#film) this.#film.locale = locale;
    this.render();
  }

  /** Whether nothing changes any more unless the user acts. */
  get settled() {
    return isSettled(this.upload);
  }

  /** The actions that are possible now. */
  get actions() {
    return this.#scheduled ? new Set() : actionsOf(this.upload);
  }

  /** What a summary of several rows counts. @returns {import("../client/summary.js").SummaryRow} */
  get summaryRow() {
    const { state = null, file = null, needsFile = false } = this.upload ?? {};
    const { tone, transfer } = this.view;
    const size = state?.bytesExpected ?? file?.size ?? null;
    return { tone, stage: state?.stage ?? null, progress: this.progress, transfer, size, needsAction: needsFile };
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

  /** Whether the row must not move: the pointer rests on it, or the keyboard is in it. */
  get anchored() {
    const hovered = matchMedia("(hover: hover)").matches && this.element.matches(":hover");
    return hovered || this.element.matches(":focus-visible, :has(:focus-visible)");
  }

  /** Whether a completed upload has a result that can be opened. @param {boolean} possible */
  set showsResults(possible) {
    if (this.#showsResults === possible) return;
    this.#showsResults = possible;
    this.render();
  }

  /** Whether the result is open until the user decides. @param {boolean} open */
  set opensResult(open) {
    if (this.#opensResult === open) return;
    this.#opensResult = open;
    this.render();
  }

  /** Whether the result has to be loaded. */
  get needsResult() {
    return this.#isOpen && this.#result === null;
  }

  /** Show the result in the row. @param {ResultView} result */
  showResult(result) {
    this.#result = result;
    byClass(this.element, "reference").before(result.element);
    this.render();
  }

  /** Whether the player of the film has to be loaded. */
  get needsFilm() {
    return this.#filmChosen && this.#film === null;
  }

  /** Show the player of the film in the row, and play. @param {FilmPlayer} film */
  showFilm(film) {
    this.#film = film;
    film.addEventListener("close", () => this.#closeFilm());
    byClass(this.element, "reference").before(film.element);
    this.render();
    film.start();
  }

  #closeFilm() {
    const focused = this.#film?.element.matches(":focus-within");
    this.#film?.stop();
    this.#film = null;
    this.#filmChosen = false;
    this.render();
    if (focused) this.focus();
  }

  /** Whether the work is about to be cancelled; until then it goes on. @param {boolean} scheduled */
  set scheduled(scheduled) {
    this.#scheduled = scheduled;
    this.render();
  }

  /** Remove the row. */
  stop() {
    clearTimeout(this.#copiedTimer);
    this.#film?.stop();
    this.upload?.removeEventListener("change", this.#render);
    this.element.remove();
  }

  /** Do what a button of the row does, if it is possible. @param {Action} action */
  perform(action) {
    void this.#perform(action);
  }

  /** Delete the upload. */
  delete() {
    if (this.upload) this.#pending = this.#request("delete", this.upload);
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
    setText(byClass(this.element, "stage"), this.#scheduled ? this.#locale.cancelling : title);
    showFacts(byClass(this.element, "facts-line"), facts);
    setHidden(byClass(this.element, "progress-facts"), facts.length === 0);
    setText(byClass(this.element, "attempt"), attempt);
    if (!this.upload?.needsFile) this.#wrongFile = ""; // the right one may have come another way
    const complaint = this.#actionError || this.#wrongFile;
    byClass(this.element, "problem").dataset.complaint = String(complaint !== "");
    byClass(this.element, "problem").role = complaint ? "alert" : null;
    setText(byClass(this.element, "problem"), complaint || problem);
    this.#renderBar();
    this.#renderActions();
    this.#renderId();
    this.#renderPreview();
    this.#film?.show(this.upload?.state ?? null, this.filename);
    this.#renderResult();
    if (statusChanged) this.dispatchEvent(new Event("announce"));
    this.dispatchEvent(new Event("change"));
  }

  #renderName() {
    if (this.upload) this.filename = this.#locale.filename(this.upload);
    const name = byClass(this.element, "name");
    const { start, end } = dividedName(this.filename);
    setText(byClass(name, "name-start"), start);
    setText(byClass(name, "name-end"), end);
    name.title = this.filename;
    name.setAttribute("aria-label", this.filename); // one text, where the two halves would be read as two
    const type = this.upload?.file?.type ?? "";
    this.element.dataset.media = topLevelTypeOf({ name: this.filename, type }) ?? "video";
  }

  #renderBar() {
    const { title, tone, facts } = this.view;
    const state = this.upload?.state ?? null;
    this.#updateProgress(state);
    const { sent, compressed, stored } = /** @type {Segments} */ (this.#segments);
    const sending = !state || state.stage === "receiving";
    const percent = Math.floor(sending ? sent : this.progress);
    const bar = byClass(this.element, "bar");
    bar.setAttribute("aria-valuenow", String(Math.floor(this.progress)));
    const number = this.#locale.format.percent(percent);
    const shown = sending ? this.#locale.percentSent(number) : number;
    const { comma, insideSentence, sendingStep, compressingStep, storingStep } = this.#locale;
    bar.setAttribute("aria-valuetext", [shown, insideSentence(title), ...facts].join(comma));
    const fills = /** @type {NodeListOf<HTMLElement>} */ (bar.querySelectorAll(".fill"));
    [sent, compressed, stored].forEach((fill, index) => fills[index].style.setProperty("--progress", String(fill)));
    const names = byClass(this.element, "segment-names").children;
    [sendingStep, compressingStep, storingStep].forEach((name, index) => setText(names[index], name));
    this.element.dataset.segment = sending ? "sending" : stored > 0 ? "storing" : "compressing";
    setText(byClass(this.element, "percent-number"), number);
    const [before, after] = shown.split(number);
    setText(byClass(this.element, "percent-before"), before);
    setText(byClass(this.element, "percent-after"), after);
    const ended = tone === "done" || tone === "failed" || tone === "cancelled";
    const unknown = (state !== null && BETWEEN.has(state.stage)) || (tone === "waiting" && percent === 0);
    setHidden(byClass(this.element, "percent"), ended || unknown);
    setHidden(byClass(this.element, "progress"), !this.upload || ended);
  }

  /** @param {Message | null} state */
  #updateProgress(state) {
    const key = state ? `${state.epoch} ${state.attempt}` : "";
    if (key !== this.#attempt) this.#segments = undefined;
    this.#attempt = key;
    this.#segments = segmentsOf(state, this.view.transfer?.percent ?? null, this.#segments);
    this.progress = state?.status === "completed" ? 100 : Math.min(filledShare(this.#segments), 99);
  }

  /** Whether the result is open. */
  get #isOpen() {
    const possible = this.#showsResults && this.upload?.state?.status === "completed" && Boolean(this.upload.state.element);
    return possible && !this.#filmChosen && (this.#resultChosen ?? this.#opensResult);
  }

  #renderResult() {
    const element = this.upload?.state?.element;
    const open = this.#isOpen;
    this.element.classList.toggle("open", open);
    if (this.#result && element && open) this.#result.show(element, this.filename);
    if (this.#result) setHidden(this.#result.element, !open);
    if (!open) for (const player of this.#result?.element.querySelectorAll("video, audio") ?? []) /** @type {HTMLMediaElement} */ (player).pause();
  }

  /** Show the poster, once there is one. A newly signed URL does not load it again. */
  #renderPreview() {
    const state = this.upload?.state;
    const output = state?.element?.outputs.find(({ kind }) => kind === "poster" || kind === "thumbnail");
    const poster = state?.poster ?? output;
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
    const { actions } = this;
    if (!this.#dismissible) actions.delete("dismiss");
    if (!this.#deletable) actions.delete("delete");
    if (this.#readOnly) actions.clear();
    const output = this.#downloadableOutput();
    if (output) actions.add("download");
    if (output && this.#showsResults) actions.add("show");
    if (this.#showsResults && this.upload?.state?.playable && !this.#film && !this.settled) actions.add("watch");
    for (const button of this.#buttons()) {
      const action = /** @type {keyof typeof ICONS} */ (button.dataset.action);
      setHidden(button, !actions.has(action));
      const text = this.#textOf(action);
      setText(/** @type {HTMLElement} */ (button.lastElementChild), text);
      button.title = text;
      if (button instanceof HTMLButtonElement) button.setAttribute("aria-disabled", String(this.#busy === action || (action === "watch" && this.#filmChosen)));
      if (action === "show") button.setAttribute("aria-expanded", String(this.#isOpen));
      if (action === "download" && output) this.#renderDownload(/** @type {HTMLAnchorElement} */ (button), output);
    }
    // Otherwise the focus would be lost when its button is hidden.
    if (focused instanceof HTMLElement && focused.hidden && this.element.contains(focused)) this.focus();
  }

  /** Return the main file of the result. */
  #downloadableOutput() {
    const { outputs = [] } = this.upload?.state?.element ?? {};
    const isFile = (/** @type {Output} */ { url }) => /^https?:/.test(new URL(url, document.baseURI).protocol);
    return outputs.find((output) => MAIN_OUTPUTS.has(output.kind) && isFile(output)) ?? outputs.find(isFile);
  }

  /** @param {HTMLAnchorElement} link @param {Output} output */
  #renderDownload(link, { url, downloadUrl }) {
    const address = downloadUrl ?? url;
    if (link.getAttribute("href") !== address) link.href = address;
    link.download = "";
  }

  /** @param {keyof typeof ICONS} action */
  #textOf(action) {
    if (action === "choose" && this.upload?.canContinue) return this.#locale.continueSending;
    const { cancelling, deleting, showResult, hideResult } = this.#locale;
    if (action === "cancel" && this.#busy === action) return cancelling;
    if (action === "delete" && this.#busy === action) return deleting;
    if (action === "show") return this.#isOpen ? hideResult : showResult;
    return this.#locale[/** @type {Action | "download" | "watch"} */ (action)];
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
    if (action === "choose" && upload.canContinue) return void upload.continueSending();
    if (action === "choose") return /** @type {HTMLInputElement} */ (this.element.querySelector("input")).click();
    if (action === "pause") return upload.pause();
    if (action === "resume") return upload.resume();
    if (this.#busy) await this.#pending; // the room may report the end of a cancel before the cancel is answered
    if (this.#busy || !actionsOf(upload).has(action)) return;
    if (action === "delete") return void this.dispatchEvent(new Event("delete"));
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
      if (!this.settled || action !== "cancel") this.#actionError = this.#locale.error({ code, message });
    } finally {
      this.#busy = "";
      this.render();
    }
  }

  /** Send the file again, if it has the expected size. @param {File} file */
  #sendAgain(file) {
    const expected = this.upload?.state?.bytesExpected;
    const wrong = expected && file.size !== expected;
    this.#wrongFile = wrong ? this.#locale.wrongFile(expected) : "";
    if (wrong) this.render();
    else void this.upload?.send(file);
  }

  #build() {
    const element = instantiate(CARD_MARKUP);
    const id = `upload-${(cards += 1)}`;
    byClass(element, "name").id = id;
    element.setAttribute("aria-labelledby", id);
    element.querySelector(".bar")?.setAttribute("aria-labelledby", id);
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll(".button"))) {
      button.setAttribute("aria-describedby", id);
      button.innerHTML = iconMarkup(ICONS[/** @type {Action | undefined} */ (button.dataset.action) ?? "copy"]);
    }
    element.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      const action = button?.dataset.action;
      if (action === "show") this.#toggleResult();
      else if (action === "watch") this.#watch();
      else if (action) void this.#perform(/** @type {Action} */ (action));
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

  #toggleResult() {
    this.#resultChosen = !this.#isOpen;
    if (this.#film) this.#closeFilm();
    else this.render();
  }

  #watch() {
    this.#filmChosen = true;
    this.render();
  }

  #buttons() {
    return /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll("[data-action]")]);
  }
}
