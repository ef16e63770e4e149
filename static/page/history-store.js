/**
 * Stores the history of uploads in this browser. Each upload has its own key: two tabs that write at the same time do
 * not overwrite each other's uploads.
 *
 * @typedef {object} HistoryEntry
 * @property {string} filename
 * @property {number} addedAt
 * @property {number} [seq]        The last event that was applied, to rejoin with `since`.
 * @property {string} [epoch]
 * @property {boolean} [finished]
 * @property {boolean} [hidden]
 */

import { tryStorage } from "../shared/storage.js";

const PREFIX = "roomcast.upload.";

/** Return all entries, oldest first. @returns {[uploadId: string, entry: HistoryEntry][]} */
export function allEntries() {
  return tryStorage(() => {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    const entries = keys.map((key) => /** @type {const} */ ([key.slice(PREFIX.length), parse(localStorage[key])]));
    const valid = /** @type {[string, HistoryEntry][]} */ (entries.filter(([, entry]) => entry !== null));
    return valid.sort(([, one], [, other]) => one.addedAt - other.addedAt);
  }, []);
}

/** Add an entry, or update some of its fields. @param {string} uploadId @param {Partial<HistoryEntry>} fields */
export function updateEntry(uploadId, fields) {
  tryStorage(() => {
    const before = localStorage.getItem(PREFIX + uploadId);
    const after = JSON.stringify({ addedAt: Date.now(), ...parse(before), ...fields });
    if (after !== before) localStorage.setItem(PREFIX + uploadId, after);
  }, undefined);
}

/** @param {string} uploadId */
export function removeEntry(uploadId) {
  tryStorage(() => localStorage.removeItem(PREFIX + uploadId), undefined);
}

/**
 * Call `onChange` for every change in another tab, with null for a removed entry.
 *
 * @param {(uploadId: string, entry: HistoryEntry | null) => void} onChange
 */
export function onChangeElsewhere(onChange) {
  addEventListener("storage", ({ key, newValue, storageArea }) => {
    if (storageArea !== localStorage || !key?.startsWith(PREFIX)) return;
    onChange(key.slice(PREFIX.length), parse(newValue));
  });
}

/** @param {string | null} text @returns {HistoryEntry | null} */
function parse(text) {
  try {
    const entry = JSON.parse(text ?? "null");
    return typeof entry?.addedAt === "number" && typeof entry.filename === "string" ? entry : null;
  } catch {
    return null;
  }
}
