/** Sends a file in chunks with tus-js-client (tus 1.0.0): after a broken connection, only the missing bytes are sent. */

import { errorFromResponse, networkError } from "../protocol/errors.js";

/** @typedef {import("../protocol/http.js").Http} Http */

const CHUNK_BYTES = 64 * 1024 * 1024; // one request each; proxies commonly refuse bodies of more than 100 MB
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, ...Array(20).fill(15_000)]; // restarts after each byte that arrives
const STALLED_MS = 30_000; // a connection that accepts nothing for so long is considered broken
const RETRYABLE = new Set([0, 408, 409, 423, 429]); // 409: the offset is wrong, and tus-js-client asks for it

/**
 * Send the bytes that the server does not have yet. Broken connections are retried for some minutes.
 *
 * @param {any} tus
 * @param {File} file
 * @param {string} path          The upload's `tusUrl`.
 * @param {Http} http
 * @param {AbortSignal} signal   Stops sending; what has arrived is not lost.
 * @returns {Promise<void>}
 */
export function sendResumable(tus, file, path, http, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    /** @type {ReturnType<typeof setTimeout> | undefined} */ let stallTimer;
    const upload = new tus.Upload(file, {
      uploadUrl: http.url(path).href,
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_MS,
      storeFingerprintForResuming: false, // resume-store.js remembers the reservation instead
      onBeforeRequest: (/** @type {any} */ request) => {
        for (const [name, value] of Object.entries(http.authHeaders)) request.setHeader(name, value);
      },
      onProgress: (/** @type {number} */ sent, /** @type {number} */ total) => {
        clearTimeout(stallTimer);
        if (sent < total) stallTimer = setTimeout(restart, STALLED_MS); // after the last byte, only the server works
      },
      onShouldRetry: (/** @type {any} */ error) => isRetryable(statusOf(error)),
      onSuccess: () => settle(resolve),
      onError: (/** @type {any} */ error) => settle(() => reject(errorOf(error))),
    });
    const stop = () => {
      void upload.abort();
      settle(() => reject(signal.reason));
    };
    signal.addEventListener("abort", stop, { once: true });
    upload.start();

    async function restart() {
      await upload.abort();
      if (!signal.aborted) upload.start();
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
  return errorFromResponse(parse(error.originalResponse.getBody())?.error, status);
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the response to HEAD has no body
  }
}
