/**
 * The files that this browser has begun to send, so that they can go on after a reload or a crash.
 *
 * A file is taken for the same by its name, size and date, as far as a browser tells. Of the tabs that show an upload
 * one sends it, and holds a lock named after it for as long; whoever is given the file anew takes the lock over.
 */

import { guarded } from "./storage.js";

const PREFIX = "roomcast.sending.";

/** The upload as which a file was begun under a template. @param {File} file @param {string} [type] */
export function begunAs(file, type) {
  return guarded(() => localStorage.getItem(keyOf(file, type)), null);
}

/** @param {File} file @param {string | undefined} type @param {string} uploadId */
export function noteBegun(file, type, uploadId) {
  guarded(() => localStorage.setItem(keyOf(file, type), uploadId), undefined);
}

/** All of it has been sent, or nothing more can be. @param {File} file @param {string} [type] */
export function noteOver(file, type) {
  guarded(() => localStorage.removeItem(keyOf(file, type)), undefined);
}

/**
 * Send an upload as the only one of this browser's tabs.
 *
 * @template T
 * @param {string} uploadId
 * @param {() => Promise<T>} work
 * @returns {Promise<T>} rejects with an `AbortError` when another tab goes on with it
 */
export function alone(uploadId, work) {
  const { locks } = globalThis.navigator ?? {};
  return locks ? locks.request(PREFIX + uploadId, { steal: true }, work) : work();
}

/**
 * Whether an upload was begun in this browser; answered once none of its tabs is sending it.
 *
 * @param {string} uploadId
 * @returns {Promise<boolean>}
 */
export async function leftBehind(uploadId) {
  if (!isBegun(uploadId)) return false;
  await globalThis.navigator?.locks?.request(PREFIX + uploadId, () => {}).catch(() => {});
  return isBegun(uploadId);
}

/** @param {string} uploadId */
function isBegun(uploadId) {
  const keys = guarded(() => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)), []);
  return keys.some((key) => guarded(() => localStorage.getItem(key), null) === uploadId);
}

/** @param {File} file @param {string} [type] */
function keyOf({ name, size, lastModified }, type = "") {
  return `${PREFIX}${type}/${size}/${lastModified}/${name}`;
}
