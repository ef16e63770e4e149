/** The page's memory: its uploads are found again after a reload, and hidden or started over in every tab at once. */

import { ENGLISH } from "./list-words.js";
import * as remembered from "./remembered.js";
import { hasEnded } from "./upload-face.js";

/** @typedef {import("./remembered.js").Entry} Entry */
/** @typedef {import("./roomcast.js").Roomcast} Roomcast */
/** @typedef {import("./roomcast.js").Upload} Upload */

const GONE = new Set(["NOT_FOUND", "FORBIDDEN", "MALFORMED"]);

/** Events: `change` when there are more or fewer `hidden` uploads, or `lost` ones. */
export class Recall extends EventTarget {
  /** How many are remembered and not shown. */
  get hidden() {
    return this.#hidden.size;
  }

  /** How many the server knows no more. */
  lost = 0;

  /** @type {Set<string>} */ #hidden = new Set();
  /** @type {WeakMap<Upload, string>} */ #marks = new WeakMap();
  #roomcast;

  /** @param {Roomcast} roomcast */
  constructor(roomcast) {
    super();
    this.#roomcast = roomcast;
    roomcast.addEventListener("change", () => this.#look());
    remembered.onElsewhere((uploadId, entry) => this.#changedElsewhere(uploadId, entry));
    for (const [uploadId, entry] of remembered.all()) {
      if (entry.hidden) this.#hidden.add(uploadId);
      else this.#watch(uploadId, entry);
    }
  }

  /** What an upload was called when it was last seen here. @param {Upload} upload @returns {string} */
  filename = (upload) => {
    const told = upload.file ?? upload.state;
    const entry = told ? undefined : remembered.all().find(([uploadId]) => uploadId === upload.id);
    return entry?.[1].filename ?? ENGLISH.filename(upload);
  };

  /** @param {Upload} upload */
  hide(upload) {
    if (upload.id) {
      this.#hidden.add(upload.id);
      remembered.remember(upload.id, { hidden: true });
    }
    void upload.leave();
    this.dispatchEvent(new Event("change"));
  }

  showHidden() {
    for (const uploadId of this.#hidden) {
      remembered.remember(uploadId, { hidden: false });
      this.#roomcast.watch(uploadId);
    }
    this.#hidden.clear();
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} uploadId @param {Entry} entry */
  #watch(uploadId, { seq, epoch }) {
    this.#roomcast.watch(uploadId, { since: seq, epoch });
  }

  #look() {
    for (const upload of this.#roomcast.uploads) {
      if (upload.error && GONE.has(upload.error.code)) this.#lose(upload);
      else if (upload.id) this.#remember(upload, upload.id);
    }
  }

  /** @param {Upload} upload @param {string} uploadId */
  #remember(upload, uploadId) {
    const { since: seq, epoch } = upload.position;
    const mark = `${epoch} ${seq}`;
    if (this.#marks.get(upload) === mark) return; // a tick is nothing to remember
    this.#marks.set(upload, mark);
    const filename = this.filename(upload);
    remembered.remember(uploadId, { filename, finished: hasEnded(upload), seq, epoch });
  }

  /** The server knows it no more: it goes quietly. @param {Upload} upload */
  #lose(upload) {
    remembered.forget(upload.id ?? "");
    this.lost += 1;
    void upload.leave();
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} uploadId @param {Entry | null} entry */
  #changedElsewhere(uploadId, entry) {
    const upload = this.#roomcast.uploads.find(({ id }) => id === uploadId);
    if (entry?.hidden) this.#hidden.add(uploadId);
    else this.#hidden.delete(uploadId);
    if (upload && (!entry || entry.hidden)) void upload.leave();
    else if (!upload && entry && !entry.hidden) this.#watch(uploadId, entry);
    // Started over in another tab after its room had closed here: only asking tells.
    else if (upload && hasEnded(upload) && (entry?.seq ?? 0) > (upload.position.since ?? 0)) void upload.rejoin();
    this.dispatchEvent(new Event("change"));
  }
}
