/** An upload's stream of server-sent events, read with `fetch`, which unlike `EventSource` can send a bearer token. */

import { unreachable } from "./failure.js";
import { EventParser } from "./sse.js";

/** @typedef {import("./http.js").Http} Http */
/** @typedef {import("./roomcast.js").Message} Message */
/** @typedef {import("./upload.js").Upload} Upload */

const FIRST_MS = 4_000; // a stream begins with the state at once, unless something on the way holds it back
const SILENCE_MS = 45_000; // and says at least that it is alive every 20 seconds

/**
 * Follow an upload's stream from where the upload stands. Resolves when the stream ends, rejects with a `RoomcastError`
 * when it is refused, breaks off or falls silent.
 *
 * @param {Http} http
 * @param {Upload} upload
 * @param {AbortSignal} signal   Leaves the stream.
 * @param {() => void} onLife    The stream has brought something.
 * @returns {Promise<void>}
 */
export async function follow(http, upload, signal, onLife) {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  signal.addEventListener("abort", leave, { once: true });
  let patience = setTimeout(leave, FIRST_MS);
  try {
    const response = await http.open(`${upload.path}/events`, { headers: headersFor(upload), signal: leaving.signal });
    if (response.status === 204) {
      onLife();
      return void (await upload.refresh()); // it has ended, and we stand there already
    }
    for await (const messages of messagesOf(response)) {
      clearTimeout(patience);
      patience = setTimeout(leave, SILENCE_MS);
      onLife();
      for (const message of messages) upload.hear(message, false); // it leaves nothing out
    }
  } finally {
    clearTimeout(patience);
    signal.removeEventListener("abort", leave);
    leave();
  }
}

/** @param {Upload} upload */
function headersFor({ position: { since, epoch } }) {
  const headers = new Headers({ accept: "text/event-stream" });
  if (epoch !== undefined) headers.set("last-event-id", `${epoch}:${since}`);
  return headers;
}

/**
 * The messages that every piece of a stream brings.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<Message[]>}
 */
async function* messagesOf({ body, headers }) {
  if (!body || !headers.get("content-type")?.startsWith("text/event-stream")) throw unreachable("not a stream");
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      yield parser.feed(piece.value).map(({ data }) => JSON.parse(data));
    }
  } catch (cause) {
    throw unreachable(cause);
  }
}
