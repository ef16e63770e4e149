/** The element `<upload-progress-list>`; see `upload-progress-list.js` in the parent folder. */

import { DelayedAction } from "../rows/delayed-action.js";
import { inOrder, visibleRows } from "../rows/row-order.js";
import { placeRows } from "../rows/row-placement.js";
import { setHidden, setText } from "../shared/dom.js";
import { Batch } from "./batch.js";
import { SharedConnections, defineElement } from "./connected-element.js";
import { ListOptions } from "./list-options.js";
import { LIST_MARKUP } from "./markup.js";
import { summaryOf } from "../client/summary.js";
import { UploadCard } from "./upload-card.js";
import { isSettled, outcomeOf } from "./upload-view-model.js";

/** @typedef {import("../client/aggregate.js").Aggregate} Aggregate */
/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */

const COMPACT_FROM = 6; // rows
const LONG_FROM = 50; // rows, whose rendering takes so long that it is done for the changes of some time together
const LONG_INTERVAL_MS = 200;
const CONNECTION_EVENTS = ["uploadadded", "uploadremoved", "change", "statechange"];

/** The connections of all lists and drop zones of the page that were given none. */
export const connections = new SharedConnections();

export class UploadProgressList extends ListOptions {
  /** The connection whose uploads are shown, while the element is in a document. @type {Roomcast | null} */
  #connection = null;
  /** By upload, or by file for rejected files. @type {Map<object, UploadCard>} */ #cards = new Map();
  /** The rows in the order in which they are shown. @type {UploadCard[]} */ #rows = [];
  /** The uploads that are about to be deleted; their rows are hidden. @type {Set<object>} */ #deleting = new Set();
  /** The uploads that are about to be cancelled. @type {Set<Upload>} */ #cancelling = new Set();
  #delayed = new DelayedAction(() => this.render());
  /** Settled uploads whose rows were dismissed or hidden. @type {WeakSet<Upload>} */ #dismissed = new WeakSet();
  /** @type {WeakMap<Upload, ReturnType<typeof setTimeout>>} */ #hideTimers = new WeakMap();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #closeTimer;
  #batch = new Batch((upload) => this.#cards.get(upload)?.progress);
  #wasActive = false;
  #closed = false;
  #collapsed = false;
  #showsAllRows = false;
  #updateQueued = false;
  #updatedAt = -Infinity;
  /** The element that had the focus before it moved here. @type {EventTarget | null} */ #previousFocus = null;
  #internals = this.attachInternals();

  constructor() {
    super({ markup: LIST_MARKUP, properties: ["maxItems", "mode", "autoClose", "autoHide"], connections });
    this.#listen();
  }

  /** The combined progress of the uploads that are active together. @returns {Aggregate} */
  get aggregate() {
    return this.#batch.aggregate;
  }

  /** How many files were refused together with the uploads of `aggregate`. */
  get refused() {
    return this.#batch.refused;
  }

  /** Show a file that is not uploaded, and the reason. @param {File} file @param {string} reason */
  refuse(file, reason) {
    const rejected = { filename: file.name, reason };
    this.#batch.refuse();
    this.#queueUpdate(); // after the other files of the same choice
    this.#add(file, new UploadCard({ upload: null, locale: this.locale, rejected }));
    this.announce(file, this.locale.rejected(file.name, reason));
    this.render();
  }

  /** Open the dialog again. */
  show() {
    this.#closed = false;
    this.render();
  }

  /** Close the dialog. The uploads continue. */
  close() {
    if (this.#closed) return;
    const hadFocus = this.root.activeElement !== null;
    this.#closed = true;
    this.render();
    if (hadFocus && this.#previousFocus instanceof HTMLElement) this.#previousFocus.focus();
    if (this.#batch.aggregate.active) this.announce(this, this.locale.uploadsContinue);
    this.emit("close");
  }

  /** Cancel all uploads that can be cancelled. */
  cancelAll() {
    for (const card of this.#cardsThatCan("cancel")) card.perform("cancel");
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    if (name === "server" && !this.hasAssignedConnection) this.attach();
    for (const card of this.#cards.values()) {
      if (name === "results") void this.showResult(card);
      this.#scheduleHide(card);
    }
    this.render();
  }

  // --- the connection ---------------------------------------------------------------------------------------------

  /** @protected */
  attach() {
    this.detach();
    addEventListener("pagehide", this.#performDelayed);
    this.#connection = this.existingConnection;
    if (!this.#connection) return void connections.waiting.add(this.#attach);
    for (const name of CONNECTION_EVENTS) this.#connection.addEventListener(name, this.#queueUpdate);
    this.#update(this.#connection.uploads);
  }

  /** @protected */
  detach() {
    super.detach();
    queueMicrotask(() => this.isConnected || this.#delayed.performNow()); // moving it removes and adds it
    removeEventListener("pagehide", this.#performDelayed);
    for (const name of CONNECTION_EVENTS) this.#connection?.removeEventListener(name, this.#queueUpdate);
    this.#connection = null;
    connections.waiting.delete(this.#attach);
    clearTimeout(this.#closeTimer);
    for (const [upload, card] of this.#cards) {
      clearTimeout(this.#hideTimers.get(/** @type {Upload} */ (upload)));
      if (card.upload) this.#cards.delete(upload);
      if (card.upload) card.stop();
    }
  }

  #attach = () => this.attach();

  #performDelayed = () => this.#delayed.performNow();

  /** @protected */
  localize() {
    for (const card of this.#cards.values()) card.locale = this.locale;
    this.render();
  }

  /** @protected */
  summary() {
    return this.locale.rowSummary(summaryOf(this.#shownCards.map(({ summaryRow }) => summaryRow)));
  }

  /** Update once for all changes in the current task; a long list, for all changes until its time has come. */
  #queueUpdate = () => {
    if (this.#updateQueued) return;
    this.#updateQueued = true;
    const update = () => {
      this.#updateQueued = false;
      if (this.#connection) this.#update(this.#connection.uploads);
      this.#updatedAt = performance.now();
    };
    const delay = this.#cards.size < LONG_FROM ? 0 : this.#updatedAt + LONG_INTERVAL_MS - performance.now();
    if (delay > 0) setTimeout(update, delay);
    else queueMicrotask(update);
  };

  /** Show the uploads, but those that were deleted. @param {readonly Upload[]} watched */
  #update(watched) {
    const uploads = watched.filter((upload) => outcomeOf(upload) !== "deleted");
    for (const [upload, card] of this.#cards) {
      if (card.upload && !uploads.includes(card.upload)) this.#remove(upload);
    }
    for (const upload of uploads) {
      if (this.#dismissed.has(upload) && !isSettled(upload)) this.#dismissed.delete(upload); // it was retried
      if (!this.#cards.has(upload) && !this.#dismissed.has(upload)) this.#addUpload(upload);
    }
    this.#batch.update(uploads);
    this.#checkCompletion();
    this.render();
  }

  #checkCompletion() {
    const { aggregate } = this.#batch;
    const { active, total, completed } = aggregate;
    if (active) clearTimeout(this.#closeTimer);
    if (this.#wasActive && !active && total > 0) {
      if (completed === total) this.emit("all-completed", aggregate);
      this.#scheduleClose();
    }
    this.#wasActive = active > 0;
  }

  // --- rows -------------------------------------------------------------------------------------------------------

  /** @param {Upload} upload */
  #addUpload(upload) {
    const card = new UploadCard({ upload, locale: this.locale, deletable: true });
    card.addEventListener("announce", () => this.#statusChanged(card, upload));
    card.addEventListener("change", () => {
      this.#scheduleHide(card);
      void this.showResult(card);
      this.#queueUpdate();
    });
    card.addEventListener("delete", () => this.#deleteLater(upload, card.filename));
    if (upload.file || !isSettled(upload)) this.#closed = false;
    card.scheduled = this.#cancelling.has(upload);
    this.#add(upload, card);
    this.#scheduleHide(card);
  }

  /** @param {object} key   An upload, or a rejected file. @param {UploadCard} card */
  #add(key, card) {
    this.#cards.set(key, card);
    void this.showResult(card);
    card.addEventListener("dismiss", () => this.#dismiss(key));
  }

  /** @param {UploadCard} card @param {Upload} upload */
  #statusChanged(card, upload) {
    const outcome = outcomeOf(upload);
    if (card.announcement) this.announce(upload, card.announcement);
    if (outcome === "error") this.#closed = false;
    if (outcome === "deleted" && this.#connection) this.#update(this.#connection.uploads);
    if (outcome) this.emit(`upload-${outcome}`, upload);
  }

  /** @param {UploadCard} card */
  #scheduleHide(card) {
    const { upload } = card;
    if (!upload) return;
    const delay = this.autoHide;
    const due = delay !== null && card.view.tone === "done";
    const timer = this.#hideTimers.get(upload);
    if (due && timer === undefined) this.#hideTimers.set(upload, setTimeout(() => this.#hide(card, upload), delay));
    if (due) return;
    clearTimeout(timer);
    this.#hideTimers.delete(upload);
  }

  /** @param {UploadCard} card @param {Upload} upload */
  #hide(card, upload) {
    this.#hideTimers.delete(upload);
    if (card.inUse) return this.#scheduleHide(card);
    this.#dismissed.add(upload);
    this.#remove(upload);
    this.render();
  }

  /** @param {object} key   An upload, or a rejected file. */
  #dismiss(key) {
    const upload = this.#cards.get(key)?.upload;
    if (upload) this.#dismissed.add(upload);
    this.#remove(key);
    this.render();
    this.#scheduleClose();
    if (upload) this.emit("upload-dismissed", upload);
  }

  #dismissSettled() {
    for (const [key, card] of [...this.#cards]) if (card.settled && !this.#deleting.has(key)) this.#dismiss(key);
  }

  // --- actions for several rows, and those that can be undone -----------------------------------------------------

  /** @param {import("./upload-view-model.js").Action} action */
  #cardsThatCan(action) {
    return [...this.#cards.values()].filter((card) => card.actions.has(action));
  }

  #togglePause() {
    const pausable = this.#cardsThatCan("pause");
    if (pausable.length) for (const card of pausable) card.perform("pause");
    else for (const card of this.#cardsThatCan("resume")) card.perform("resume");
  }

  #failedCards() {
    return this.#cardsThatCan("retry").filter(({ view }) => view.tone === "failed");
  }

  /** Cancel all uploads after the time to undo it. */
  #cancelAllLater() {
    const uploads = /** @type {Upload[]} */ (this.#cardsThatCan("cancel").map(({ upload }) => upload));
    const schedule = (/** @type {boolean} */ scheduled) => {
      this.#cancelling = new Set(scheduled ? uploads : []);
      for (const upload of uploads) {
        const card = this.#cards.get(upload);
        if (card) card.scheduled = scheduled;
      }
    };
    const perform = () => {
      schedule(false);
      for (const upload of uploads) this.#finish(upload, "cancel");
    };
    const text = this.locale.cancellingSoon(uploads.length);
    this.#startDelayed({ text, perform, undo: () => schedule(false) }, () => schedule(true));
  }

  /** Perform what could be undone until now; the list may have been removed meanwhile.
   * @param {Upload} upload @param {"cancel" | "delete"} action */
  #finish(upload, action) {
    const card = this.#cards.get(upload);
    if (card && action === "delete") card.delete();
    else if (card) card.perform("cancel");
    else if (action === "delete" || !isSettled(upload)) void upload[action]().catch(() => {});
  }

  /** @param {Upload} upload @param {string} filename */
  #deleteLater(upload, filename) {
    const start = () => this.#deleting.add(upload);
    const perform = () => {
      this.#deleting.delete(upload);
      this.#finish(upload, "delete");
    };
    const undo = () => {
      this.#deleting.delete(upload);
      this.render();
      this.#cards.get(upload)?.focus();
    };
    this.#startDelayed({ text: this.locale.deletingSoon(filename), perform, undo }, start);
  }

  /** @param {import("../rows/delayed-action.js").Action} action @param {() => void} [prepare] */
  #startDelayed(action, prepare) {
    const hadFocus = this.root.activeElement !== null;
    this.#delayed.performNow();
    prepare?.();
    this.#delayed.start(action);
    this.announce(this.#delayed, action.text);
    if (hadFocus) this.child("undo").focus({ preventScroll: true });
  }

  /** @param {object} key */
  #remove(key) {
    const card = this.#cards.get(key);
    const hadFocus = card?.element.contains(this.root.activeElement);
    this.#cards.delete(key);
    card?.stop();
    const next = this.#rows.find((row) => row !== card && !row.element.hidden);
    if (hadFocus) (next ?? this.child("heading")).focus();
  }

  // --- rendering --------------------------------------------------------------------------------------------------

  /** @protected */
  render() {
    const shown = this.#shownCards;
    const dialog = this.mode === "dialog";
    const { locale } = this;
    const aggregate = this.#batch.aggregate;
    this.#renderFrame(this.#cards.size > 0, dialog);
    const stale = this.isStale(this.#connection);
    this.#renderTitle(aggregate, shown, dialog, stale);
    this.child("cards").classList.toggle("stale", stale);
    const bar = this.child("overall");
    setHidden(bar, aggregate.active === 0);
    bar.setAttribute("aria-label", locale.overallProgress);
    bar.setAttribute("aria-valuenow", String(Math.floor(aggregate.progress)));
    bar.setAttribute("aria-valuetext", this.child("count").textContent ?? "");
    this.child("overall-fill").style.setProperty("--progress", String(aggregate.progress));
    this.#renderBatchActions(shown, dialog);
    this.#renderButton("collapse", this.#collapsed ? locale.expand : locale.collapse, dialog);
    this.child("collapse").setAttribute("aria-expanded", String(!this.#collapsed));
    this.#renderButton("close", locale.close, dialog);
    this.#renderRows(shown, dialog);
    this.#renderUndo();
  }

  /** The rows but those that are about to be deleted, in the order in which they were added. */
  get #shownCards() {
    return [...this.#cards].filter(([key]) => !this.#deleting.has(key)).map(([, card]) => card);
  }

  /** @param {UploadCard[]} cards @param {boolean} dialog */
  #renderBatchActions(cards, dialog) {
    const { locale } = this;
    const pausable = this.#cardsThatCan("pause").length;
    const pausing = pausable + this.#cardsThatCan("resume").length;
    this.#renderButton("pause-all", pausable ? locale.pauseAll : locale.resumeAll, pausing > 1);
    this.#renderButton("retry-failed", locale.retryFailed, this.#failedCards().length > 1);
    this.#renderButton("cancel-all", locale.cancelAll, this.#cardsThatCan("cancel").length > 1);
    this.#renderButton("hide-finished", locale.hideFinished, !dialog && cards.some(({ settled }) => settled));
  }

  #renderUndo() {
    const { current } = this.#delayed;
    const hadFocus = this.root.activeElement === this.child("undo");
    const notice = this.child("undo-notice");
    const time = /** @type {HTMLElement} */ (notice.lastElementChild);
    if (current && current.text !== this.child("undo-text").textContent) time.replaceWith(time.cloneNode()); // starts again
    setHidden(notice, current === null);
    setText(this.child("undo-text"), current?.text ?? "");
    setText(/** @type {HTMLElement} */ (this.child("undo").firstElementChild), this.locale.undo);
    if (hadFocus && !current) (this.#rows.find(({ element }) => !element.hidden) ?? this.child("heading")).focus();
  }

  /** @param {boolean} filled @param {boolean} dialog */
  #renderFrame(filled, dialog) {
    this.#internals.states[filled ? "add" : "delete"]("filled");
    const panel = this.child("panel");
    setHidden(panel, !filled || (dialog && this.#closed));
    panel.setAttribute("role", dialog ? "dialog" : "region");
    setHidden(this.child("body"), dialog && this.#collapsed);
  }

  /** @param {Aggregate} aggregate @param {UploadCard[]} cards @param {boolean} dialog @param {boolean} stale */
  #renderTitle(aggregate, cards, dialog, stale) {
    const { locale } = this;
    const summary = summaryOf(cards.map(({ summaryRow }) => summaryRow));
    const { total, active, counts } = summary;
    const counted = { ...aggregate, total, active, completed: counts.done, failed: counts.failed, cancelled: counts.cancelled };
    setText(this.child("heading"), dialog ? locale.dialogTitle(counted) : locale.heading);
    const progress = dialog ? locale.dialogProgress(aggregate) : locale.format.percent(aggregate.progress);
    const text = active ? [locale.rowSummary(summary), progress].join(" · ") : locale.rowSummary(summary);
    setText(this.child("count"), stale && active ? locale.reconnecting : text);
  }

  /** @param {UploadCard[]} cards @param {boolean} dialog */
  #renderRows(cards, dialog) {
    this.#rows = inOrder(cards, this.#rows);
    const visible = visibleRows(this.#rows, this.#showsAllRows ? null : this.maxItems);
    for (const card of this.#cards.values()) {
      setHidden(card.element, !visible.has(card));
      card.opensResult = !dialog && this.#cards.size === 1;
    }
    this.child("cards").classList.toggle("compact", dialog || visible.size >= COMPACT_FROM);
    this.child("cards").classList.toggle("long", visible.size >= LONG_FROM);
    this.child("cards").classList.toggle("single", this.#cards.size === 1);
    const others = [...this.#cards.values()].filter((card) => !this.#rows.includes(card)); // about to be deleted
    placeRows(this.child("cards"), [...this.#rows, ...others].map(({ element }) => element));
    const hidden = this.maxItems === null ? 0 : Math.max(0, cards.length - this.maxItems);
    const { showFewer, showMore } = this.locale;
    this.#renderButton("more", this.#showsAllRows ? showFewer : showMore(hidden), hidden > 0);
    this.child("more").setAttribute("aria-expanded", String(this.#showsAllRows));
  }

  /** @param {string} id @param {string} text @param {boolean} shown */
  #renderButton(id, text, shown) {
    const button = this.child(id);
    setText(/** @type {HTMLElement} */ (button.lastElementChild), text);
    button.title = text;
    const hadFocus = this.root.activeElement === button;
    setHidden(button, !shown);
    if (hadFocus && !shown) this.child("heading").focus();
  }

  // --- input ------------------------------------------------------------------------------------------------------

  #listen() {
    const onClick = (/** @type {string} */ id, /** @type {() => void} */ action) => {
      this.child(id).addEventListener("click", action);
    };
    onClick("pause-all", () => this.#togglePause());
    onClick("retry-failed", () => {
      for (const card of this.#failedCards()) card.perform("retry");
    });
    onClick("cancel-all", () => this.#cancelAllLater());
    onClick("undo", () => this.#delayed.undo());
    this.child("undo-notice").addEventListener("pointerenter", () => this.#delayed.pause());
    this.child("undo-notice").addEventListener("pointerleave", () => this.#delayed.resume());
    for (const event of ["focusout", "pointerleave"]) this.child("cards").addEventListener(event, this.#queueUpdate);
    onClick("hide-finished", () => this.#dismissSettled());
    onClick("close", () => this.close());
    onClick("collapse", () => {
      this.#collapsed = !this.#collapsed;
      this.render();
    });
    onClick("more", () => {
      this.#showsAllRows = !this.#showsAllRows;
      this.render();
    });
    const panel = this.child("panel");
    panel.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && this.mode === "dialog") this.close();
    });
    this.addEventListener("focusin", ({ relatedTarget }) => {
      if (relatedTarget !== this) this.#previousFocus = relatedTarget;
    });
    for (const event of ["focusout", "pointerleave"]) panel.addEventListener(event, () => this.#scheduleClose());
  }

  /** Close the dialog after a delay, unless it is in use or shows an active or failed upload by then. */
  #scheduleClose() {
    clearTimeout(this.#closeTimer);
    const delay = this.autoClose;
    if (delay === null || this.mode !== "dialog" || this.#closed) return;
    this.#closeTimer = setTimeout(() => {
      const inUse = this.child("panel").matches(":hover, :focus-within");
      const open = [...this.#cards.values()].some(({ settled, view }) => !settled || view.tone === "failed");
      if (!inUse && !open && !this.#batch.aggregate.active) this.close();
    }, delay);
  }
}

defineElement("upload-progress-list", UploadProgressList);
