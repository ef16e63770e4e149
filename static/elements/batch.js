import { aggregateOf } from "../client/aggregate.js";
import { isSettled } from "./upload-view-model.js";

/** @typedef {import("../client/upload.js").Upload} Upload */

/** The uploads that the overall progress bar covers: those that were active together. Earlier ones are left out. */
export class Batch {
  /** @type {Set<Upload>} */ #uploads = new Set();
  /** Files that were refused while the batch was active, or just before it. */ #refused = 0;
  /** Of these, those since the last update, which belong to a batch that begins with the next one. */ #refusedLast = 0;
  #lastProgress = 0;
  #progressOf;

  /** @param {(upload: Upload) => number | undefined} progressOf   Returns the progress that an upload's row shows. */
  constructor(progressOf) {
    this.#progressOf = progressOf;
  }

  /** Add active uploads, and remove those that are gone. @param {readonly Upload[]} uploads   All current uploads. */
  update(uploads) {
    const joining = uploads.filter((upload) => !this.#uploads.has(upload) && isActive(upload));
    if (joining.length && [...this.#uploads].every(isSettled)) {
      this.#uploads.clear();
      this.#refused = this.#refusedLast;
    }
    this.#refusedLast = 0;
    const leaving = [...this.#uploads].filter((upload) => !uploads.includes(upload) && !isSettled(upload));
    for (const upload of joining) this.#uploads.add(upload);
    for (const upload of leaving) this.#uploads.delete(upload);
    if (joining.length || leaving.length) this.#lastProgress = 0;
  }

  /** Count a file that was refused. */
  refuse() {
    this.#refused += 1;
    this.#refusedLast += 1;
  }

  /** How many files were refused together with these uploads. */
  get refused() {
    return this.#refused;
  }

  /** The combined state of the batch. */
  get aggregate() {
    const aggregate = aggregateOf([...this.#uploads].map((upload) => this.#asShown(upload)), this.#lastProgress);
    this.#lastProgress = aggregate.active ? aggregate.progress : 0;
    return aggregate;
  }

  /** @param {Upload} upload */
  #asShown(upload) {
    const { state, error, file } = upload;
    return { state: state && { ...state, progress: this.#progressOf(upload) ?? state.progress }, error, file };
  }
}

/** Return whether an upload is known to be active; without a message, it may have ended. @param {Upload} upload */
function isActive(upload) {
  return !isSettled(upload) && (upload.state !== null || upload.file !== null);
}
