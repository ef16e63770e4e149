/**
 * The connection to a server: the socket, its rooms, and the uploads that are watched over it.
 *
 * Each upload's room is joined before the first byte is sent, joined again with the last position after a reconnect,
 * and replaced by an event stream or by polling while there is no socket.
 *
 * @typedef {import("../protocol/messages.js").Message} Message
 * @typedef {import("./aggregate.js").Aggregate} Aggregate
 * @typedef {import("./upload.js").UploadHost} UploadHost
 *
 * @typedef {"online" | "streaming" | "polling" | "reconnecting"} ConnectionState
 *   `online`: the socket is connected. `streaming`: it is not, but event streams are. `polling`: neither is, but the
 *   server answers. `reconnecting`: the server cannot be reached.
 */

import { RoomcastError, asRoomcastError, errorFromResponse, networkError } from "../protocol/errors.js";
import { Http } from "../protocol/http.js";
import { isTerminal } from "../protocol/messages.js";
import { loadSocketIo, loadTus } from "../shared/lazy-import.js";
import { defaultServer } from "../shared/server.js";
import { aggregateOf } from "./aggregate.js";
import { Fallback } from "./fallback.js";
import { sendResumable } from "../sending/resumable.js";
import { unfinishedUploadId } from "../sending/resume-store.js";
import { Semaphore } from "../sending/semaphore.js";
import { Upload } from "./upload.js";

const REJOIN_MS = 2_000;
const REFUSED_MS = 5_000; // before a socket that the server refused is opened again
const ACK_TIMEOUT_MS = 25_000; // a cancel is acknowledged only when the work has stopped
const CONCURRENT_SENDS = 3; // a browser opens six connections to a host; cancel and polling need some of them

/**
 * Connect to a Roomcast server. Returns at once; see `state` and the `statechange` event.
 *
 * @param {object} [options]
 * @param {string | URL} [options.url]   The server, with its prefix if it is mounted under one; by default the server
 *   that this module was loaded from. A relative URL is relative to the page.
 * @param {string} [options.token]       A bearer token, if the server requires authentication.
 * @param {Function} [options.io]        The `io` of socket.io-client; by default it is loaded.
 * @param {object} [options.tus]         The module tus-js-client; by default it is loaded when a large file is sent.
 * @returns {Roomcast}
 */
export function connect({ url, token, io, tus } = {}) {
  const server = url === undefined ? defaultServer() : new URL(url, globalThis.document?.baseURI);
  return new Roomcast(server, token, io, tus);
}

/**
 * A connection to a server, and the uploads that are watched over it.
 *
 * Events:
 * - `statechange`: `state` has changed.
 * - `uploadadded`, `uploadremoved` with the `Upload` as `detail`: `uploads` has changed.
 * - `change`: an upload, the `aggregate` or the set of uploads has changed.
 * - `unauthenticated` with the `RoomcastError` as `detail`: the server requires a valid `token`.
 */
export class Roomcast extends EventTarget {
  /** @type {Http} */ #http;
  /** @type {Fallback} */ #fallback;
  /** @type {any} */ #socket = null;
  /** @type {ConnectionState} */ #state = "reconnecting";
  /** In the order in which they were started or first watched. @type {Set<Upload>} */ #uploads = new Set();
  /** The uploads that have an id, by id. @type {Map<string, Upload>} */ #rooms = new Map();
  /** @type {Aggregate | null} */ #aggregate = null;
  /** The last progress of the current set of uploads. */ #lastProgress = 0;
  /** @type {object | undefined} */ #tus;
  #slots = new Semaphore(CONCURRENT_SENDS);
  #closed = false;
  /** Whether the page is being left, when the socket loses what is still to be sent. */ #leaving = false;

  /** Use `connect`. @param {URL} url @param {string} [token] @param {Function} [io] @param {object} [tus] */
  constructor(url, token, io, tus) {
    super();
    if (!/^https?:$/.test(url.protocol)) throw new TypeError("The URL of the server is needed: https://media.example.");
    this.#tus = tus;
    this.#http = new Http(url, token, (error) => void this.#reportUnauthenticated(error));
    this.#fallback = new Fallback(this.#http, () => this.#openUploads(), (state) => this.#setState(state));
    this.#fallback.start();
    for (const event of ["offline", "online"]) globalThis.addEventListener?.(event, this.#networkChanged);
    // Before the listeners of the elements, whose calls are the last ones.
    for (const event of ["pagehide", "pageshow"]) globalThis.addEventListener?.(event, this.#leavingChanged, true);
    void this.#openSocket(io);
  }

  /** The state of the connection. */
  get state() {
    return this.#state;
  }

  /** The URL of the server. */
  get url() {
    return this.#http.serverUrl.href;
  }

  /** The bearer token; setting it reconnects. */
  get token() {
    return this.#http.token;
  }

  set token(token) {
    this.#http.token = token;
    this.#reconnect();
  }

  /**
   * The uploads that were started or watched over this connection, oldest first, until their `leave()`.
   *
   * @returns {readonly Upload[]}
   */
  get uploads() {
    return [...this.#uploads];
  }

  /** The combined state of `uploads`. @returns {Aggregate} */
  get aggregate() {
    this.#aggregate ??= aggregateOf(this.uploads, this.#lastProgress);
    this.#lastProgress = this.#aggregate.progress;
    return this.#aggregate;
  }

  /**
   * Send a file and watch its upload. Three files are sent at a time, the others wait. A file that this browser has
   * sent in part before is resumed; if that upload is already watched, its `Upload` is returned.
   *
   * @param {File} file
   * @param {object} [options]
   * @param {string} [options.type]                           The template; by default the server's.
   * @param {boolean} [options.direct]                        Send the bytes straight to the server's S3 bucket.
   * @param {Record<string, any>} [options.metadata]          At most 4 KiB of JSON, which every message has.
   * @param {(state: Message) => void} [options.onProgress]   Called with every message that is applied.
   * @param {AbortSignal} [options.signal]                    Cancels the upload.
   * @returns {Upload}
   */
  upload(file, { type, direct, metadata, onProgress, signal } = {}) {
    const unfinished = direct ? null : this.#watchedWithoutFile(file, type);
    const upload = unfinished ?? this.#add(new Upload(this.#host, { file, type, direct, metadata }));
    if (onProgress) upload.addEventListener("message", (event) => onProgress(/** @type {any} */ (event).detail));
    signal?.addEventListener("abort", () => void upload.cancel().catch(() => {}), { once: true });
    if (signal?.aborted) void upload.cancel().catch(() => {});
    else void (unfinished ? unfinished.send(file) : upload.start());
    return upload;
  }

  /**
   * Watch an existing upload. With `since` and `epoch`, the events after that position are replayed first.
   *
   * @param {string} uploadId
   * @param {object} [options]
   * @param {number} [options.since]
   * @param {string} [options.epoch]
   * @param {number} [options.addedAt]   When the upload was added, in milliseconds since 1970; by default now.
   * @param {(state: Message) => void} [options.onProgress]
   * @returns {Upload}
   */
  watch(uploadId, { since, epoch, addedAt, onProgress } = {}) {
    const watched = this.#rooms.get(uploadId);
    if (watched) return watched;
    const upload = this.#add(new Upload(this.#host, { id: uploadId, since, epoch, addedAt, onProgress }));
    void this.#register(upload);
    return upload;
  }

  /** Cancel an upload. Resolves when its work has stopped. @param {string} uploadId @returns {Promise<void>} */
  cancel(uploadId) {
    return this.watch(uploadId).cancel();
  }

  /** Start a failed or cancelled upload over. @param {string} uploadId @returns {Promise<void>} */
  retry(uploadId) {
    return this.watch(uploadId).retry();
  }

  /** Leave all rooms and close the connection. */
  close() {
    this.#closed = true;
    for (const event of ["offline", "online"]) globalThis.removeEventListener?.(event, this.#networkChanged);
    for (const event of ["pagehide", "pageshow"]) globalThis.removeEventListener?.(event, this.#leavingChanged, true);
    this.#fallback.stop();
    this.#socket?.disconnect();
    this.#rooms.clear();
  }

  // --- the uploads ------------------------------------------------------------------------------------------------

  /** @type {UploadHost} */ #host = {
    acquireSlot: (signal) => this.#slots.acquire(signal),
    register: (upload) => this.#register(upload),
    join: (upload) => this.#join(upload),
    leave: (upload) => this.#leave(upload),
    isWatched: (uploadId) => this.#rooms.has(uploadId),
    absoluteUrl: (url) => this.#http.absoluteUrl(url),
    request: (method, path, body, signal) => this.#http.request(method, path, body, signal),
    resumableSender: (file, uploadId) => this.#resumableSender(file, uploadId),
    call: (event, method, path, uploadId) => this.#call(event, method, path, uploadId),
  };

  /** @param {Upload} upload */
  #add(upload) {
    this.#uploads.add(upload);
    upload.addEventListener("change", this.#changed);
    this.#setChanged("uploadadded", upload);
    return upload;
  }

  /** @param {Upload} upload */
  #remove(upload) {
    if (!this.#uploads.delete(upload)) return;
    upload.removeEventListener("change", this.#changed);
    this.#setChanged("uploadremoved", upload);
  }

  /** @param {"uploadadded" | "uploadremoved"} event @param {Upload} upload */
  #setChanged(event, upload) {
    this.#lastProgress = 0;
    this.#aggregate = null;
    this.dispatchEvent(new CustomEvent(event, { detail: upload }));
    this.#changed();
  }

  #changed = () => {
    this.#aggregate = null;
    this.dispatchEvent(new Event("change"));
  };

  /** Return the uploads that are not terminal. */
  #openUploads() {
    const watched = [...this.#rooms.values()];
    return watched.filter((upload) => !isTerminal(upload.state) && upload.error?.retryable !== false);
  }

  /** Return the watched upload that needs this file, or null. @param {File} file @param {string} [type] */
  #watchedWithoutFile(file, type) {
    const upload = this.#rooms.get(unfinishedUploadId(file, type) ?? "");
    const needsFile = upload && !upload.file && (upload.state?.stage ?? "receiving") === "receiving";
    return needsFile ? upload : null;
  }

  // --- the socket -------------------------------------------------------------------------------------------------

  /** @param {Function} [io] */
  async #openSocket(io) {
    const open = io ?? (await loadSocketIo());
    if (!open || this.#closed) return; // without socket.io-client, the fallback does everything
    const { origin, pathname } = this.#http.serverUrl;
    this.#socket = open(origin, {
      path: `${pathname}socket.io`,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 3_000,
      timeout: 5_000,
      forceNew: true, // a shared manager would send the handshake of another token
      auth: (/** @type {Function} */ send) => send(this.token ? { token: this.token } : {}),
    });
    this.#socket.on("connect", () => {
      this.#fallback.stop();
      this.#setState("online");
      for (const upload of this.#rooms.values()) void this.#join(upload);
    });
    this.#socket.on("disconnect", (/** @type {string} */ reason) => {
      if (this.#closed || reason === "io client disconnect") return;
      this.#disconnected();
      if (!this.#socket.active) this.#connectAfter(REJOIN_MS); // the server has closed the connection on purpose
    });
    this.#socket.on("connect_error", (/** @type {any} */ error) => this.#connectFailed(error));
    this.#socket.on("upload-progress", (/** @type {Message} */ message) => this.#receive(message));
  }

  /** @param {any} cause */
  #connectFailed(cause) {
    if (this.#closed || this.#socket.active) return; // not reached: socket.io-client tries again by itself
    const error = this.#reportUnauthenticated(this.#http.withTokenRefusal(errorFromResponse(cause.data)));
    if (error.code !== "UNAUTHENTICATED") this.#connectAfter(REFUSED_MS);
  }

  #disconnected() {
    this.#setState("reconnecting");
    this.#fallback.start();
  }

  #reconnect() {
    this.#disconnected();
    this.#socket?.disconnect().connect();
  }

  /**
   * Reconnect at once when the network is back: socket.io-client would wait for its backoff first. And disconnect when
   * it is gone: of several sockets in a page, socket.io-client notifies only every other one.
   *
   * @param {Event} event
   */
  #networkChanged = ({ type }) => {
    for (const upload of this.#uploads) {
      if (type === "offline") upload.networkLost();
      else upload.connectionRestored();
    }
    if (this.#socket?.connected === (type === "offline")) this.#reconnect();
  };

  /** @param {Event} event */
  #leavingChanged = ({ type }) => {
    this.#leaving = type === "pagehide";
  };

  /** @param {number} delay */
  #connectAfter(delay) {
    setTimeout(() => this.#closed || this.#socket.connect(), delay);
  }

  /** @param {Message} message */
  #receive(message) {
    const upload = this.#rooms.get(message.uploadId);
    if (upload && !upload.receive(message)) void this.#join(upload); // an event was lost: request a replay
  }

  /** @param {Upload} upload */
  #register(upload) {
    if (!this.#uploads.has(upload)) return Promise.resolve(); // it was left before it had an id
    this.#rooms.set(/** @type {string} */ (upload.id), upload);
    return this.#join(upload);
  }

  /**
   * Join the upload's room and apply the acknowledgement. Messages that arrive before it are queued, then deduplicated.
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
      this.#joinFailed(upload, asRoomcastError(error));
    }
  }

  /** @param {Upload} upload @param {RoomcastError} error */
  #joinFailed(upload, error) {
    upload.joining = false;
    if (!error.retryable) upload.fail(error);
    else if (this.#socket.connected) setTimeout(() => void this.#join(upload), REJOIN_MS);
  }

  /** @param {Upload} upload */
  async #leave(upload) {
    this.#remove(upload);
    const uploadId = /** @type {string} */ (upload.id);
    if (this.#rooms.get(uploadId) !== upload) return;
    this.#rooms.delete(uploadId);
    if (this.#socket?.connected) await this.#emit("leave-upload", { uploadId }).catch(() => {});
  }

  /** Emit an event and return its acknowledgement. @param {string} event @param {object} argument */
  async #emit(event, argument) {
    const ack = await this.#socket
      .timeout(ACK_TIMEOUT_MS)
      .emitWithAck(event, argument)
      .catch((/** @type {unknown} */ cause) => {
        throw networkError(cause);
      });
    if (ack?.ok) return ack;
    throw this.#reportUnauthenticated(this.#http.withTokenRefusal(errorFromResponse(ack?.error)));
  }

  // --- HTTP -------------------------------------------------------------------------------------------------------

  /**
   * Call over the socket if it is connected, else with the equivalent HTTP request, which also outlives the page.
   *
   * @param {string} event @param {string} method @param {string} path @param {string} uploadId
   * @returns {Promise<{state?: Message}>}
   */
  async #call(event, method, path, uploadId) {
    const hasSocket = this.#socket?.connected && !this.#leaving;
    return hasSocket ? this.#emit(event, { uploadId }) : this.#http.request(method, path);
  }

  /** @param {File} file @param {string} uploadId */
  async #resumableSender(file, uploadId) {
    const tus = this.#tus ?? (await loadTus());
    const path = `api/tus/${encodeURIComponent(uploadId)}`;
    /** @type {import("./upload.js").ResumableSender} */
    const send = (signal, onProgress) => sendResumable(tus, file, path, this.#http, signal, onProgress);
    return tus && send;
  }

  /** Dispatch `unauthenticated` if the error says so. @param {RoomcastError} error @returns {RoomcastError} */
  #reportUnauthenticated(error) {
    if (error.code === "UNAUTHENTICATED") this.dispatchEvent(new CustomEvent("unauthenticated", { detail: error }));
    return error;
  }

  /** @param {ConnectionState} state */
  #setState(state) {
    if (state === this.#state) return;
    const before = this.#state;
    this.#state = state;
    if (state === "reconnecting") for (const upload of this.#uploads) upload.connectionLost();
    if (before === "reconnecting") for (const upload of this.#uploads) upload.connectionRestored();
    this.dispatchEvent(new Event("statechange"));
  }
}
