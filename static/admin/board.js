/** The board's stream: server-sent events by `fetch`, which can send a bearer token; it comes back by itself. */

import { asRoomcastError } from "../failure.js";
import { EventParser } from "../sse.js";

/** @typedef {import("../http.js").Http} Http */

const SILENCE_MS = 45_000; // a stream says at least that it is alive every 20 seconds
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Hear of every board until the server refuses: resolves with the refusal, `UNAUTHENTICATED` or `FORBIDDEN`.
 *
 * @param {Http} http
 * @param {{onBoard: (board: any) => void, onLost: () => void}} hear
 * @returns {Promise<import("../failure.js").RoomcastError>}
 */
export async function followBoard(http, { onBoard, onLost }) {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      await readBoards(http, (board) => {
        pause = FIRST_PAUSE_MS / 2;
        onBoard(board);
      });
    } catch (error) {
      const failure = asRoomcastError(error);
      if (failure.code === "UNAUTHENTICATED" || failure.code === "FORBIDDEN") return failure;
    }
    onLost();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** One stream, until it ends, breaks off or falls silent. @param {Http} http @param {(board: any) => void} onBoard */
async function readBoards(http, onBoard) {
  const leaving = new AbortController();
  let patience = setTimeout(() => leaving.abort(), SILENCE_MS);
  try {
    const headers = new Headers({ accept: "text/event-stream" });
    const { body } = await http.open("/api/admin/events", { headers, signal: leaving.signal });
    if (!body) return;
    const parser = new EventParser();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      clearTimeout(patience);
      patience = setTimeout(() => leaving.abort(), SILENCE_MS);
      for (const { data } of parser.feed(piece.value)) onBoard(JSON.parse(data));
    }
  } finally {
    clearTimeout(patience);
    leaving.abort();
  }
}
