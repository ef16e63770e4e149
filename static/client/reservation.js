/** Reserves uploads on the server before their files are sent, and finds those of an earlier visit. */

import { asRoomcastError } from "../protocol/errors.js";
import { removeUnfinished, unfinishedUploadId } from "../sending/resume-store.js";

/** @typedef {import("./upload.js").UploadHost} UploadHost */
/** @typedef {import("../sending/direct-upload.js").DirectTarget} DirectTarget */
/** @typedef {DirectTarget & {uploadId: string}} Reservation   With the URLs of the bucket, if `direct` was asked for. */

const GONE = new Set(["NOT_FOUND", "DELETED", "FORBIDDEN"]);
const BACKOFF_MS = { first: 2_000, last: 15_000 }; // between reservations while the server has too many uploads

/** Return the path of an upload in the server's HTTP API. @param {string} id */
export function pathOf(id) {
  return `api/uploads/${encodeURIComponent(id)}`;
}

/**
 * Reserve an upload, and wait while the viewer has too many. Resolves with null once aborted; nothing stays reserved then.
 *
 * @param {UploadHost} host
 * @param {{file: File, type?: string, direct: boolean, metadata?: Record<string, any>}} wanted
 * @param {AbortSignal} signal
 * @returns {Promise<Reservation | null>}
 */
export async function reserve(host, { file, ...options }, signal) {
  const body = { ...options, files: [{ filename: file.name, size: file.size }] };
  for (let delay = BACKOFF_MS.first; !signal.aborted; delay = Math.min(delay * 2, BACKOFF_MS.last)) {
    try {
      const { uploads } = await host.request("POST", "api/uploads", body);
      if (!signal.aborted) return uploads[0];
      void host.request("POST", `${pathOf(uploads[0].uploadId)}/cancel`).catch(() => {}); // not needed any more
    } catch (error) {
      if (asRoomcastError(error).code !== "TOO_MANY") throw error;
      await delayed(delay, signal); // until other uploads of this viewer have ended
    }
  }
  return null;
}

/**
 * Return the id of the file's unfinished upload, if this browser has one and the server waits for the rest of it.
 *
 * @param {UploadHost} host
 * @param {File} file
 * @param {string | undefined} type
 * @param {AbortSignal} signal
 * @returns {Promise<string | null>}
 */
export async function findUnfinished(host, file, type, signal) {
  const id = unfinishedUploadId(file, type);
  if (id === null || host.isWatched(id)) return null;
  const state = await host.request("GET", pathOf(id)).catch((error) => {
    if (!GONE.has(asRoomcastError(error).code)) throw error;
  });
  if (signal.aborted) return null;
  if (state?.stage === "receiving") return id;
  removeUnfinished(file, type);
  return null;
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function delayed(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
