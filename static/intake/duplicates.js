/** Finds the files that are already in the list, or that are given twice. Pure. */

import { outcomeOf } from "../elements/upload-view-model.js";

/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {{name: string, size: number, lastModified: number}} FileFacts */

/**
 * Separate files from those that are listed by an upload that has not failed and was not cancelled.
 *
 * @template {{file: FileFacts}} T
 * @param {readonly T[]} given
 * @param {readonly Upload[]} uploads   The uploads of the list.
 * @returns {{fresh: T[], duplicates: T[]}}
 */
export function separateDuplicates(given, uploads) {
  const listed = uploads.filter((upload) => isListed(upload)).map(factsOf);
  /** @type {{fresh: T[], duplicates: T[]}} */ const separated = { fresh: [], duplicates: [] };
  for (const one of given) {
    const isDuplicate = listed.some((other) => isSameFile(one.file, other));
    separated[isDuplicate ? "duplicates" : "fresh"].push(one);
    if (!isDuplicate) listed.push(one.file);
  }
  return separated;
}

/** Return whether an upload has its file: one that waits for it is continued by it. @param {Upload} upload */
function isListed(upload) {
  const outcome = outcomeOf(upload);
  if (outcome !== null) return outcome === "completed";
  return upload.file !== null || (upload.state !== null && upload.state.stage !== "receiving");
}

/** @param {Upload} upload @returns {{name?: string, size?: number | null, lastModified?: number}} */
function factsOf({ file, state }) {
  return file ?? { name: state?.filename, size: state?.bytesExpected };
}

/** Compare what is known of both files: the date of a file is not known after a reload.
 * @param {FileFacts} one @param {{name?: string, size?: number | null, lastModified?: number}} other */
function isSameFile(one, other) {
  const { lastModified = one.lastModified } = other;
  return one.name === other.name && one.size === other.size && one.lastModified === lastModified;
}
