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
 * reconnect, and replaced by a stream, or by polling, while no socket can be had. Whatever the way, an upload's `state`
 * is the latest message of the server and never runs backwards. Files of more than 1 MiB go in pieces: they can be
 * paused, outlast a lost connection, and go on after a reload when the same file is given again. Failures are
 * `RoomcastError`s; no promise is left to reject unheard.
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
 * @property {string} url      whole, whatever the server sent
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
 * @property {{path?: string}} metadata   what its client said of the file: the folder of its results
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
 * @typedef {import("./aggregate.js").Aggregate} Aggregate
 *
 * @typedef {"online" | "streaming" | "polling" | "reconnecting"} ConnectionState
 *   `online`: the rooms speak. `streaming`: they do not, but streams bring the same. `polling`: neither, but the server
 *   answers. `reconnecting`: nothing is heard of it.
 */

import { aggregateOf } from "./aggregate.js";
import { RoomcastError, asRoomcastError, told, unreachable } from "./failure.js";
import { Fallback } from "./fallback.js";
import { Http } from "./http.js";
import { isFinished } from "./merge.js";
import { loadTus, sendInPieces } from "./resumable.js";
import { loadSocketIo } from "./socket-io.js";
import { Turns } from "./turns.js";
import { begunAs } from "./unfinished.js";
import { Upload } from "./upload.js";

export { RoomcastError, Upload };

const REJOIN_MS = 2_000;
const REFUSED_MS = 5_000; // before a refused socket is tried again
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
 * Events:
 * - `statechange`: how the connection fares.
 * - `uploadadded`, `uploadremoved` with `detail` the `Upload`: `uploads` is another set now.
 * - `change`: an upload, and with it perhaps the `aggregate`, has moved, or the set has.
 * - `unauthenticated` with `detail` the `RoomcastError`: the server wants a token that it has not got; set `token`.
 */
export class Roomcast extends EventTarget {
  /** @type {Http} */ #http;
  /** @type {Fallback} */ #fallback;
  /** @type {any} */ #socket = null;
  /** @type {ConnectionState} */ #state = "reconnecting";
  /** In the order in which they were begun or first watched. @type {Set<Upload>} */ #uploads = new Set();
  /** Those that have an id. @type {Map<string, Upload>} */ #rooms = new Map();
  /** @type {Aggregate | null} */ #aggregate = null;
  /** The progress that was last told of these uploads. */ #told = 0;
  #turns = new Turns(SENDS_AT_ONCE);
  #closed = false;

  /** Use `connect`. @param {URL} url @param {string} [token] @param {Function} [io] */
  constructor(url, token, io) {
    super();
    this.#http = new Http(url, token, (failure) => void this.#noted(failure));
    this.#fallback = new Fallback(this.#http, () => this.#unfinished(), (state) => this.#become(state));
    this.#fallback.start();
    for (const event of ["offline", "online"]) globalThis.addEventListener(event, this.#networkChanged);
    void this.#open(io);
  }

  /** How the connection fares. */
  get state() {
    return this.#state;
  }

  /** The bearer token; setting it connects anew as that viewer. */
  get token() {
    return this.#http.token;
  }

  set token(token) {
    this.#http.token = token;
    this.#connectAnew();
  }

  /**
   * The uploads that were begun or watched over this connection, oldest first, each until its `leave()`.
   *
   * @returns {readonly Upload[]}
   */
  get uploads() {
    return [...this.#uploads];
  }

  /** What `uploads` come to together. @returns {Aggregate} */
  get aggregate() {
    this.#aggregate ??= aggregateOf(this.uploads, this.#told);
    this.#told = this.#aggregate.progress;
    return this.#aggregate;
  }

  /**
   * Send a file and watch it. Few files are sent at once; the others wait their turn. A file of which a part was sent
   * from this browser before goes on as that upload: the `Upload` that is watched already, if there is one.
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
    const begun = direct ? null : this.#waitingFor(file, type);
    const upload = begun ?? this.#add(new Upload(this.#ways, { file, type, direct }));
    if (onProgress) upload.addEventListener("message", (event) => onProgress(/** @type {any} */ (event).detail));
    signal?.addEventListener("abort", () => void upload.cancel().catch(() => {}), { once: true });
    if (signal?.aborted) void upload.cancel().catch(() => {});
    else void (begun ? begun.send(file) : upload.start());
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
    const known = this.#rooms.get(uploadId);
    if (known) return known;
    const upload = this.#add(new Upload(this.#ways, { id: uploadId, since, epoch, onProgress }));
    void this.#enter(upload);
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
    for (const event of ["offline", "online"]) globalThis.removeEventListener(event, this.#networkChanged);
    this.#fallback.stop();
    this.#socket?.disconnect();
    this.#rooms.clear();
  }

  // --- the uploads ------------------------------------------------------------------------------------------------

  // What an upload may ask of its connection.
  /** @type {Ways} */ #ways = {
    turn: (signal) => this.#turns.take(signal),
    enter: (upload) => this.#enter(upload),
    join: (upload) => this.#join(upload),
    leave: (upload) => this.#leave(upload),
    knows: (uploadId) => this.#rooms.has(uploadId),
    address: (link) => this.#http.link(link),
    request: (method, path, body, signal) => this.#http.request(method, path, body, signal),
    inPieces: (file, uploadId) => this.#inPieces(file, uploadId),
    control: (event, method, path, uploadId) => this.#control(event, method, path, uploadId),
  };

  /** @param {Upload} upload */
  #add(upload) {
    this.#uploads.add(upload);
    upload.addEventListener("change", this.#moved);
    this.#setChanged("uploadadded", upload);
    return upload;
  }

  /** @param {Upload} upload */
  #remove(upload) {
    if (!this.#uploads.delete(upload)) return;
    upload.removeEventListener("change", this.#moved);
    this.#setChanged("uploadremoved", upload);
  }

  /** @param {"uploadadded" | "uploadremoved"} event @param {Upload} upload */
  #setChanged(event, upload) {
    this.#told = 0;
    this.#aggregate = null;
    this.dispatchEvent(new CustomEvent(event, { detail: upload }));
    this.#moved();
  }

  #moved = () => {
    this.#aggregate = null;
    this.dispatchEvent(new Event("change"));
  };

  /** Of which more is to be heard. */
  #unfinished() {
    const watched = [...this.#rooms.values()];
    return watched.filter((upload) => !isFinished(upload.state) && upload.error?.retryable !== false);
  }

  /** One that lacks the file, or the rest of it. @param {File} file @param {string} [type] @returns {Upload | null} */
  #waitingFor(file, type) {
    const upload = this.#rooms.get(begunAs(file, type) ?? "");
    const waits = upload && !upload.file && (upload.state?.stage ?? "receiving") === "receiving";
    return waits ? upload : null;
  }

  // --- the socket -------------------------------------------------------------------------------------------------

  /** @param {Function} [io] */
  async #open(io) {
    const open = io ?? (await loadSocketIo());
    if (!open || this.#closed) return; // without a client, what stands in is all there is
    this.#socket = open(this.#http.address("/").origin, {
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 3_000,
      timeout: 5_000,
      forceNew: true, // a shared manager would keep the handshake of another token
      auth: (/** @type {Function} */ give) => give(this.token ? { token: this.token } : {}),
    });
    this.#socket.on("connect", () => {
      this.#fallback.stop();
      this.#become("online");
      for (const upload of this.#rooms.values()) void this.#join(upload);
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
    if (failure.code !== "UNAUTHENTICATED") this.#connectAfter(REFUSED_MS);
  }

  #away() {
    this.#become("reconnecting");
    this.#fallback.start();
  }

  #connectAnew() {
    this.#away();
    this.#socket?.disconnect().connect();
  }

  /**
   * socket.io-client waits out its delay when the network is back, and only every other socket of a page is told by it
   * that the network is gone.
   *
   * @param {Event} event
   */
  #networkChanged = ({ type }) => {
    if (this.#socket?.connected === (type === "offline")) this.#connectAnew();
  };

  /** @param {number} delay */
  #connectAfter(delay) {
    setTimeout(() => this.#closed || this.#socket.connect(), delay);
  }

  /** @param {Message} message */
  #heard(message) {
    const upload = this.#rooms.get(message.uploadId);
    if (upload && !upload.hear(message)) void this.#join(upload); // an event was lost on the way: ask for it
  }

  /** @param {Upload} upload */
  #enter(upload) {
    if (!this.#uploads.has(upload)) return Promise.resolve(); // left before it had an id
    this.#rooms.set(/** @type {string} */ (upload.id), upload);
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
    this.#remove(upload);
    const uploadId = /** @type {string} */ (upload.id);
    if (this.#rooms.get(uploadId) !== upload) return;
    this.#rooms.delete(uploadId);
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
    return this.#socket?.connected ? this.#emit(event, { uploadId }) : this.#http.request(method, path);
  }

  /** To the upload's `tusUrl`. @param {File} file @param {string} uploadId */
  async #inPieces(file, uploadId) {
    const tus = await loadTus();
    const path = `/api/tus/${encodeURIComponent(uploadId)}`;
    return tus && ((/** @type {AbortSignal} */ signal) => sendInPieces(tus, file, path, this.#http, signal));
  }

  /** @param {RoomcastError} failure @returns {RoomcastError} */
  #noted(failure) {
    if (failure.code === "UNAUTHENTICATED") this.dispatchEvent(new CustomEvent("unauthenticated", { detail: failure }));
    return failure;
  }

  /** @param {ConnectionState} state */
  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event("statechange"));
  }
}
