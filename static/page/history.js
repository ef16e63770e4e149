/** The page's upload history: uploads are shown again after a reload, and hidden or retried in all tabs at once. */

import { isSettled } from "../elements/upload-view-model.js";
import * as store from "./history-store.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("./history-store.js").HistoryEntry} HistoryEntry */

const GONE = new Set(["NOT_FOUND", "DELETED", "FORBIDDEN", "MALFORMED"]);

/** Events: `change` when `hiddenCount` or `goneCount` has changed. */
export class UploadHistory extends EventTarget {
  /** The number of hidden uploads. */
  get hiddenCount() {
    return this.#hidden.size;
  }

  /** The number of uploads that the server no longer has. */
  goneCount = 0;

  /** @type {Set<string>} */ #hidden = new Set();
  /** The stored names, by the uploads' ids. @type {Map<string, string>} */ #filenames = new Map();
  /** The stored position of each upload. @type {WeakMap<Upload, string>} */ #stored = new WeakMap();
  #roomcast;
  #locale;

  /** @param {Roomcast} roomcast @param {() => Locale} locale   Returns the texts of the page. */
  constructor(roomcast, locale) {
    super();
    this.#locale = locale;
    this.#roomcast = roomcast;
    roomcast.addEventListener("change", () => this.#update());
    store.onChangeElsewhere((uploadId, entry) => this.#changedElsewhere(uploadId, entry));
    for (const [uploadId, entry] of store.allEntries()) {
      this.#filenames.set(uploadId, entry.filename);
      if (entry.hidden) this.#hidden.add(uploadId);
      else this.#watch(uploadId, entry);
    }
  }

  /** Return an upload's filename: the current one, else the stored one. @param {Upload} upload @returns {string} */
  filename = (upload) => {
    const stored = upload.file || upload.state ? undefined : this.#filenames.get(upload.id ?? "");
    return stored ?? this.#locale().filename(upload);
  };

  /** @param {Upload} upload */
  hide(upload) {
    if (upload.id) {
      this.#hidden.add(upload.id);
      store.updateEntry(upload.id, { hidden: true });
    }
    void upload.leave();
    this.dispatchEvent(new Event("change"));
  }

  showHidden() {
    for (const uploadId of this.#hidden) {
      store.updateEntry(uploadId, { hidden: false });
      this.#roomcast.watch(uploadId);
    }
    this.#hidden.clear();
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} uploadId @param {HistoryEntry} entry */
  #watch(uploadId, { seq, epoch, addedAt }) {
    this.#roomcast.watch(uploadId, { since: seq, epoch, addedAt });
  }

  #update() {
    for (const upload of this.#roomcast.uploads) {
      if (upload.state?.stage === "deleted") this.#forget(upload);
      else if (upload.error && GONE.has(upload.error.code)) this.#remove(upload);
      else if (upload.id) this.#store(upload, upload.id);
    }
  }

  /** @param {Upload} upload @param {string} uploadId */
  #store(upload, uploadId) {
    const { since: seq, epoch } = upload.position;
    const position = `${epoch} ${seq}`;
    if (this.#stored.get(upload) === position) return; // a tick does not change the position
    this.#stored.set(upload, position);
    const filename = this.filename(upload);
    store.updateEntry(uploadId, { filename, finished: isSettled(upload), seq, epoch, addedAt: upload.addedAt });
  }

  /** Remove an upload that the server no longer has. @param {Upload} upload */
  #remove(upload) {
    this.goneCount += 1;
    this.#forget(upload);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Upload} upload */
  #forget(upload) {
    store.removeEntry(upload.id ?? "");
    void upload.leave();
  }

  /** @param {string} uploadId @param {HistoryEntry | null} entry */
  #changedElsewhere(uploadId, entry) {
    if (entry) this.#filenames.set(uploadId, entry.filename);
    const upload = this.#roomcast.uploads.find(({ id }) => id === uploadId);
    if (entry?.hidden) this.#hidden.add(uploadId);
    else this.#hidden.delete(uploadId);
    if (upload && (!entry || entry.hidden)) void upload.leave();
    else if (!upload && entry && !entry.hidden) this.#watch(uploadId, entry);
    // Another tab has retried the upload. Its room was closed, so this tab has to join it again.
    else if (upload && isSettled(upload) && (entry?.seq ?? 0) > (upload.position.since ?? 0)) void upload.rejoin();
    this.dispatchEvent(new Event("change"));
  }
}
