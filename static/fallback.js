/**
 * What stands in for the rooms while there is no socket: streams where they come through, polling otherwise.
 *
 * Over HTTP/1.1 a browser opens six connections to a host. Up to three bring files, and calls like a cancel must find
 * one free; so two uploads have a stream, and the others are polled until one of those has ended.
 */

import { asRoomcastError } from "./failure.js";
import { follow } from "./stream.js";

/** @typedef {import("./http.js").Http} Http */
/** @typedef {import("./upload.js").Upload} Upload */

const GRACE_MS = 3_000; // how long the socket may be away before anything stands in
const POLL_MS = { first: 1_000, last: 5_000 };
const STREAMS_AT_ONCE = 2;
const NO_STREAMS_MS = 30_000; // after one that brought nothing

/** @typedef {{alive: boolean, leaving: AbortController}} Stream   `alive`: it has brought something. */

export class Fallback {
  #http;
  #uploads;
  #become;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** Aborted when the socket is back. */ #run = new AbortController();
  /** @type {Map<Upload, Stream>} */ #streams = new Map();
  #noStreamsUntil = 0;

  /**
   * @param {Http} http
   * @param {() => Upload[]} uploads   Those of which more is to be heard.
   * @param {(state: "streaming" | "polling" | "reconnecting") => void} become   Is told how it goes.
   */
  constructor(http, uploads, become) {
    this.#http = http;
    this.#uploads = uploads;
    this.#become = become;
  }

  /** Stand in, unless `stop` comes soon. */
  start() {
    this.stop();
    this.#run = new AbortController();
    this.#noStreamsUntil = 0;
    this.#lookAfter(GRACE_MS);
  }

  stop() {
    this.#run.abort();
    clearTimeout(this.#timer);
    for (const { leaving } of this.#streams.values()) leaving.abort();
    this.#streams.clear();
  }

  /** @param {number} delay */
  #lookAfter(delay) {
    clearTimeout(this.#timer);
    if (this.#run.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#look(delay), delay);
  }

  /** @param {number} delay   After which it looks; it grows while nothing moves. */
  async #look(delay) {
    const { signal } = this.#run;
    const open = this.#uploads();
    this.#leaveStreams(open);
    this.#openStreams(open);
    const polled = open.filter((upload) => !this.#streams.has(upload));
    const before = polled.map(({ state }) => state?.updatedAt);
    const reached = await Promise.all(polled.map((upload) => upload.refresh()));
    if (signal.aborted) return;
    if ([...this.#streams.values()].some(({ alive }) => alive)) this.#become("streaming");
    else if (polled.length) this.#become(reached.some(Boolean) ? "polling" : "reconnecting");
    const moved = polled.some(({ state }, index) => state?.updatedAt !== before[index]);
    const rested = moved || delay === GRACE_MS || polled.length === 0;
    this.#lookAfter(rested ? POLL_MS.first : Math.min(delay * 1.5, POLL_MS.last));
  }

  /** @param {Upload[]} open */
  #leaveStreams(open) {
    for (const [upload, { leaving }] of this.#streams) {
      if (open.includes(upload)) continue;
      leaving.abort();
      this.#streams.delete(upload);
    }
  }

  /** @param {Upload[]} open */
  #openStreams(open) {
    if (Date.now() < this.#noStreamsUntil) return;
    const without = open.filter((upload) => !this.#streams.has(upload));
    for (const upload of without.slice(0, STREAMS_AT_ONCE - this.#streams.size)) void this.#follow(upload);
  }

  /** @param {Upload} upload */
  async #follow(upload) {
    const stream = { alive: false, leaving: new AbortController() };
    const { signal } = stream.leaving;
    this.#streams.set(upload, stream);
    const onLife = () => {
      stream.alive = true;
      if (!signal.aborted) this.#become("streaming");
    };
    try {
      await follow(this.#http, upload, signal, onLife);
    } catch (error) {
      const failure = asRoomcastError(error);
      stream.alive ||= !failure.retryable; // a refusal is an answer too: streams do come through
      if (!signal.aborted && !failure.retryable) upload.fail(failure);
    }
    if (signal.aborted) return;
    if (!stream.alive) this.#noStreamsUntil = Date.now() + NO_STREAMS_MS;
    this.#streams.delete(upload);
    this.#lookAfter(POLL_MS.first);
  }
}
