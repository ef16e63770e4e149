/**
 * The uploads that this browser remembers, so that a reload or a second tab finds them again.
 *
 * One key for each upload: two tabs that write at the same time never overwrite each other's uploads.
 *
 * @typedef {object} Entry
 * @property {string} filename
 * @property {number} addedAt
 * @property {number} [seq]        The last event that was taken, to rejoin with `since`.
 * @property {string} [epoch]
 * @property {boolean} [finished]
 * @property {boolean} [hidden]
 */

import { guarded } from "./storage.js";

const PREFIX = "roomcast.upload.";

/** Everything remembered, oldest first. @returns {[uploadId: string, entry: Entry][]} */
export function all() {
  return guarded(() => {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    const entries = keys.map((key) => /** @type {const} */ ([key.slice(PREFIX.length), parse(localStorage[key])]));
    const whole = /** @type {[string, Entry][]} */ (entries.filter(([, entry]) => entry !== null));
    return whole.sort(([, one], [, other]) => one.addedAt - other.addedAt);
  }, []);
}

/** Add to what is remembered of an upload, or begin with it. @param {string} uploadId @param {Partial<Entry>} facts */
export function remember(uploadId, facts) {
  guarded(() => {
    const before = localStorage.getItem(PREFIX + uploadId);
    const after = JSON.stringify({ addedAt: Date.now(), ...parse(before), ...facts });
    if (after !== before) localStorage.setItem(PREFIX + uploadId, after);
  }, undefined);
}

/** @param {string} uploadId */
export function forget(uploadId) {
  guarded(() => localStorage.removeItem(PREFIX + uploadId), undefined);
}

/**
 * Hear of what other tabs change; a forgotten upload comes with null.
 *
 * @param {(uploadId: string, entry: Entry | null) => void} hear
 */
export function onElsewhere(hear) {
  addEventListener("storage", ({ key, newValue, storageArea }) => {
    if (storageArea !== localStorage || !key?.startsWith(PREFIX)) return;
    hear(key.slice(PREFIX.length), parse(newValue));
  });
}

/** @param {string | null} text @returns {Entry | null} */
function parse(text) {
  try {
    const entry = JSON.parse(text ?? "null");
    return typeof entry?.addedAt === "number" && typeof entry.filename === "string" ? entry : null;
  } catch {
    return null;
  }
}
