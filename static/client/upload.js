import { RoomcastError, asRoomcastError, cancelledError } from "../protocol/errors.js";
import { judge, positionAfter, positionAt } from "../protocol/message-order.js";
import { isTerminal, withAbsoluteUrls } from "../protocol/messages.js";
import { deferred } from "./deferred.js";
import { findUnfinished, pathOf, reserve } from "./reservation.js";
import { fileOf, handleOf } from "../sending/file-handles.js";
import { FileLock } from "../sending/file-lock.js";
import { FileSender } from "../sending/file-sender.js";
import { addUnfinished, isAbandoned, isFileOf, removeUnfinished } from "../sending/resume-store.js";

/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../sending/transfer-meter.js").Transfer} Transfer */

/** @typedef {import("../sending/file-sender.js").ResumableSender} ResumableSender */

/**
 * @typedef {object} UploadHost   The operations that an upload needs from its connection.
 * @property {(signal: AbortSignal) => Promise<() => void>} acquireSlot   Waits until the file may be sent.
 * @property {(upload: Upload) => Promise<void>} register   Joins the room of an upload that now has an id.
 * @property {(uploadId: string) => boolean} isWatched
 * @property {(file: File, uploadId: string) => Promise<ResumableSender | null>} resumableSender   Null: not supported.
 * @property {(upload: Upload) => Promise<void>} join
 * @property {(upload: Upload) => Promise<void>} leave
 * @property {(url: string) => string} absoluteUrl
 * @property {(method: string, path: string, body?: File | object, signal?: AbortSignal) => Promise<any>} request
 * @property {(event: string, method: string, path: string, uploadId: string) => Promise<{state?: Message}>} call
 *   Calls over the socket if it is connected, else over HTTP.
 */

const DELETED = new Set(["NOT_FOUND", "DELETED"]);

/**
 * One upload, as this client knows it. Created by `Roomcast.upload` and `Roomcast.watch`.
 *
 * Events: `message` with each message that was applied as `detail`, `event` with each `{name, payload, at}` of the
 * server's application as `detail`, `playable` with what can be played before the end, and `change` after every change.
 */
export class Upload extends EventTarget {
  /** The id; null until the server has assigned one. @type {string | null} */
  id = null;
  /** The file, if this client sends it. @type {File | null} */
  file = null;
  /** The latest message; null until there is one. @type {Message | null} */
  state = null;
  /** An error of this client; errors of the processing are in `state.error`. @type {RoomcastError | null} */
  error = null;
  /**
   * Whether this client is sending the file: not at all, waiting for a slot, now, interrupted until the connection is
   * back, or paused.
   *
   * @type {"no" | "waiting" | "now" | "interrupted" | "paused"}
   */
  sending = "no";
  /** Whether the server waits for bytes that this client can only send when `send(file)` is called. */
  needsFile = false;
  /** Whether the file could not be read any more while it was sent: it was changed, moved or deleted. */
  fileUnreadable = false;
  /** Whether `continueSending` can read the file again without a choice, after the person has allowed it. */
  canContinue = false;
  /** Whether a join has not been answered yet. */
  joining = false;
  /** When the upload was started, or first watched, in milliseconds since 1970. */ addedAt;

  /** @type {UploadHost} */ #host;
  /** @type {string | undefined} */ #type;
  /** @type {Record<string, any> | undefined} */ #metadata;
  /** @type {boolean} */ #direct;
  /** The bucket's URLs, until the file has been sent there. @type {import("../sending/direct-upload.js").DirectTarget | null} */
  #directTarget = null;
  #checkingForFile = false;
  /** Held from the reservation until the server has all bytes, also while sending is paused. */
  #lock = new FileLock(() => this.#yieldToOtherTab());
  #lastApplicationEvent = "";
  /** @type {import("../protocol/message-order.js").Position} */ #position;
  /** @type {Message[]} */ #receivedWhileJoining = [];
  /** @type {AbortController} */ #sender = new AbortController();
  /** @type {FileSender} */ #fileSender;
  /** The value since the last change, so that a snapshot of it stays equal. @type {{current: Transfer | null} | null} */
  #transfer = null;
  /** @type {import("./deferred.js").Deferred<Message>} */ #outcome = deferred();

  /**
   * @param {UploadHost} host
   * @param {{id?: string, file?: File, type?: string, direct?: boolean, metadata?: Record<string, any>, since?: number,
   *          epoch?: string, addedAt?: number, onProgress?: (state: Message) => void}} options
   */
  constructor(host, { id, file, type, direct, metadata, since, epoch, addedAt, onProgress }) {
    super();
    this.addedAt = addedAt ?? Date.now();
    this.#host = host;
    this.#fileSender = new FileSender(host, this, (sending) => {
      this.sending = sending;
      this.#changed();
    });
    this.id = id ?? null;
    this.file = file ?? null;
    this.#type = type;
    this.#metadata = metadata;
    this.#direct = direct ?? false;
    if (onProgress) this.addEventListener("message", (event) => onProgress(/** @type {CustomEvent} */ (event).detail));
    this.#position = positionAt(epoch, since);
  }

  /** The path of the upload in the server's HTTP API. */
  get path() {
    return pathOf(/** @type {string} */ (this.id));
  }

  /** The last applied position, as `watch` and `join-upload` accept it. @returns {{since?: number, epoch?: string}} */
  get position() {
    const { epoch, seq } = this.#position;
    return epoch === undefined ? {} : { since: seq, epoch };
  }

  /** Whether `pause` is possible: no bytes that were sent may be lost by it. */
  get pausable() {
    return this.sending === "waiting" || (this.sending === "now" && this.#fileSender.resumable);
  }

  /** How far the bytes of the file are; null unless they are being sent or received. @returns {Transfer | null} */
  get transfer() {
    this.#transfer ??= { current: this.#currentTransfer() };
    return this.#transfer.current;
  }

  /** When an interrupted transfer is tried again, in milliseconds since 1970; null unless `sending` is `interrupted`. */
  get retryAt() {
    return this.#fileSender.retryAt;
  }

  /** Resolves with the completed message; rejects with a `RoomcastError` when the upload fails or is cancelled. */
  get finished() {
    return this.#outcome.promise;
  }

  /** Reserve an upload, or resume an earlier one of the same file, join its room and send the file. Never rejects. */
  async start() {
    const { signal } = this.#restart();
    this.sending = "waiting";
    this.#changed();
    const release = await this.#acquireSlot(signal);
    try {
      if (this.id === null) await this.#findOrReserve(signal);
      if (!signal.aborted) await this.#sendFile(signal);
    } catch (error) {
      if (!signal.aborted) this.fail(asRoomcastError(error));
    } finally {
      release();
    }
  }

  /** Send the bytes that the server waits for. Never rejects. @param {File} file */
  async send(file) {
    this.file = file;
    this.needsFile = false;
    this.fileUnreadable = false;
    await this.start();
  }

  /** Send the rest of the file that was being sent before a reload, if the person allows to read it again. Called in a
   * click; never rejects. @returns {Promise<boolean>} false if it has to be chosen */
  async continueSending() {
    const { needsFile } = this; // bytes that were on their way may be reported meanwhile
    const file = await fileOf(await handleOf(/** @type {string} */ (this.id)), { ask: true });
    this.canContinue = false;
    const isWanted = needsFile && !this.file && this.state?.stage === "receiving"; // the person may have taken long
    if (file && isWanted && isFileOf(file, /** @type {string} */ (this.id))) void this.send(file);
    else this.#changed();
    return this.file !== null;
  }

  /** Stop sending until `resume`, and let other files be sent. Does nothing unless `pausable`. */
  pause() {
    if (!this.pausable) return;
    this.#sender.abort();
    this.sending = "paused";
    this.#changed();
  }

  /** Continue after `pause`. Does nothing unless paused. */
  resume() {
    if (this.sending === "paused") void this.start();
  }

  /** Cancel the upload. Resolves when its work has stopped. @returns {Promise<void>} */
  async cancel() {
    if (this.id === null) {
      this.#sender.abort();
      return this.fail(cancelledError());
    }
    try {
      await this.#host.call("cancel-upload", "POST", `${this.path}/cancel`, this.id);
      this.error = null;
    } finally {
      this.#stopSending(); // not before: to the server, an aborted body looks like a broken connection
    }
    await this.refresh();
  }

  /** Delete the upload with its results; one that has not ended is cancelled first. @returns {Promise<void>} */
  async delete() {
    if (this.id === null || !isTerminal(this.state)) await this.cancel();
    if (this.id === null) return;
    const { state } = await this.#host.request("DELETE", this.path).catch((error) => {
      if (!DELETED.has(asRoomcastError(error).code)) throw error;
      return {};
    });
    if (state) this.#apply(state, false);
    else this.fail(new RoomcastError("DELETED", "The upload was deleted."));
  }

  /**
   * Create a lasting link to the upload's page. Its files are below it, each under the last segment of its key.
   *
   * @param {{scope?: "view" | "control", expires?: string | number}} [options]   `control` also cancels and retries;
   *   `expires` is a time, a duration such as `"7d"`, or a number of seconds. Without it, the link is valid until it is revoked.
   * @returns {Promise<{id: string, url: string, scope: "view" | "control", expires: string | null, createdAt: string}>}
   */
  async createLink(options = {}) {
    const link = await this.#host.request("POST", `${this.path}/links`, options);
    return { ...link, url: this.#host.absoluteUrl(link.url) };
  }

  /** Start the upload over, and send the file again if the server no longer has it. @returns {Promise<void>} */
  async retry() {
    if (this.id === null) return void this.start();
    if (isTerminal(this.state)) {
      const { state } = await this.#host.call("retry-upload", "POST", `${this.path}/retry`, this.id);
      if (state) this.#apply(state, false);
      void this.rejoin(); // the room closes some time after the end
    }
    this.error = null;
    if (this.state && this.state.stage !== "receiving") return this.#changed();
    if (this.file) return void this.start();
    this.needsFile = true;
    this.#changed();
  }

  /** Fetch the current state. Never rejects. @returns {Promise<boolean>} whether the server answered */
  async refresh() {
    if (this.id === null) return false;
    try {
      this.#applyAll([await this.#host.request("GET", this.path)]);
    } catch (cause) {
      const error = asRoomcastError(cause);
      if (error.code === "NETWORK") return false;
      if (!error.retryable) this.fail(error);
    }
    return true;
  }

  /** Join the room again, in case it was closed after the end. @returns {Promise<void>} */
  rejoin() {
    return this.#host.join(this);
  }

  /** Stop watching; the upload is removed from the connection's `uploads`. @returns {Promise<void>} */
  leave() {
    return this.#host.leave(this);
  }

  // --- called by the connection -----------------------------------------------------------------------------------

  /**
   * Apply a message from the room or from a stream, or queue it while a join is being answered.
   *
   * @param {Message} message
   * @param {boolean} [live]   Whether a gap in the events' numbers means that an event was lost, as it does in a room.
   * @returns {boolean} false when an earlier event is missing
   */
  receive(message, live = true) {
    if (this.joining) this.#receivedWhileJoining.push(message);
    else return this.#apply(message, live);
    return true;
  }

  /** Apply the acknowledgement of a join. @param {Message} state @param {Message[]} events */
  joined(state, events) {
    this.joining = false;
    if (this.sending !== "now") this.#fileSender.meter.restart();
    this.#applyAll([...events, state, ...this.#receivedWhileJoining.splice(0)]);
  }

  /** Record that this client cannot go on with the upload. @param {RoomcastError} error */
  fail(error) {
    this.error = error;
    this.sending = "no";
    this.#outcome.reject(error);
    this.#changed();
  }

  /** Interrupt sending, because the browser has lost the network. */
  networkLost() {
    this.#fileSender.networkLost();
  }

  /** Remember that the connection was lost. */
  connectionLost() {
    this.#fileSender.connectionLost();
  }

  /** Go on at once with what the loss of the connection has interrupted. */
  connectionRestored() {
    this.#fileSender.connectionRestored();
    if (this.sending === "no" && this.file && this.error?.code === "NETWORK") void this.start();
  }

  // --- sending ----------------------------------------------------------------------------------------------------

  /** Wait for a slot, or until aborted. @param {AbortSignal} signal @returns {Promise<() => void>} releases the slot */
  async #acquireSlot(signal) {
    const aborted = new Promise((resolve) => signal.addEventListener("abort", () => resolve(() => {}), { once: true }));
    return Promise.race([this.#host.acquireSlot(signal), aborted]);
  }

  /** Adopt the unfinished upload of this file, or reserve one. @param {AbortSignal} signal */
  async #findOrReserve(signal) {
    const file = /** @type {File} */ (this.file);
    const unfinished = this.#direct ? null : await findUnfinished(this.#host, file, this.#type, signal);
    if (unfinished !== null) return this.#assignId(unfinished);
    const wanted = { file, type: this.#type, direct: this.#direct, metadata: this.#metadata };
    const reserved = await reserve(this.#host, wanted, signal);
    if (reserved === null) return;
    void this.#lock.take(reserved.uploadId, { steal: true }); // before the other tabs see the upload
    if (this.#direct) this.#directTarget = reserved;
    else addUnfinished(file, this.#type, reserved.uploadId);
    await this.#assignId(reserved.uploadId);
  }

  /** @param {string} id */
  async #assignId(id) {
    this.id = id;
    this.#changed();
    await this.#host.register(this);
  }

  /** @param {AbortSignal} signal */
  async #sendFile(signal) {
    this.sending = "now";
    this.#changed();
    try {
      await this.#lock.take(/** @type {string} */ (this.id), { steal: true });
      signal.throwIfAborted();
      const { state } = await this.#sendBytes(signal);
      if (!this.#hasApplied(state)) this.#apply(state, false);
      removeUnfinished(/** @type {File} */ (this.file), this.#type);
      if (!signal.aborted) this.sending = "no";
    } catch (error) {
      if (signal.aborted) return; // `pause`, `cancel` or the end of the upload has set the state
      if (asRoomcastError(error).code === "FILE_UNREADABLE") return this.#requestFile();
      this.sending = "no";
      await this.refresh(); // the server knows the reason: the file was too large, or all bytes did arrive
      if (signal.aborted || this.error || (this.state && this.state.stage !== "receiving")) return;
      throw error;
    } finally {
      if (this.state && this.state.stage !== "receiving") this.#lock.release(); // earlier, another tab would find it unfinished
      this.#changed();
    }
  }

  /** Send the bytes to the bucket or to the server. @param {AbortSignal} signal @returns {Promise<any>} */
  #sendBytes(signal) {
    const target = this.#directTarget;
    this.#directTarget = null; // a retry sends the file to the server
    return this.#fileSender.send(target, signal);
  }

  /** Stop, because another tab was given the file and sends it. */
  #yieldToOtherTab() {
    this.file = null;
    this.#stopSending();
  }

  /** Stop, because the file cannot be read any more. */
  #requestFile() {
    this.file = null;
    this.needsFile = true;
    this.fileUnreadable = true;
    this.#lock.release();
    this.#stopSending();
  }

  #stopSending() {
    this.#sender.abort();
    this.sending = "no";
    this.#changed();
  }

  // --- state ------------------------------------------------------------------------------------------------------

  /** Reset the error and the outcome. Returns the controller that stops the new attempt. */
  #restart() {
    this.#sender.abort();
    this.#sender = new AbortController();
    this.error = null;
    if (this.#outcome.settled) this.#outcome = deferred();
    return this.#sender;
  }

  /** Apply what the server answered. @param {Message[]} messages */
  #applyAll(messages) {
    const wasUnauthenticated = this.error?.code === "UNAUTHENTICATED"; // the answer shows that the token is valid now
    if (wasUnauthenticated) this.error = null;
    for (const message of messages) this.#apply(message, false);
    if (wasUnauthenticated && this.file && this.state?.stage === "receiving") void this.start();
  }

  /** Return whether the message's event was applied; ticks after it, such as a queue position, may be newer than it.
   * @param {Message} message */
  #hasApplied({ epoch, seq }) {
    return this.state?.epoch === epoch && this.state.seq >= seq;
  }

  /** @param {Message} message @param {boolean} live @returns {boolean} false when an earlier event is missing */
  #apply(message, live) {
    const verdict = judge(this.#position, message, live);
    if (verdict !== "apply") return verdict === "drop";
    this.#position = positionAfter(message);
    if (isReceiving(message, this.state)) this.needsFile = false;
    const state = withAbsoluteUrls(message, this.#host.absoluteUrl);
    if (state.stage === "receiving") this.#fileSender.meter.received(state.bytesReceived ?? 0);
    const becomesPlayable = Boolean(state.playable) && !this.state?.playable;
    this.state = state;
    this.#transfer = null;
    if (state.stage !== "receiving") this.#allReceived();
    else if (!this.file) void this.#checkForFile();
    this.#settle(state);
    this.dispatchEvent(new CustomEvent("message", { detail: state }));
    this.#dispatchApplicationEvent(state);
    if (becomesPlayable) this.dispatchEvent(new CustomEvent("playable", { detail: state.playable }));
    this.#changed();
    return true;
  }

  /** Dispatch the event that a message brings, once: the state that a join answers with may repeat it.
   * @param {Message} message */
  #dispatchApplicationEvent({ epoch, seq, event }) {
    const key = event && `${epoch} ${seq} ${event.name} ${event.at}`;
    if (!key || key === this.#lastApplicationEvent) return;
    this.#lastApplicationEvent = key;
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }

  /** The server has all bytes, from this client or from another. */
  #allReceived() {
    this.needsFile = false;
    if (this.sending === "paused") this.sending = "no";
    if (this.sending === "no") this.#lock.release();
    if (this.error?.code === "NETWORK") this.error = null;
  }

  /** If this browser started the upload and no tab is sending the file any more, go on with it or set `needsFile`. */
  async #checkForFile() {
    if (this.#checkingForFile) return;
    this.#checkingForFile = true;
    const id = /** @type {string} */ (this.id);
    const abandoned = await isAbandoned(id);
    const handle = abandoned ? await handleOf(id) : null;
    const file = await fileOf(handle, { ask: false });
    const isRest = file !== null && isFileOf(file, id);
    const hasLock = isRest && (await this.#lock.take(id, { steal: false })); // several tabs may be here at this moment
    this.#checkingForFile = false;
    if (!abandoned || this.file) return;
    if (this.state?.stage !== "receiving") return this.#lock.release();
    if (isRest) return void (hasLock ? this.send(file) : this.#checkForFile());
    this.needsFile = true;
    this.canContinue = handle !== null && file === null;
    this.#changed();
  }

  /** @param {Message} message */
  #settle(message) {
    if (!isTerminal(message)) {
      if (this.#outcome.settled && !this.error) this.#outcome = deferred(); // another client has retried the upload
      return;
    }
    if (this.sending !== "no") this.#stopSending();
    if (message.status === "completed") return this.#outcome.resolve(message);
    const error = message.error ?? { code: "INTERNAL", message: message.message, retryable: false };
    this.#outcome.reject(new RoomcastError(error.code, error.message, { retryable: error.retryable }));
  }

  /** @returns {Transfer | null} */
  #currentTransfer() {
    const { state, file, sending } = this;
    if (state ? state.stage !== "receiving" : sending === "no") return null;
    return this.#fileSender.meter.transfer(state?.bytesReceived ?? 0, state?.bytesExpected ?? file?.size ?? null);
  }

  #changed() {
    this.#transfer = null;
    this.dispatchEvent(new Event("change"));
  }
}

/** Return whether bytes have arrived since `previous`. @param {Message} message @param {Message | null} previous */
function isReceiving({ bytesReceived }, previous) {
  return previous !== null && (bytesReceived ?? 0) > (previous.bytesReceived ?? 0);
}

