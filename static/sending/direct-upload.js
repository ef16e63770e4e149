/** Sends a file straight to the server's S3 bucket, as a multipart upload with presigned URLs. */

import { RoomcastError, networkError } from "../protocol/errors.js";

/**
 * @typedef {object} DirectTarget   The multipart upload in the response to a reservation with `direct`.
 * @property {number} partSize      Bytes of every part but the last.
 * @property {string[]} partUrls    The presigned URL of each part.
 * @property {string} progressUrl   Called after each part; the server then reports the progress to the room.
 * @property {string} completeUrl   Called with all parts at the end.
 */

const CONCURRENCY = 3;
const ATTEMPTS = 3;
const BACKOFF_MS = 1_000; // before a part's second attempt; doubles

/**
 * Send all parts and complete the upload.
 *
 * @param {File} file
 * @param {DirectTarget} target
 * @param {(method: string, path: string, body?: object, signal?: AbortSignal) => Promise<any>} request
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the server's response to the completion
 */
export async function sendDirect(file, { partSize, partUrls, progressUrl, completeUrl }, request, signal) {
  /** @type {{number: number, etag: string}[]} */
  const sent = [];
  const waiting = partUrls.map((url, index) => ({
    url,
    number: index + 1,
    bytes: file.slice(index * partSize, (index + 1) * partSize),
  }));
  const sender = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      const { url, number, bytes } = part;
      sent.push({ number, etag: await sendPart(url, bytes, signal) });
      await request("POST", progressUrl, {}, signal);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, sender));
  sent.sort((one, other) => one.number - other.number);
  return request("POST", completeUrl, { parts: sent }, signal);
}

/** @param {string} url @param {Blob} bytes @param {AbortSignal} signal @returns {Promise<string>} the part's ETag */
async function sendPart(url, bytes, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(url, { method: "PUT", body: bytes, signal });
      const etag = response.headers.get("etag");
      if (response.ok && etag) return etag;
      if (response.ok) throw new RoomcastError("STORAGE_ERROR", "The bucket's CORS rule must expose the ETag header.");
      if (response.status < 500 || attempt === ATTEMPTS) {
        throw new RoomcastError("STORAGE_ERROR", "The storage service rejected part of the file.", { retryable: true });
      }
    } catch (cause) {
      if (signal.aborted || cause instanceof RoomcastError || attempt === ATTEMPTS) {
        throw cause instanceof RoomcastError ? cause : networkError(cause);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, BACKOFF_MS * 2 ** (attempt - 1)));
  }
}
