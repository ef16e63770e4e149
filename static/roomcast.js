/**
 * Roomcast for the browser: send a file, and hear in its room what becomes of it.
 *
 * ```js
 * import { connect } from "/static/roomcast.js";
 *
 * const roomcast = connect();
 * const upload = roomcast.upload(file, { onProgress: (state) => (bar.value = state.progress) });
 * const { element } = await upload.finished;
 * ```
 *
 * Every upload has one room. It is joined before the first byte leaves, rejoined with the last position after each
 * reconnect, and replaced by polling while no socket can be had. Whatever the way, an upload's `state` is the latest
 * message of the server and never runs backwards. Failures are `RoomcastError`s; no promise is left to reject unheard.
 *
 * @typedef {"starting" | "compressing" | "uploading" | "completed" | "error"} Status
 * @typedef {"receiving" | "queued" | "fetching" | "probing" | "compressing" | "thumbnails" | "storing" | "cleaning"
 *   | "done" | "failed" | "cancelled"} Stage
 *
 * @typedef {object} Output
 * @property {string} name
 * @property {"video" | "audio" | "image" | "thumbnail" | "poster" | "sprite" | "storyboard" | "hls"} kind
 * @property {string} key
 * @property {string} bucket
 * @property {string} url
 * @property {string} mime
 * @property {number} size
 * @property {number} [width]
 * @property {number} [height]
 * @property {number} [duration]
 *
 * @typedef {object} Element
 * @property {string} id
 * @property {string} type
 * @property {string} filename
 * @property {string} url
 * @property {Output[]} outputs
 * @property {{size: number}} [original]
 * @property {{bytes: number, percent: number}} [saved]
 * @property {{seconds: number, declaredSeconds: number}} [partial]   The file was cut short: so much could be read.
 * @property {boolean} [copied]                                       It was small already, and is as it was.
 * @property {{metric: "vmaf" | "ssim", target: number, score: number, crf: number}} [quality]   Of samples.
 * @property {{blurhash: string}} [placeholder]
 *
 * @typedef {object} Forecast   What the compression is expected to come to.
 * @property {number} bytes     the result's size
 * @property {number} seconds   that all of it takes
 *
 * @typedef {object} Message   What the server says about an upload, on every surface.
 * @property {string} uploadId
 * @property {number} seq
 * @property {string} epoch
 * @property {Status} status
 * @property {Stage} stage
 * @property {number} progress        0–100, overall
 * @property {number} stageProgress   0–100, of the stage
 * @property {string} message
 * @property {string} filename
 * @property {number | null} bytesReceived
 * @property {number | null} bytesExpected
 * @property {number} attempt
 * @property {string} updatedAt
 * @property {number | null} eta      seconds
 * @property {number | null} speed
 * @property {number | null} fps
 * @property {number | null} queuePosition
 * @property {Output} [poster]        what can be shown before there is a result
 * @property {Forecast} [forecast]
 * @property {Element} [element]
 * @property {{code: string, message: string, step: string, retryable: boolean}} [error]
 *
 * @typedef {import("./upload.js").Ways} Ways
 *
 * @typedef {"online" | "reconnecting" | "polling"} ConnectionState
 *   `online`: the room speaks. `polling`: it does not, but the server answers. `reconnecting`: neither.
 */

import { RoomcastError, asRoomcastError, told, unreachable } from "./failure.js";
import { isFinished } from "./merge.js";
import { loadSocketIo } from "./socket-io.js";
import { Turns } from "./turns.js";
import { Upload } from "./upload.js";

export { RoomcastError, Upload };

const GRACE_MS = 3_000; // how long the socket may be away before polling stands in
const POLL_MS = { first: 1_000, last: 5_000 };
const REJOIN_MS = 2_000;
const ANSWER_MS = 25_000; // a cancel is answered only when the work has stopped
const SENDS_AT_ONCE = 3; // a browser opens six connections to a host; the rest must stay free for cancel and polling

/**
 * Connect to a Roomcast server. Returns at once; `state` and its `statechange` event tell how the connection fares.
 *
 * @param {object} [options]
 * @param {string | URL} [options.url]   The server; the page's own origin by default.
 * @param {string} [options.token]       A bearer token, where the server asks for one.
 * @param {Function} [options.io]        socket.io-client's `io`, if you have it; loaded otherwise.
 * @returns {Roomcast}
 */
export function connect({ url, token, io } = {}) {
  return new Roomcast(new URL(url ?? globalThis.location.href), token, io);
}

/**
 * A connection to a server, and the uploads that are watched over it.
 *
 * Events: `statechange` (the connection), and `unauthenticated` with `detail` the `RoomcastError`, when the server
 * wants a token that it has not got: set `token`.
 */
export class Roomcast extends EventTarget {
  /** @type {URL} */ #url;
  /** @type {string | undefined} */ #token;
  /** @type {any} */ #socket = null;
  /** @type {ConnectionState} */ #state = "reconnecting";
  /** @type {Map<string, Upload>} */ #uploads = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #pollTimer;
  #turns = new Turns(SENDS_AT_ONCE);
  #closed = false;

  /** Use `connect`. @param {URL} url @param {string} [token] @param {Function} [io] */
  constructor(url, token, io) {
    super();
    this.#url = url;
    this.#token = token;
    this.#pollAfter(GRACE_MS);
    void this.#open(io);
  }

  /** How the connection fares. */
  get state() {
    return this.#state;
  }

  /** The bearer token; setting it connects anew as that viewer. */
  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    if (!this.#socket) return;
    this.#away();
    this.#socket.disconnect().connect();
  }

  /**
   * Send a file and watch it. Few files are sent at once; the others wait their turn.
   *
   * @param {File} file
   * @param {object} [options]
   * @param {string} [options.type]                           The template; the server's default when absent.
   * @param {boolean} [options.direct]                        Send the bytes straight to the server's bucket, in parts.
   * @param {(state: Message) => void} [options.onProgress]   Called with every message that is taken.
   * @param {AbortSignal} [options.signal]                    Cancels the upload.
   * @returns {Upload}
   */
  upload(file, { type, direct, onProgress, signal } = {}) {
    const upload = new Upload(this.#ways, { file, type, direct, onProgress });
    signal?.addEventListener("abort", () => void upload.cancel().catch(() => {}), { once: true });
    if (signal?.aborted) void upload.cancel();
    else void upload.start();
    return upload;
  }

  /**
   * Watch an upload that already exists. With `since` and `epoch`, the events that were missed come first.
   *
   * @param {string} uploadId
   * @param {object} [options]
   * @param {number} [options.since]
   * @param {string} [options.epoch]
   * @param {(state: Message) => void} [options.onProgress]
   * @returns {Upload}
   */
  watch(uploadId, { since, epoch, onProgress } = {}) {
    const known = this.#uploads.get(uploadId);
    if (known) return known;
    const upload = new Upload(this.#ways, { id: uploadId, since, epoch, onProgress });
    this.#enter(upload);
    return upload;
  }

  /** Cancel an upload; resolves once its work has really stopped. @param {string} uploadId @returns {Promise<void>} */
  cancel(uploadId) {
    return this.watch(uploadId).cancel();
  }

  /** Start a failed or cancelled upload over. @param {string} uploadId @returns {Promise<void>} */
  retry(uploadId) {
    return this.watch(uploadId).retry();
  }

  /** Leave every room and stop. */
  close() {
    this.#closed = true;
    clearTimeout(this.#pollTimer);
    this.#socket?.disconnect();
    this.#uploads.clear();
  }

  // What an upload may ask of its connection.
  /** @type {Ways} */ #ways = {
    turn: (signal) => this.#turns.take(signal),
    enter: (upload) => this.#enter(upload),
    join: (upload) => this.#join(upload),
    leave: (upload) => this.#leave(upload),
    request: (method, path, body, signal) => this.#request(method, path, body, signal),
    control: (event, method, path, uploadId) => this.#control(event, method, path, uploadId),
  };

  // --- the socket -------------------------------------------------------------------------------------------------

  /** @param {Function} [io] */
  async #open(io) {
    const open = io ?? (await loadSocketIo());
    if (!open || this.#closed) return; // without a client, polling is all there is
    this.#socket = open(this.#url.origin, {
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 3_000,
      timeout: 5_000,
      forceNew: true, // a shared manager would keep the handshake of another token
      auth: (/** @type {Function} */ give) => give(this.#token ? { token: this.#token } : {}),
    });
    this.#socket.on("connect", () => {
      clearTimeout(this.#pollTimer);
      this.#become("online");
      for (const upload of this.#uploads.values()) void this.#join(upload);
    });
    this.#socket.on("disconnect", (/** @type {string} */ reason) => {
      if (this.#closed || reason === "io client disconnect") return;
      this.#away();
      if (!this.#socket.active) this.#connectAfter(REJOIN_MS); // the server hung up on purpose
    });
    this.#socket.on("connect_error", (/** @type {any} */ error) => this.#refused(error));
    this.#socket.on("upload-progress", (/** @type {Message} */ message) => this.#heard(message));
  }

  /** @param {any} error */
  #refused(error) {
    if (this.#closed || this.#socket.active) return; // not refused, only not reached: the client tries again by itself
    const failure = this.#noted(told(error.data));
    if (failure.code !== "UNAUTHENTICATED") this.#connectAfter(POLL_MS.last);
  }

  #away() {
    this.#become("reconnecting");
    this.#pollAfter(GRACE_MS);
  }

  /** @param {number} delay */
  #connectAfter(delay) {
    setTimeout(() => this.#closed || this.#socket.connect(), delay);
  }

  /** @param {Message} message */
  #heard(message) {
    const upload = this.#uploads.get(message.uploadId);
    if (upload && !upload.hear(message)) void this.#join(upload); // an event was lost on the way: ask for it
  }

  /** @param {Upload} upload */
  #enter(upload) {
    this.#uploads.set(/** @type {string} */ (upload.id), upload);
    return this.#join(upload);
  }

  /**
   * Subscribe, read, de-duplicate: what the room says while the answer is on its way waits until it is in.
   *
   * @param {Upload} upload
   * @returns {Promise<void>}
   */
  async #join(upload) {
    if (!this.#socket?.connected || upload.joining) return;
    upload.joining = true;
    try {
      const { state, events } = await this.#emit("join-upload", { uploadId: upload.id, ...upload.position });
      upload.joined(state, events);
    } catch (error) {
      this.#notJoined(upload, asRoomcastError(error));
    }
  }

  /** @param {Upload} upload @param {RoomcastError} error */
  #notJoined(upload, error) {
    upload.joining = false;
    if (!error.retryable) upload.fail(error);
    else if (this.#socket.connected) setTimeout(() => void this.#join(upload), REJOIN_MS);
  }

  /** @param {Upload} upload */
  async #leave(upload) {
    const uploadId = /** @type {string} */ (upload.id);
    if (this.#uploads.get(uploadId) !== upload) return;
    this.#uploads.delete(uploadId);
    if (this.#socket?.connected) await this.#emit("leave-upload", { uploadId }).catch(() => {});
  }

  /**
   * One acknowledged call. @param {string} event @param {object} argument
   */
  async #emit(event, argument) {
    const answer = await this.#socket
      .timeout(ANSWER_MS)
      .emitWithAck(event, argument)
      .catch((/** @type {unknown} */ cause) => {
        throw unreachable(cause);
      });
    if (answer?.ok) return answer;
    throw this.#noted(told(answer?.error));
  }

  // --- HTTP -------------------------------------------------------------------------------------------------------

  /**
   * A room's call while the socket is up, its HTTP twin otherwise.
   *
   * @param {string} event @param {string} method @param {string} path @param {string} uploadId
   * @returns {Promise<{state?: Message}>}
   */
  async #control(event, method, path, uploadId) {
    return this.#socket?.connected ? this.#emit(event, { uploadId }) : this.#request(method, path);
  }

  /**
   * @param {string} method @param {string} path @param {File | object} [body] @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async #request(method, path, body, signal) {
    const isFile = body instanceof Blob;
    const headers = new Headers({ accept: "application/json" });
    if (body) headers.set("content-type", isFile ? body.type || "application/octet-stream" : "application/json");
    if (this.#token) headers.set("authorization", `Bearer ${this.#token}`);
    const until = isFile ? signal : (signal ?? AbortSignal.timeout(ANSWER_MS));
    const target = new URL(path, this.#url);
    const sent = isFile ? body : body && JSON.stringify(body);
    const response = await fetch(target, { method, headers, body: sent, signal: until }).catch((cause) => {
      throw unreachable(cause);
    });
    const answer = await response.json().catch(() => null);
    if (response.ok && answer !== null) return answer;
    throw this.#noted(told(answer?.error, response.status));
  }

  /** @param {RoomcastError} failure @returns {RoomcastError} */
  #noted(failure) {
    if (failure.code === "UNAUTHENTICATED") this.dispatchEvent(new CustomEvent("unauthenticated", { detail: failure }));
    return failure;
  }

  // --- while there is no socket -----------------------------------------------------------------------------------

  /** @param {number} delay */
  #pollAfter(delay) {
    clearTimeout(this.#pollTimer);
    if (this.#closed) return;
    this.#pollTimer = setTimeout(() => void this.#poll(delay), delay);
  }

  /** @param {number} previousDelay */
  async #poll(previousDelay) {
    const open = [...this.#uploads.values()].filter(
      (upload) => !isFinished(upload.state) && upload.error?.retryable !== false,
    );
    const before = open.map((upload) => upload.state?.updatedAt);
    const reached = await Promise.all(open.map((upload) => upload.refresh()));
    if (this.#closed || this.#socket?.connected) return;
    if (open.length) this.#become(reached.some(Boolean) ? "polling" : "reconnecting");
    const moved = open.some((upload, index) => upload.state?.updatedAt !== before[index]);
    this.#pollAfter(moved || previousDelay === GRACE_MS ? POLL_MS.first : Math.min(previousDelay * 1.5, POLL_MS.last));
  }

  /** @param {ConnectionState} state */
  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event("statechange"));
  }
}
