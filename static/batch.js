import { aggregateOf } from "./aggregate.js";
import { hasEnded } from "./upload-face.js";

/** @typedef {import("./roomcast.js").Upload} Upload */

/** The uploads that are on their way together: what ended before the first of them began has no part in their bar. */
export class Batch {
  /** @type {Set<Upload>} */ #uploads = new Set();
  #told = 0;

  /** Take in what is on its way. @param {readonly Upload[]} uploads all there are, from now on */
  update(uploads) {
    const joining = uploads.filter((upload) => !this.#uploads.has(upload) && isUnderWay(upload));
    if (joining.length && [...this.#uploads].every(hasEnded)) this.#uploads.clear();
    const leaving = [...this.#uploads].filter((upload) => !uploads.includes(upload) && !hasEnded(upload));
    for (const upload of joining) this.#uploads.add(upload);
    for (const upload of leaving) this.#uploads.delete(upload);
    if (joining.length || leaving.length) this.#told = 0;
  }

  /** What they come to together. */
  get aggregate() {
    const aggregate = aggregateOf([...this.#uploads], this.#told);
    this.#told = aggregate.active ? aggregate.progress : 0;
    return aggregate;
  }
}

/** An upload of which nothing is known yet may be an old one. @param {Upload} upload */
function isUnderWay(upload) {
  return !hasEnded(upload) && (upload.state !== null || upload.file !== null);
}
