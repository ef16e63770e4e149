/**
 * Estimates the speed of a transfer and the time it still takes. Pure: the caller gives the time.
 *
 * `roomcast.client.transfer_rate` is the same in Python; both are held by the cases in
 * `tests/support/transfer_rates.json`.
 */

const WINDOW_SECONDS = 5;
const MIN_SECONDS = 1; // a shorter measurement shows how fast the buffers fill, not the network

/** Measures the speed over the last five seconds. Times are seconds of a clock that never goes back. */
export class TransferRate {
  /** Those of the window, and the last one before it. @type {{at: number, sent: number}[]} */ #samples = [];

  /** Record that `sent` bytes of the file have been sent by `at`. @param {number} at @param {number} sent */
  update(at, sent) {
    const last = this.#samples.at(-1);
    if (last && sent < last.sent) this.restart(); // bytes were lost on the way, and are sent again
    this.#samples.push({ at, sent });
    while (this.#samples.length > 1 && this.#samples[1].at <= at - WINDOW_SECONDS) this.#samples.shift();
  }

  /** Forget the measurement. Called when sending pauses or breaks off: the gap is not a slow transfer. */
  restart() {
    this.#samples = [];
  }

  /** Return the speed at a time: null before it is known, 0 if nothing was sent for five seconds.
   * @param {number} at @returns {number | null} */
  bytesPerSecond(at) {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (!first || !last || at - first.at < MIN_SECONDS) return null;
    const start = Math.max(first.at, at - WINDOW_SECONDS);
    return Math.max(0, last.sent - this.#sentAt(start)) / (at - start);
  }

  /** Return the seconds until `total` bytes are sent, or null while there is no speed.
   * @param {number} at @param {number} total @returns {number | null} */
  secondsLeft(at, total) {
    const speed = this.bytesPerSecond(at);
    return speed ? Math.max(0, total - (this.#samples.at(-1)?.sent ?? 0)) / speed : null;
  }

  /** Interpolate the bytes that had been sent by a time. @param {number} at */
  #sentAt(at) {
    const next = this.#samples.findIndex((sample) => sample.at > at);
    if (next < 0) return /** @type {{sent: number}} */ (this.#samples.at(-1)).sent;
    if (next === 0) return this.#samples[0].sent;
    const [before, after] = [this.#samples[next - 1], this.#samples[next]];
    return before.sent + ((after.sent - before.sent) * (at - before.at)) / (after.at - before.at);
  }
}
