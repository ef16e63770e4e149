/** Sends a file in chunks with tus-js-client (tus 1.0.0): after a broken connection, only the missing bytes are sent. */

import { RoomcastError, errorFromResponse, networkError } from "../protocol/errors.js";

/** @typedef {import("../protocol/http.js").Http} Http */

const CHUNK_BYTES = 64 * 1024 * 1024; // one request each; proxies commonly refuse bodies of more than 100 MB
const STALLED_MS = 30_000; // a connection that accepts nothing for so long is considered broken
const RETRYABLE = new Set([0, 408, 409, 423, 429]); // 409: the offset is wrong, and tus-js-client asks for it

/**
 * Send the bytes that the server does not have yet. Rejects with a retryable `RoomcastError` when the connection breaks
 * or stalls, or when the server's refusal may pass; another call then sends the rest.
 *
 * @param {any} tus
 * @param {File} file
 * @param {string} path          The upload's `tusUrl`.
 * @param {Http} http
 * @param {AbortSignal} signal   Stops sending; what has arrived is not lost.
 * @param {(sent: number) => void} [onProgress]   Called with the bytes of the file that have been sent.
 * @returns {Promise<void>}
 */
export function sendResumable(tus, file, path, http, signal, onProgress = () => {}) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    /** @type {ReturnType<typeof setTimeout> | undefined} */ let stallTimer;
    const upload = new tus.Upload(file, {
      uploadUrl: http.url(path).href,
      chunkSize: CHUNK_BYTES,
      retryDelays: null, // the upload tries again, as soon as the connection is back
      storeFingerprintForResuming: false, // resume-store.js remembers the reservation instead
      onBeforeRequest: (/** @type {any} */ request) => {
        for (const [name, value] of Object.entries(http.authHeaders)) request.setHeader(name, value);
      },
      onProgress: (/** @type {number} */ sent, /** @type {number} */ total) => {
        onProgress(sent);
        clearTimeout(stallTimer);
        if (sent < total) stallTimer = setTimeout(stalled, STALLED_MS); // after the last byte, only the server works
      },
      onSuccess: () => settle(resolve),
      onError: (/** @type {any} */ error) => settle(() => reject(errorOf(error))),
    });
    const stop = () => {
      void upload.abort();
      settle(() => reject(signal.reason));
    };
    signal.addEventListener("abort", stop, { once: true });
    upload.start();

    function stalled() {
      void upload.abort();
      settle(() => reject(networkError("The connection accepts no more bytes.")));
    }

    /** @param {() => void} resolveOrReject */
    function settle(resolveOrReject) {
      clearTimeout(stallTimer);
      signal.removeEventListener("abort", stop);
      resolveOrReject();
    }
  });
}

/** @param {number} status   The HTTP status, or 0 without a response. */
function isRetryable(status) {
  return RETRYABLE.has(status) || status >= 500;
}

/** @param {any} error */
function statusOf(error) {
  return error.originalResponse?.getStatus() ?? 0;
}

/** @param {any} error */
function errorOf(error) {
  const status = statusOf(error);
  if (status === 0) return networkError(error);
  const { code, message, details } = errorFromResponse(parse(error.originalResponse.getBody())?.error, status);
  return new RoomcastError(code, message, { retryable: isRetryable(status), details, cause: error });
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the response to HEAD has no body
  }
}
