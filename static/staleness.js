/** Whether a connection has been lost for longer than a blink, which is no news. */

const BLINK_MS = 700;

/** @typedef {import("./roomcast.js").Roomcast} Roomcast */

export class Staleness {
  /** Whether what is shown may be old. */
  stale = false;
  #onStale;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {() => void} onStale   Called when it becomes stale. */
  constructor(onStale) {
    this.#onStale = onStale;
  }

  /** @param {Roomcast | null} roomcast */
  update(roomcast) {
    const lost = roomcast?.state === "reconnecting";
    if (!lost) this.stale = false;
    clearTimeout(this.#timer);
    if (!lost || this.stale) return;
    this.#timer = setTimeout(() => {
      this.stale = true;
      this.#onStale();
    }, BLINK_MS);
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
