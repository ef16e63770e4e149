/** Sends the bytes of one upload's file, and after an interruption the rest of them as soon as that is possible. */

import { RoomcastError, asRoomcastError } from "../protocol/errors.js";
import { sendDirect } from "./direct-upload.js";
import { RetryWait } from "./retry-wait.js";
import { TransferMeter } from "./transfer-meter.js";

/** @typedef {import("./direct-upload.js").DirectTarget} DirectTarget */
/** @typedef {import("../protocol/messages.js").Message} Message */

/**
 * @typedef {(signal: AbortSignal, onProgress: (sent: number) => void) => Promise<void>} ResumableSender
 *   Sends until aborted, and reports how many bytes of the file have been sent; can be called again.
 *
 * @typedef {object} SenderHost   The operations that sending needs from the connection.
 * @property {(file: File, uploadId: string) => Promise<ResumableSender | null>} resumableSender   Null: not supported.
 * @property {(method: string, path: string, body?: File | object, signal?: AbortSignal) => Promise<any>} request
 *
 * @typedef {object} SentUpload   The upload whose file is sent.
 * @property {string | null} id
 * @property {string} path
 * @property {File | null} file
 * @property {Message | null} state
 * @property {() => Promise<boolean>} refresh   Fetches `state`.
 */

// Up to this size one request is faster than the three of a resumable upload, and so short that it hardly breaks off,
// after which the file has to be sent again: a third of a second at 1.6 Mbit/s.
const SINGLE_REQUEST_BYTES = 64 * 1024;
const MAX_FAILURES = 25; // refusals that may pass, such as those of a full disk, without a byte that is sent
const RENDER_MS = 200; // between two reports while bytes are sent
const STALLED_MS = 5_500; // until the speed of a transfer that has stopped is 0
const UNREADABLE = "The file was changed, moved or deleted while it was sent.";
const RETRY_NOW = new DOMException("The connection is back.", "AbortError");

export class FileSender {
  /** Whether no bytes that were sent are lost when sending stops. */ resumable = false;
  meter = new TransferMeter();
  #host;
  #upload;
  #report;
  /** Interrupts the current try; null while there is none. @type {AbortController | null} */ #try = null;
  /** Whether bytes were sent in this try, and since the connection was lost. */ #moved = false;
  #disconnected = false;
  #retryWait;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #renderTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #stallTimer;

  /**
   * @param {SenderHost} host
   * @param {SentUpload} upload
   * @param {(sending: "now" | "interrupted") => void} report   Called when sending is interrupted, and goes on.
   */
  constructor(host, upload, report) {
    this.#host = host;
    this.#upload = upload;
    this.#report = report;
    this.#retryWait = new RetryWait(() => report("interrupted"));
  }

  /** When an interrupted transfer is tried again, in milliseconds since 1970; null while it is not interrupted. */
  get retryAt() {
    return this.#retryWait.endsAt;
  }

  /**
   * Send the file. Resolves with the server's answer; rejects when it refuses the file, when aborted, or with the code
   * `FILE_UNREADABLE`.
   *
   * @param {DirectTarget | null} target   The bucket that takes the file, if it is not sent to the server.
   * @param {AbortSignal} signal
   * @returns {Promise<any>}
   */
  async send(target, signal) {
    this.resumable = false;
    this.#retryWait.failures = 0;
    try {
      if (target) return await sendDirect(this.#file, target, this.#host.request, signal);
      return await this.#sendPersistently(signal);
    } finally {
      this.meter.restart();
    }
  }

  /** Interrupt sending, because the browser has lost the network. */
  networkLost() {
    this.connectionLost();
    this.#try?.abort();
  }

  /** Remember that the connection was lost. */
  connectionLost() {
    this.#disconnected = true;
    this.#moved = false;
  }

  /** Go on at once with what was interrupted by the loss of the connection, or has not moved since. */
  connectionRestored() {
    const stuck = this.#disconnected && !this.#moved;
    this.#disconnected = false;
    this.#retryWait.failures = 0;
    this.#retryWait.end();
    if (stuck) this.#try?.abort(RETRY_NOW);
  }

  get #file() {
    return /** @type {File} */ (this.#upload.file);
  }

  /** @param {AbortSignal} signal @returns {Promise<any>} */
  async #sendPersistently(signal) {
    for (;;) {
      const current = new AbortController();
      this.#try = current;
      this.#moved = false;
      try {
        return await this.#sendBytes(AbortSignal.any([signal, current.signal]));
      } catch (error) {
        if (signal.aborted || !(current.signal.aborted || this.#mayPass(asRoomcastError(error)))) throw error;
        if (!(await isReadable(this.#file))) throw new RoomcastError("FILE_UNREADABLE", UNREADABLE);
      } finally {
        this.#try = null;
        clearTimeout(this.#renderTimer); // a report of bytes would hide that sending is interrupted
        clearTimeout(this.#stallTimer);
        this.#renderTimer = undefined;
      }
      if (current.signal.reason !== RETRY_NOW) await this.#waitToRetry(signal);
      signal.throwIfAborted();
      if (!this.resumable && (await this.#isReceived())) return { state: this.#upload.state };
      signal.throwIfAborted();
    }
  }

  /** Return whether the server has all bytes, although its answer to the last of them was lost. */
  async #isReceived() {
    await this.#upload.refresh();
    const { state } = this.#upload;
    return state !== null && state.stage !== "receiving";
  }

  /** Return whether sending is tried again after an error. @param {RoomcastError} error */
  #mayPass({ code, retryable }) {
    if (this.#moved) this.#retryWait.failures = 0;
    return code === "NETWORK" || (this.resumable && retryable && this.#retryWait.failures < MAX_FAILURES);
  }

  /** @param {AbortSignal} signal */
  async #waitToRetry(signal) {
    this.meter.restart();
    await this.#retryWait.wait(signal);
    if (!signal.aborted) this.#report("now");
  }

  /** Send the bytes in chunks, or in one request. @param {AbortSignal} signal @returns {Promise<any>} */
  async #sendBytes(signal) {
    const id = /** @type {string} */ (this.#upload.id);
    const send = this.#file.size > SINGLE_REQUEST_BYTES ? await this.#host.resumableSender(this.#file, id) : null;
    this.resumable = send !== null;
    if (!send) return this.#host.request("PUT", `${this.#upload.path}/content`, this.#file, signal);
    this.#report("now");
    await send(signal, (sent) => this.#sentHere(sent));
    return { state: await this.#host.request("GET", this.#upload.path) };
  }

  /** @param {number} sent   Bytes of the file. */
  #sentHere(sent) {
    this.#moved = true;
    this.meter.sentHere(sent);
    this.#renderTimer ??= setTimeout(() => {
      this.#renderTimer = undefined;
      this.#report("now");
    }, RENDER_MS);
    clearTimeout(this.#stallTimer);
    this.#stallTimer = setTimeout(() => this.#report("now"), STALLED_MS);
  }
}

/**
 * Return whether a file can still be read. Browsers refuse one that has changed on the disk since it was chosen, and
 * report that in the same way as a connection that breaks.
 *
 * @param {File} file @returns {Promise<boolean>}
 */
async function isReadable(file) {
  return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
}
