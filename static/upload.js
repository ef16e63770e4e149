import { RoomcastError, asRoomcastError, cancelled } from "./failure.js";
import { sendParts } from "./direct.js";
import { withAddresses } from "./links.js";
import { isFinished, judge, positionAfter, positionAt } from "./merge.js";
import { alone, begunAs, leftBehind, noteBegun, noteOver } from "./unfinished.js";

/** @typedef {import("./roomcast.js").Message} Message */

/** @typedef {(signal: AbortSignal) => Promise<void>} SendInPieces   What has arrived when it is aborted stays. */

/**
 * @typedef {object} Ways   What an upload may ask of its connection.
 * @property {(signal: AbortSignal) => Promise<() => void>} turn
 * @property {(upload: Upload) => Promise<void>} enter
 * @property {(uploadId: string) => boolean} knows
 * @property {(file: File, uploadId: string) => Promise<SendInPieces | null>} inPieces   Null where that cannot be done.
 * @property {(upload: Upload) => Promise<void>} join
 * @property {(upload: Upload) => Promise<void>} leave
 * @property {(link: string) => string} address   A link of the server's, as a whole address.
 * @property {(method: string, path: string, body?: File | object, signal?: AbortSignal) => Promise<any>} request
 * @property {(event: string, method: string, path: string, uploadId: string) => Promise<{state?: Message}>} control
 */

/**
 * @template T
 * @typedef {object} Deferred
 * @property {Promise<T>} promise
 * @property {(value: T) => void} resolve
 * @property {(reason: RoomcastError) => void} reject
 * @property {boolean} settled
 */

const IN_ONE_GO_BYTES = 1024 * 1024; // up to here one request is cheaper than the two of a start in pieces
const GONE = new Set(["NOT_FOUND", "FORBIDDEN"]);
const BUSY_MS = { first: 2_000, last: 15_000 }; // between tries for a place when the server has too many uploads

/**
 * One upload, as this client knows it. Made by `Roomcast.upload` and `Roomcast.watch`.
 *
 * Events: `message` with every message that is taken as `detail`, and `change` whenever a property did.
 */
export class Upload extends EventTarget {
  /** The id; null until the server gave one. @type {string | null} */
  id = null;
  /** The file, while this client holds it. @type {File | null} */
  file = null;
  /** The latest message taken; null until there is one. @type {Message | null} */
  state = null;
  /** What this client ran into; what the server reports is in `state.error`. @type {RoomcastError | null} */
  error = null;
  /**
   * Whether bytes are yet to leave this client, and whether they are leaving.
   *
   * @type {"no" | "waiting" | "now" | "paused"}
   */
  sending = "no";
  /** Whether the server waits for bytes that only `send(file)` can bring. */
  needsFile = false;
  /** Whether a join is on its way. */
  joining = false;

  /** @type {Ways} */ #ways;
  /** @type {string | undefined} */ #type;
  /** @type {boolean} */ #direct;
  /** Where the file's parts go, while the server expects them there. @type {import("./direct.js").Parts | null} */
  #parts = null;
  #inPieces = false;
  #looksForFile = false;
  /** @type {import("./merge.js").Position} */ #position;
  /** @type {Message[]} */ #heardWhileJoining = [];
  /** @type {AbortController} */ #stop = new AbortController();
  /** @type {Deferred<Message>} */ #ending = deferred();

  /**
   * @param {Ways} ways
   * @param {{id?: string, file?: File, type?: string, direct?: boolean, since?: number, epoch?: string,
   *          onProgress?: (state: Message) => void}} options
   */
  constructor(ways, { id, file, type, direct, since, epoch, onProgress }) {
    super();
    this.#ways = ways;
    this.id = id ?? null;
    this.file = file ?? null;
    this.#type = type;
    this.#direct = direct ?? false;
    if (onProgress) this.addEventListener("message", (event) => onProgress(/** @type {CustomEvent} */ (event).detail));
    this.#position = positionAt(epoch, since);
  }

  /** Where the server tells of it. */
  get path() {
    return pathOf(/** @type {string} */ (this.id));
  }

  /** The last position taken, as `watch` and `join-upload` want it. @returns {{since?: number, epoch?: string}} */
  get position() {
    const { epoch, seq } = this.#position;
    return epoch === undefined ? {} : { since: seq, epoch };
  }

  /** Whether `pause` can be had: what is sent already must not be lost by it. */
  get pausable() {
    return this.sending === "waiting" || (this.sending === "now" && this.#inPieces);
  }

  /** Resolves with the completed message; rejects with a `RoomcastError` when the upload fails or is cancelled. */
  get finished() {
    return this.#ending.promise;
  }

  /** Reserve, unless the file was begun before, join the room, send. Never rejects. */
  async start() {
    const { signal } = this.#renew();
    this.sending = "waiting";
    this.#changed();
    const done = await this.#turn(signal);
    try {
      if (this.id === null) await this.#goOn(signal);
      if (this.id === null) await this.#reserve(signal);
      if (!signal.aborted) await this.#put(signal);
    } catch (error) {
      if (!signal.aborted) this.fail(asRoomcastError(error));
    } finally {
      done();
    }
  }

  /** Bring the bytes that the server waits for. Never rejects. @param {File} file */
  async send(file) {
    this.file = file;
    this.needsFile = false;
    await this.start();
  }

  /** Stop sending for a while; what has arrived stays, and others may be sent. Nothing happens unless `pausable`. */
  pause() {
    if (!this.pausable) return;
    this.#stop.abort();
    this.sending = "paused";
    this.#changed();
  }

  /** Go on after `pause`. Nothing happens otherwise. */
  resume() {
    if (this.sending === "paused") void this.start();
  }

  /** Cancel; resolves once the work has really stopped. @returns {Promise<void>} */
  async cancel() {
    if (this.id === null) {
      this.#stop.abort();
      return this.fail(cancelled());
    }
    try {
      await this.#ways.control("cancel-upload", "DELETE", this.path, this.id);
      this.error = null;
    } finally {
      this.#stopSending(); // only now: a body cut off before the server knows why counts as a broken connection
    }
    await this.refresh();
  }

  /** Start over, sending the bytes again when the server no longer has them. @returns {Promise<void>} */
  async retry() {
    if (this.id === null) return void this.start();
    if (isFinished(this.state)) {
      const { state } = await this.#ways.control("retry-upload", "POST", `${this.path}/retry`, this.id);
      if (state) this.#take(state, false);
      void this.rejoin(); // the room closed some time after the end
    }
    this.error = null;
    if (this.state && this.state.stage !== "receiving") return this.#changed();
    if (this.file) return void this.start();
    this.needsFile = true;
    this.#changed();
  }

  /** Read the state once. Never rejects. @returns {Promise<boolean>} whether the server answered */
  async refresh() {
    if (this.id === null) return false;
    try {
      this.#told([await this.#ways.request("GET", this.path)]);
    } catch (error) {
      const failure = asRoomcastError(error);
      if (failure.code === "NETWORK") return false;
      if (!failure.retryable) this.fail(failure);
    }
    return true;
  }

  /** Join the room anew, should it have closed after the end. @returns {Promise<void>} */
  rejoin() {
    return this.#ways.join(this);
  }

  /** Stop watching; it is no longer among the connection's `uploads`. @returns {Promise<void>} */
  leave() {
    return this.#ways.leave(this);
  }

  // --- called by the connection -----------------------------------------------------------------------------------

  /**
   * What the room says, or a stream.
   *
   * @param {Message} message
   * @param {boolean} [live]   Whether a hole in the events' numbers means that one was lost, as it does in a room.
   * @returns {boolean} false when an event before it is missing
   */
  hear(message, live = true) {
    if (this.joining) this.#heardWhileJoining.push(message);
    else return this.#take(message, live);
    return true;
  }

  /** The answer to a join. @param {Message} state @param {Message[]} events */
  joined(state, events) {
    this.joining = false;
    this.#told([...events, state, ...this.#heardWhileJoining.splice(0)]);
  }

  /** This client cannot go on with the upload. @param {RoomcastError} error */
  fail(error) {
    this.error = error;
    this.sending = "no";
    this.#ending.reject(error);
    this.#changed();
  }

  // --- sending ----------------------------------------------------------------------------------------------------

  /** A turn that a cancel need not wait for. @param {AbortSignal} signal @returns {Promise<() => void>} */
  async #turn(signal) {
    const aborted = new Promise((go) => signal.addEventListener("abort", () => go(() => {}), { once: true }));
    return Promise.race([this.#ways.turn(signal), aborted]);
  }

  /**
   * Take up the upload as which the file was begun in this browser, if the server waits for the rest of it.
   *
   * @param {AbortSignal} signal
   */
  async #goOn(signal) {
    const file = /** @type {File} */ (this.file);
    const begun = this.#direct ? null : begunAs(file, this.#type);
    if (begun === null || this.#ways.knows(begun)) return;
    const state = await this.#ways.request("GET", pathOf(begun)).catch((error) => {
      if (!GONE.has(asRoomcastError(error).code)) throw error;
    });
    if (signal.aborted) return;
    if (state?.stage === "receiving") await this.#placed(begun);
    else noteOver(file, this.#type);
  }

  /** @param {AbortSignal} signal */
  async #reserve(signal) {
    const file = /** @type {File} */ (this.file);
    const body = { type: this.#type, direct: this.#direct, files: [{ filename: file.name, size: file.size }] };
    for (let delay = BUSY_MS.first; !signal.aborted; delay = Math.min(delay * 2, BUSY_MS.last)) {
      try {
        const { uploads } = await this.#ways.request("POST", "/api/uploads", body);
        this.#parts = this.#direct ? uploads[0] : null;
        const { uploadId } = uploads[0];
        if (signal.aborted) return void this.#ways.request("DELETE", pathOf(uploadId)).catch(() => {}); // give it back
        if (!this.#direct) noteBegun(file, this.#type, uploadId);
        return await this.#placed(uploadId);
      } catch (error) {
        if (asRoomcastError(error).code !== "TOO_MANY") throw error;
        await pause(delay, signal); // others of ours have to end first
      }
    }
  }

  /** @param {string} id */
  async #placed(id) {
    this.id = id;
    this.#changed();
    await this.#ways.enter(this);
  }

  /** @param {AbortSignal} signal */
  async #put(signal) {
    this.sending = "now";
    this.#changed();
    try {
      const { state } = await alone(/** @type {string} */ (this.id), () => this.#bytes(signal));
      if (!this.#knows(state)) this.#take(state, false);
      noteOver(/** @type {File} */ (this.file), this.#type);
      if (!signal.aborted) this.sending = "no";
    } catch (error) {
      if (signal.aborted) return; // whoever stopped it tells the rest
      if (isTakenOver(error)) return this.#giveUp();
      this.sending = "no";
      await this.refresh(); // the server may know better: it was too large, or every byte did arrive
      if (signal.aborted || this.error || (this.state && this.state.stage !== "receiving")) return;
      throw error;
    } finally {
      this.#changed();
    }
  }

  /** The bytes themselves, to the server or to the bucket. @param {AbortSignal} signal @returns {Promise<any>} */
  async #bytes(signal) {
    const file = /** @type {File} */ (this.file);
    const parts = this.#parts;
    this.#parts = null; // a retry goes through the server
    this.#inPieces = false;
    if (parts) return sendParts(file, parts, this.#ways.request, signal);
    const send = file.size > IN_ONE_GO_BYTES ? await this.#ways.inPieces(file, /** @type {string} */ (this.id)) : null;
    this.#inPieces = send !== null;
    if (!send) return this.#ways.request("PUT", `${this.path}/content`, file, signal);
    this.#changed();
    await send(signal);
    return { state: await this.#ways.request("GET", this.path) };
  }

  /** Another tab has been given the file, and goes on with it. */
  #giveUp() {
    this.file = null;
    this.#stopSending();
  }

  #stopSending() {
    this.#stop.abort();
    this.sending = "no";
    this.#changed();
  }

  // --- state ------------------------------------------------------------------------------------------------------

  /** A new beginning, and the controller that stops it. */
  #renew() {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.error = null;
    if (this.#ending.settled) this.#ending = deferred();
    return this.#stop;
  }

  /** What the server answered. @param {Message[]} messages */
  #told(messages) {
    const admitted = this.error?.code === "UNAUTHENTICATED"; // the token is good now
    if (admitted) this.error = null;
    for (const message of messages) this.#take(message, false);
    if (admitted && this.file && this.state?.stage === "receiving") void this.start();
  }

  /** Whether its event has been heard of: then what came after it may have been, too, such as a place in the queue.
   * @param {Message} message */
  #knows({ epoch, seq }) {
    return this.state?.epoch === epoch && this.state.seq >= seq;
  }

  /** @param {Message} message @param {boolean} live @returns {boolean} */
  #take(message, live) {
    const verdict = judge(this.#position, message, live);
    if (verdict !== "take") return verdict === "drop";
    this.#position = positionAfter(message);
    if (arrives(message, this.state)) this.needsFile = false;
    const state = withAddresses(message, this.#ways.address);
    this.state = state;
    if (state.stage !== "receiving") this.#arrived();
    else if (!this.file) void this.#lookForFile();
    this.#settle(state);
    this.dispatchEvent(new CustomEvent("message", { detail: state }));
    this.#changed();
    return true;
  }

  /** All bytes are there, whoever brought them. */
  #arrived() {
    this.needsFile = false;
    if (this.sending === "paused") this.sending = "no";
    if (this.error?.code === "NETWORK") this.error = null; // what seemed lost has arrived after all
  }

  /** A file that was begun in this browser, and that no tab is sending any more, has to be given again. */
  async #lookForFile() {
    if (this.#looksForFile) return;
    this.#looksForFile = true;
    const left = await leftBehind(/** @type {string} */ (this.id));
    this.#looksForFile = false;
    if (!left || this.file || this.state?.stage !== "receiving") return;
    this.needsFile = true;
    this.#changed();
  }

  /** @param {Message} message */
  #settle(message) {
    if (!isFinished(message)) {
      if (this.#ending.settled && !this.error) this.#ending = deferred(); // another client started it over
      return;
    }
    if (this.sending !== "no") this.#stopSending();
    if (message.status === "completed") return this.#ending.resolve(message);
    const { code, message: words, retryable } = message.error ?? { code: "INTERNAL", message: message.message };
    this.#ending.reject(new RoomcastError(code, words, { retryable }));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @returns {Deferred<any>} */
function deferred() {
  const self = /** @type {Deferred<any>} */ ({ settled: false });
  self.promise = new Promise((resolve, reject) => {
    self.resolve = (value) => void ((self.settled = true), resolve(value));
    self.reject = (reason) => void ((self.settled = true), reject(reason));
  });
  self.promise.catch(() => {}); // whoever does not ask how it ended need not hear of it
  return self;
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** Whether somebody is sending. @param {Message} message @param {Message | null} before */
function arrives({ bytesReceived }, before) {
  return before !== null && (bytesReceived ?? 0) > (before.bytesReceived ?? 0);
}

/** Whether another tab holds the upload now. @param {unknown} error */
function isTakenOver(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/** @param {string} id */
function pathOf(id) {
  return `/api/uploads/${encodeURIComponent(id)}`;
}
