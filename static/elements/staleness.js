/** Detects a lost connection, ignoring interruptions that are too short to report. */

const TOLERATED_MS = 700;

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */

export class Staleness {
  /** Whether the state that is shown may be out of date. */
  stale = false;
  #onStale;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {() => void} onStale   Called when `stale` becomes true. */
  constructor(onStale) {
    this.#onStale = onStale;
  }

  /** @param {Roomcast | null} roomcast */
  update(roomcast) {
    if (roomcast?.state === "reconnecting") {
      this.#timer ??= setTimeout(() => {
        this.stale = true;
        this.#onStale();
      }, TOLERATED_MS);
    } else {
      this.stop();
      this.stale = false;
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
