/**
 * Replaces the rooms while there is no socket: with event streams where they get through, else with polling.
 *
 * Over HTTP/1.1 a browser opens six connections to a host. Up to three send files, and calls such as a cancel need a
 * free one. So at most two uploads have a stream, and the others are polled until one of those two has ended.
 */

import { asRoomcastError } from "../protocol/errors.js";
import { readEvents } from "../protocol/event-stream.js";

/** @typedef {import("../protocol/http.js").Http} Http */
/** @typedef {import("./upload.js").Upload} Upload */

const GRACE_MS = 3_000; // how long the socket may be down before the fallback starts
const POLL_MS = { first: 1_000, last: 5_000 };
const MAX_STREAMS = 2;
const NO_STREAMS_MS = 30_000; // the pause after a stream that brought nothing
const FIRST_EVENT_MS = 4_000; // the server sends the state at once, so a proxy that buffers is the likely cause of more

/** @typedef {{active: boolean, abort: AbortController}} Stream   `active`: it has brought something. */

export class Fallback {
  #http;
  #uploads;
  #onState;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** Aborted when the socket is back. */ #run = new AbortController();
  /** @type {Map<Upload, Stream>} */ #streams = new Map();
  #noStreamsUntil = 0;
  /** When the server may be asked whether it answers. */ #nextProbe = 0;

  /**
   * @param {Http} http
   * @param {() => Upload[]} uploads   Returns the uploads that are not terminal.
   * @param {(state: "streaming" | "polling" | "reconnecting") => void} onState
   */
  constructor(http, uploads, onState) {
    this.#http = http;
    this.#uploads = uploads;
    this.#onState = onState;
  }

  /** Start after a grace period, unless `stop` is called before. */
  start() {
    this.stop();
    this.#run = new AbortController();
    this.#noStreamsUntil = 0;
    this.#nextProbe = 0;
    this.#schedule(GRACE_MS);
  }

  /** Close the streams and stop polling. */
  stop() {
    this.#run.abort();
    clearTimeout(this.#timer);
    for (const { abort } of this.#streams.values()) abort.abort();
    this.#streams.clear();
  }

  /** @param {number} delay */
  #schedule(delay) {
    clearTimeout(this.#timer);
    if (this.#run.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#poll(delay), delay);
  }

  /**
   * Open and close streams, and poll the other uploads once.
   *
   * @param {number} delay   The current interval; it grows while nothing changes.
   */
  async #poll(delay) {
    const { signal } = this.#run;
    const open = this.#uploads();
    this.#closeStreams(open);
    this.#openStreams(open);
    const polled = open.filter((upload) => !this.#streams.has(upload));
    const before = polled.map(({ state }) => state?.updatedAt);
    const reached = await Promise.all(polled.map((upload) => upload.refresh()));
    if (open.length === 0) await this.#probe(signal);
    if (signal.aborted) return;
    if ([...this.#streams.values()].some(({ active }) => active)) this.#onState("streaming");
    else if (polled.length) this.#onState(reached.some(Boolean) ? "polling" : "reconnecting");
    const changed = polled.some(({ state }, index) => state?.updatedAt !== before[index]);
    const reset = changed || delay === GRACE_MS || polled.length === 0;
    this.#schedule(reset ? POLL_MS.first : Math.min(delay * 1.5, POLL_MS.last));
  }

  /** Find out whether the server answers, while there is no upload to ask for. @param {AbortSignal} signal */
  async #probe(signal) {
    if (Date.now() < this.#nextProbe) return;
    this.#nextProbe = Date.now() + POLL_MS.last;
    const answer = this.#http.request("GET", "api/config", undefined, AbortSignal.timeout(POLL_MS.last));
    const isReachable = await answer.then(() => true, () => false);
    if (!signal.aborted) this.#onState(isReachable ? "polling" : "reconnecting");
  }

  /** @param {Upload[]} open */
  #closeStreams(open) {
    for (const [upload, { abort }] of this.#streams) {
      if (open.includes(upload)) continue;
      abort.abort();
      this.#streams.delete(upload);
    }
  }

  /** @param {Upload[]} open */
  #openStreams(open) {
    if (Date.now() < this.#noStreamsUntil) return;
    const without = open.filter((upload) => !this.#streams.has(upload));
    for (const upload of without.slice(0, MAX_STREAMS - this.#streams.size)) void this.#stream(upload);
  }

  /** @param {Upload} upload */
  async #stream(upload) {
    const stream = { active: false, abort: new AbortController() };
    const { signal } = stream.abort;
    this.#streams.set(upload, stream);
    const onActivity = () => {
      stream.active = true;
      if (!signal.aborted) this.#onState("streaming");
    };
    try {
      await followUpload(this.#http, upload, signal, onActivity);
    } catch (cause) {
      const error = asRoomcastError(cause);
      stream.active ||= !error.retryable; // a refusal is a response, so streams do get through
      if (!signal.aborted && !error.retryable) upload.fail(error);
    }
    if (signal.aborted) return;
    if (!stream.active) this.#noStreamsUntil = Date.now() + NO_STREAMS_MS;
    this.#streams.delete(upload);
    this.#schedule(POLL_MS.first);
  }
}

/**
 * Follow an upload's event stream from its current position. Resolves when the stream ends; rejects with a
 * `RoomcastError` when it is refused, breaks or is silent for too long.
 *
 * @param {Http} http
 * @param {Upload} upload
 * @param {AbortSignal} signal       Closes the stream.
 * @param {() => void} onActivity    Called with everything that arrives.
 * @returns {Promise<void>}
 */
export async function followUpload(http, upload, signal, onActivity) {
  const { since, epoch } = upload.position;
  const lastEventId = epoch === undefined ? undefined : `${epoch}:${since}`;
  const options = { signal, lastEventId, firstEventMs: FIRST_EVENT_MS };
  for await (const messages of readEvents(http, `${upload.path}/events`, options)) {
    onActivity();
    for (const message of messages) upload.receive(message, false);
  }
  if (!upload.state) await upload.refresh(); // the given position was the end: the stream had nothing to send
}
