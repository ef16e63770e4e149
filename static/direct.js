import { RoomcastError, unreachable } from "./failure.js";

/**
 * @typedef {object} Parts   What a reservation with `direct` says of one file.
 * @property {number} partSize   Bytes of every part but the last.
 * @property {string[]} partUrls   Where each part goes, by PUT, straight to the bucket.
 * @property {string} progressUrl   To be asked after each part: then the room hears how much is there.
 * @property {string} completeUrl   To be told of all parts in the end.
 */

const AT_ONCE = 3;
const TRIES = 3;
const PAUSE_MS = 1_000; // before a part is tried again; it doubles

/**
 * Send a file to the bucket in parts, and have the server take it over.
 *
 * @param {File} file
 * @param {Parts} parts
 * @param {(method: string, path: string, body?: object, signal?: AbortSignal) => Promise<any>} request
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the server's answer to the completion
 */
export async function sendParts(file, { partSize, partUrls, progressUrl, completeUrl }, request, signal) {
  /** @type {{number: number, etag: string}[]} */
  const sent = [];
  const waiting = partUrls.map((url, index) => ({ url, number: index + 1, bytes: slice(file, index, partSize) }));
  const sender = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      const { url, number, bytes } = part;
      sent.push({ number, etag: await sendPart(url, bytes, signal) });
      await request("POST", progressUrl, {}, signal);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  sent.sort((one, other) => one.number - other.number);
  return request("POST", completeUrl, { parts: sent }, signal);
}

/** @param {File} file @param {number} index @param {number} partSize */
function slice(file, index, partSize) {
  return file.slice(index * partSize, (index + 1) * partSize);
}

/** @param {string} url @param {Blob} bytes @param {AbortSignal} signal @returns {Promise<string>} the part's ETag */
async function sendPart(url, bytes, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(url, { method: "PUT", body: bytes, signal });
      const etag = response.headers.get("etag");
      if (response.ok && etag) return etag;
      if (response.ok) throw new RoomcastError("STORAGE_ERROR", "The bucket's CORS rule must expose the ETag header.");
      if (response.status < 500 || attempt === TRIES) {
        throw new RoomcastError("STORAGE_ERROR", "The media store refused a part of the file.", { retryable: true });
      }
    } catch (cause) {
      if (signal.aborted || cause instanceof RoomcastError || attempt === TRIES) {
        throw cause instanceof RoomcastError ? cause : unreachable(cause);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** (attempt - 1)));
  }
}
