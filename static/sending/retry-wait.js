/** Waits between two tries to send: for a delay that grows, or until the connection is back. */

const DELAYS_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
const COUNTDOWN_MS = 1_000;

export class RetryWait {
  /** When the wait ends by itself, in milliseconds since 1970; null while there is none. @type {number | null} */
  endsAt = null;
  /** The failures since bytes last arrived. */ failures = 0;
  #onChange;
  /** @type {(() => void) | null} */ #end = null;

  /** @param {() => void} onChange   Called at the beginning, and every second. */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** Wait after a failure, or until aborted. @param {AbortSignal} signal @returns {Promise<void>} */
  async wait(signal) {
    const delay = DELAYS_MS[Math.min(this.failures, DELAYS_MS.length - 1)];
    this.failures += 1;
    this.endsAt = Date.now() + delay;
    const countdown = setInterval(this.#onChange, COUNTDOWN_MS);
    await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), delay);
      this.#end = () => (clearTimeout(timer), resolve(undefined));
      signal.addEventListener("abort", this.#end, { once: true });
      this.#onChange();
    });
    clearInterval(countdown);
    this.#end = null;
    this.endsAt = null;
  }

  /** End the wait now. */
  end() {
    this.#end?.();
  }
}
