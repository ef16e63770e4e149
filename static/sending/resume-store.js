/**
 * Stores the unfinished uploads of this browser, so that they can be resumed after a reload or a crash.
 *
 * A file is identified by its name, size and modification date. If several tabs show an upload, the one that has its file
 * holds its `FileLock`. A tab that is given the file takes the lock over.
 */

import { lockIsFree } from "./file-lock.js";
import { tryStorage } from "../shared/storage.js";

const PREFIX = "roomcast.sending.";

/** Return the id of the unfinished upload of a file, or null. @param {File} file @param {string} [type] */
export function unfinishedUploadId(file, type) {
  return tryStorage(() => localStorage.getItem(keyOf(file, type)), null);
}

/** Store the upload of a file. @param {File} file @param {string | undefined} type @param {string} uploadId */
export function addUnfinished(file, type, uploadId) {
  tryStorage(() => localStorage.setItem(keyOf(file, type), uploadId), undefined);
}

/** Delete the upload of a file that was sent or cannot be resumed. @param {File} file @param {string} [type] */
export function removeUnfinished(file, type) {
  tryStorage(() => localStorage.removeItem(keyOf(file, type)), undefined);
}

/**
 * Return whether this browser started an upload whose file no tab has any more. Resolves when the upload's lock is
 * free.
 *
 * @param {string} uploadId
 * @returns {Promise<boolean>}
 */
export async function isAbandoned(uploadId) {
  if (!isUnfinished(uploadId)) return false;
  await lockIsFree(uploadId);
  return isUnfinished(uploadId);
}

/** Return whether a file is the one of an unfinished upload of this browser: unchanged since then.
 * @param {File} file @param {string} uploadId */
export function isFileOf({ name, size, lastModified }, uploadId) {
  const suffix = `/${size}/${lastModified}/${name}`;
  const keys = tryStorage(() => Object.keys(localStorage), []).filter((key) => key.startsWith(PREFIX) && key.endsWith(suffix));
  return keys.some((key) => tryStorage(() => localStorage.getItem(key), null) === uploadId);
}

/** @param {string} uploadId */
function isUnfinished(uploadId) {
  const keys = tryStorage(() => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)), []);
  return keys.some((key) => tryStorage(() => localStorage.getItem(key), null) === uploadId);
}

/** @param {File} file @param {string} [type] */
function keyOf({ name, size, lastModified }, type = "") {
  return `${PREFIX}${type}/${size}/${lastModified}/${name}`;
}
