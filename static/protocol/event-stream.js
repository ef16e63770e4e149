/** Reads server-sent events with `fetch`, which unlike `EventSource` can send a bearer token. */

import { networkError } from "./errors.js";

/** @typedef {import("./http.js").Http} Http */

const IDLE_MS = 45_000; // the server sends a comment at least every 20 seconds

/**
 * Open a stream and yield the parsed JSON data of its events, one list for each chunk that arrives; a chunk without a
 * complete event yields an empty list. Ends when the stream ends. Throws a `RoomcastError` when the request is
 * refused, when the connection breaks, or when nothing arrives for too long.
 *
 * @param {Http} http
 * @param {string} path
 * @param {object} [options]
 * @param {AbortSignal} [options.signal]    Closes the stream.
 * @param {string} [options.lastEventId]    The position to resume from.
 * @param {number} [options.firstEventMs]   How long to wait for the first chunk.
 * @returns {AsyncGenerator<any[]>}
 */
export async function* readEvents(http, path, { signal, lastEventId, firstEventMs = IDLE_MS } = {}) {
  const request = new AbortController();
  const abort = () => request.abort();
  signal?.addEventListener("abort", abort, { once: true });
  let timer = setTimeout(abort, firstEventMs);
  try {
    const headers = new Headers({ accept: "text/event-stream" });
    if (lastEventId) headers.set("last-event-id", lastEventId);
    const response = await http.open(path, { headers, signal: request.signal });
    if (response.status === 204) return void (yield []); // the position is the end of the stream
    for await (const events of eventsOf(response)) {
      clearTimeout(timer);
      timer = setTimeout(abort, IDLE_MS);
      yield events;
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    abort();
  }
}

/**
 * @param {Response} response
 * @returns {AsyncGenerator<any[]>}
 */
async function* eventsOf({ body, headers }) {
  if (!body || !headers.get("content-type")?.startsWith("text/event-stream")) {
    throw networkError("The response is not an event stream.");
  }
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      yield parser.feed(chunk.value).map(({ data }) => JSON.parse(data));
    }
  } catch (cause) {
    throw networkError(cause);
  }
}

/**
 * @typedef {object} ServerSentEvent
 * @property {string} name
 * @property {string} data
 */

/**
 * Parses server-sent events as the HTML standard defines them, from text in chunks of any size. The `id` field is
 * ignored: Roomcast's messages contain their own position.
 */
export class EventParser {
  #rest = "";
  #name = "";
  /** @type {string[]} */ #data = [];

  /**
   * Add a chunk and return the events that it completes.
   *
   * @param {string} chunk
   * @returns {ServerSentEvent[]}
   */
  feed(chunk) {
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/); // a final \r may be the first half of \r\n
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#parseLine(line));
  }

  /** @param {string} line @returns {ServerSentEvent[]} */
  #parseLine(line) {
    if (line === "") return this.#dispatch();
    const [, field, value] = /** @type {RegExpExecArray} */ (/^([^:]*)(?:: ?(.*))?$/s.exec(line));
    if (field === "event") this.#name = value ?? "";
    if (field === "data") this.#data.push(value ?? "");
    return [];
  }

  #dispatch() {
    const event = { name: this.#name || "message", data: this.#data.join("\n") };
    const complete = this.#data.length > 0;
    this.#name = "";
    this.#data = [];
    return complete ? [event] : [];
  }
}
