/** A semaphore: at most `slots` holders at a time, in the order of their requests. */
export class Semaphore {
  /** @type {(() => void)[]} */ #waiting = [];
  #free;

  /** @param {number} slots */
  constructor(slots) {
    this.#free = slots;
  }

  /**
   * Wait for a slot.
   *
   * @param {AbortSignal} signal   If it is aborted by then, the slot is released at once.
   * @returns {Promise<() => void>} the call that releases the slot
   */
  async acquire(signal) {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((acquired) => this.#waiting.push(() => acquired(undefined)));
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    };
    if (signal.aborted) release();
    return release;
  }
}
