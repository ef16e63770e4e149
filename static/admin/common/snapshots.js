/** Follows the stream of admin snapshots. */

import { asRoomcastError } from "../../protocol/errors.js";
import { readEvents } from "../../protocol/event-stream.js";

/** @typedef {import("../../protocol/http.js").Http} Http */

const BACKOFF_MS = { first: 500, last: 10_000 };

/**
 * Call `onSnapshot` with every snapshot, and `onLost` when the stream has ended. It is opened again until the server
 * refuses it.
 *
 * @param {Http} http
 * @param {{onSnapshot: (snapshot: any) => void, onLost: () => void}} handlers
 * @returns {Promise<import("../../protocol/errors.js").RoomcastError>} the refusal: `UNAUTHENTICATED` or `FORBIDDEN`
 */
export async function followSnapshots(http, { onSnapshot, onLost }) {
  for (let backoff = BACKOFF_MS.first; ; backoff = Math.min(backoff * 2, BACKOFF_MS.last)) {
    try {
      for await (const snapshots of readEvents(http, "api/admin/events")) {
        if (snapshots.length) backoff = BACKOFF_MS.first / 2;
        snapshots.forEach(onSnapshot);
      }
    } catch (cause) {
      const error = asRoomcastError(cause);
      if (error.code === "UNAUTHENTICATED" || error.code === "FORBIDDEN") return error;
    }
    onLost();
    await new Promise((resolve) => setTimeout(resolve, backoff));
  }
}
