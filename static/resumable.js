/** A file in pieces, through the official client of tus 1.0.0: what has arrived when a connection breaks stays. */

import { told, unreachable } from "./failure.js";
import { load } from "./library.js";

/** @typedef {import("./http.js").Http} Http */

const PIECE_BYTES = 64 * 1024 * 1024; // one request each; proxies commonly refuse bodies of more than 100 MB
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, ...Array(20).fill(15_000)]; // anew after every byte that arrives
const STALLED_MS = 30_000; // a connection that takes nothing for so long is dead, whether it knows or not
const PASSING = new Set([0, 408, 409, 423, 429]); // 409: the server stands elsewhere, and is asked where

/** @type {Promise<any> | undefined} */ let loading;

/** The official client, or null where it cannot be had. @returns {Promise<any>} */
export function loadTus() {
  if (typeof XMLHttpRequest === "undefined") return Promise.resolve(null); // its browser build sends with it
  loading ??= load({
    module: "tus-js-client/dist/tus.min.js",
    script: "https://cdn.jsdelivr.net/npm/tus-js-client@4.3.1/dist/tus.min.js",
    integrity: "sha384-UlHjK3F7TCQCEUpnoa1ohMbP2oaWB3Aypv4gMo511vaZ86uUZ0Zv7UzZ0J1zRUT1",
    global: "tus",
  });
  return loading;
}

/**
 * Send what the server does not have yet. Broken connections are waited out, for minutes if need be.
 *
 * @param {any} tus
 * @param {File} file
 * @param {string} path        The upload's `tusUrl`.
 * @param {Http} http
 * @param {AbortSignal} signal   Stops sending; what has arrived stays.
 * @returns {Promise<void>}
 */
export function sendInPieces(tus, file, path, http, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    /** @type {ReturnType<typeof setTimeout> | undefined} */ let stalled;
    const upload = new tus.Upload(file, {
      uploadUrl: http.address(path).href,
      chunkSize: PIECE_BYTES,
      retryDelays: RETRY_MS,
      storeFingerprintForResuming: false, // the reservation is what we remember
      onBeforeRequest: (/** @type {any} */ request) => {
        for (const [name, value] of Object.entries(http.credentials)) request.setHeader(name, value);
      },
      onProgress: (/** @type {number} */ sent, /** @type {number} */ total) => {
        clearTimeout(stalled);
        if (sent < total) stalled = setTimeout(startOver, STALLED_MS); // all of it sent: the server may take its time
      },
      onShouldRetry: (/** @type {any} */ error) => isPassing(statusOf(error)),
      onSuccess: () => end(resolve),
      onError: (/** @type {any} */ error) => end(() => reject(failureOf(error))),
    });
    const stop = () => {
      void upload.abort();
      end(() => reject(signal.reason));
    };
    signal.addEventListener("abort", stop, { once: true });
    upload.start();

    async function startOver() {
      await upload.abort();
      if (!signal.aborted) upload.start();
    }

    /** @param {() => void} settle */
    function end(settle) {
      clearTimeout(stalled);
      signal.removeEventListener("abort", stop);
      settle();
    }
  });
}

/** @param {number} status   Of an HTTP answer; 0: there was none. */
function isPassing(status) {
  return PASSING.has(status) || status >= 500;
}

/** @param {any} error */
function statusOf(error) {
  return error.originalResponse?.getStatus() ?? 0;
}

/** @param {any} error */
function failureOf(error) {
  const status = statusOf(error);
  if (status === 0) return unreachable(error);
  return told(parse(error.originalResponse.getBody())?.error, status);
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a HEAD is answered without a body
  }
}
