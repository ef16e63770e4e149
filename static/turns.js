/** Lets only so many in at once, in the order in which they came. */
export class Turns {
  /** @type {(() => void)[]} */ #waiting = [];
  #free;

  /** @param {number} atOnce */
  constructor(atOnce) {
    this.#free = atOnce;
  }

  /**
   * Resolves, when it is its turn, with the call that ends it.
   *
   * @param {AbortSignal} signal   Aborted: nobody waits for this turn any more, and it is passed on.
   * @returns {Promise<() => void>}
   */
  async take(signal) {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((go) => this.#waiting.push(() => go(undefined)));
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    };
    if (signal.aborted) end();
    return end;
  }
}
