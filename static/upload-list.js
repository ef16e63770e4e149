/** The uploads on the page: newest first, remembered across reloads, in step with other tabs, and their batch's bar. */

import { setHidden, setText, byId } from "./dom.js";
import * as remembered from "./remembered.js";
import { UploadCard } from "./upload-card.js";

/** @typedef {import("./roomcast.js").Roomcast} Roomcast */
/** @typedef {import("./roomcast.js").Upload} Upload */
/** @typedef {import("./remembered.js").Entry} Entry */

const GONE = new Set(["NOT_FOUND", "FORBIDDEN", "MALFORMED"]);

export class UploadList {
  /** @type {Set<UploadCard>} */ #cards = new Set();
  /** The uploads that are on their way together. @type {Set<UploadCard>} */ #batch = new Set();
  /** @type {Set<string>} */ #hidden = new Set();
  /** @type {WeakMap<UploadCard, string>} */ #marks = new WeakMap();
  #gone = 0;
  #roomcast;
  #announce;

  /** @param {Roomcast} roomcast @param {(about: object, words: string) => void} announce */
  constructor(roomcast, announce) {
    this.#roomcast = roomcast;
    this.#announce = announce;
    byId("hide-finished").addEventListener("click", () => this.#hideFinished());
    byId("show-hidden").addEventListener("click", () => this.#showHidden());
    remembered.onElsewhere((uploadId, entry) => this.#changedElsewhere(uploadId, entry));
    for (const [uploadId, entry] of remembered.all()) this.#restore(uploadId, entry);
    this.#summarise();
  }

  /** Whether bytes have yet to leave this page. */
  get sending() {
    return [...this.#cards].some(({ upload }) => upload && upload.sending !== "no");
  }

  /** Send a file. @param {File} file @param {string} [type] */
  send(file, type) {
    const upload = this.#roomcast.upload(file, { type });
    this.#add(new UploadCard({ upload, filename: file.name, announce: this.#announce }));
  }

  /** Show why a file is not sent. @param {File} file @param {string} refusal */
  refuse(file, refusal) {
    this.#add(new UploadCard({ upload: null, filename: file.name, refusal, announce: this.#announce }));
    this.#announce(file, `${file.name}: not sent. ${refusal}`);
  }

  /** Ask again about everything that the server would not tell this viewer. */
  admit() {
    for (const { upload } of this.#cards) {
      if (upload?.error?.code === "UNAUTHENTICATED") void (upload.id ? upload.refresh() : upload.retry());
    }
  }

  /** Ask again for what came out: the links to it expire. */
  renewLinks() {
    for (const { upload } of this.#cards) {
      if (upload?.state?.status === "completed") void upload.refresh();
    }
  }

  /** @param {string} uploadId @param {Entry} entry */
  #restore(uploadId, entry) {
    if (entry.hidden) return void this.#hidden.add(uploadId);
    const upload = this.#roomcast.watch(uploadId, { since: entry.seq, epoch: entry.epoch });
    this.#add(
      new UploadCard({ upload, filename: entry.filename, finished: entry.finished, announce: this.#announce }),
    );
  }

  /** @param {UploadCard} card */
  #add(card) {
    if ([...this.#batch].every(({ finished }) => finished)) this.#batch.clear();
    if (!card.finished) this.#batch.add(card);
    this.#cards.add(card);
    byId("cards").prepend(card.element);
    card.addEventListener("change", () => this.#changed(card));
    card.addEventListener("dismiss", () => this.#remove(card, true));
    this.#changed(card);
  }

  /** @param {UploadCard} card */
  #changed(card) {
    const { upload } = card;
    if (!this.#cards.has(card)) return;
    if (upload?.error && GONE.has(upload.error.code)) return this.#vanish(card);
    if (upload?.id) this.#remember(card, upload);
    if (!card.finished) this.#batch.add(card); // started over
    this.#summarise();
  }

  /** @param {UploadCard} card @param {Upload} upload */
  #remember(card, upload) {
    const { since: seq, epoch } = upload.position;
    const mark = `${epoch} ${seq}`;
    if (this.#marks.get(card) === mark) return; // a tick is nothing to remember
    this.#marks.set(card, mark);
    const { filename, finished } = card;
    remembered.remember(/** @type {string} */ (upload.id), { filename, finished, seq, epoch });
  }

  /** The server knows it no more: it goes quietly. @param {UploadCard} card */
  #vanish(card) {
    remembered.forget(card.upload?.id ?? "");
    this.#remove(card, false);
    this.#gone += 1;
    const which = this.#gone === 1 ? "An earlier upload is" : `${this.#gone} earlier uploads are`;
    setText(byId("note"), `${which} no longer kept by the server.`);
  }

  /** @param {UploadCard} card @param {boolean} keepFocus */
  #remove(card, keepFocus) {
    this.#cards.delete(card);
    this.#batch.delete(card);
    void card.upload?.leave();
    if (card.upload?.id === null) void card.upload.cancel();
    card.element.remove();
    this.#summarise();
    if (keepFocus) this.#focus();
  }

  #hideFinished() {
    for (const card of [...this.#cards].filter(({ finished }) => finished)) {
      const uploadId = card.upload?.id;
      if (uploadId) {
        this.#hidden.add(uploadId);
        remembered.remember(uploadId, { hidden: true });
      }
      this.#remove(card, false);
    }
    this.#focus();
  }

  #showHidden() {
    this.#hidden.clear();
    for (const [uploadId, entry] of remembered.all()) {
      if (!entry.hidden) continue;
      remembered.remember(uploadId, { hidden: false });
      this.#restore(uploadId, { ...entry, hidden: false, seq: undefined, epoch: undefined });
    }
    this.#summarise();
    byId("uploads-heading").focus();
  }

  /** @param {string} uploadId @param {Entry | null} entry */
  #changedElsewhere(uploadId, entry) {
    const card = [...this.#cards].find(({ upload }) => upload?.id === uploadId);
    if (entry?.hidden) this.#hidden.add(uploadId);
    else this.#hidden.delete(uploadId);
    if (card && (!entry || entry.hidden)) this.#remove(card, false);
    else if (!card && entry && !entry.hidden) this.#restore(uploadId, entry);
    // Started over in another tab after its room had closed here: only asking tells.
    else if (card?.finished && (entry?.seq ?? 0) > (card.upload?.position.since ?? 0)) void card.upload?.rejoin();
    this.#summarise();
  }

  #focus() {
    const heading = byId("uploads-heading");
    (byId("uploads").hidden ? byId("files") : heading).focus();
  }

  #summarise() {
    const batch = [...this.#batch];
    const finished = batch.filter((card) => card.finished).length;
    const total = batch.reduce((sum, card) => sum + (card.finished ? 100 : card.progress), 0);
    const percent = batch.length ? Math.floor(total / batch.length) : 0;
    const going = finished < batch.length;
    setHidden(byId("uploads"), this.#cards.size + this.#hidden.size === 0);
    setHidden(byId("batch-bar"), !going);
    const failed = batch.filter((card) => card.failed).length;
    setText(byId("batch-count"), countWords(batch.length, finished, failed, percent));
    byId("batch-bar").setAttribute("aria-valuenow", String(percent));
    byId("batch-bar").setAttribute("aria-valuetext", `${percent}%, ${finished} of ${batch.length} finished`);
    /** @type {HTMLElement} */ (byId("batch-bar").firstElementChild).style.width = `${percent}%`;
    setHidden(byId("hide-finished"), ![...this.#cards].some((card) => card.finished));
    setHidden(byId("show-hidden"), this.#hidden.size === 0);
    setText(byId("show-hidden"), `Show ${this.#hidden.size} hidden`);
    const title = going ? `${percent}% · Roomcast` : "Roomcast";
    if (document.title !== title) document.title = title;
  }
}

/** @param {number} all @param {number} finished @param {number} failed @param {number} percent */
function countWords(all, finished, failed, percent) {
  if (all === 0) return "";
  if (finished < all) return `${finished} of ${all} finished, ${percent}%`;
  if (all === 1) return failed ? "Failed" : "Finished";
  return `All ${all} finished${failed ? `, ${failed} failed` : ""}`;
}
