/** Performs an action after a delay in which it can be undone. Pure but for the timer. */

/**
 * @typedef {object} Action
 * @property {string} text            What is about to happen.
 * @property {() => void} perform
 * @property {() => void} undo
 */

const DELAY_MS = 10_000;

/** At most one action waits: the next one performs it at once. */
export class DelayedAction {
  /** The action that waits. @type {Action | null} */
  current = null;
  #onChange;
  #remaining = 0;
  #startedAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {() => void} onChange   Called when `current` has changed. */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** Let an action wait. @param {Action} action */
  start(action) {
    this.performNow();
    this.current = action;
    this.#remaining = DELAY_MS;
    this.resume();
    this.#onChange();
  }

  /** Perform the action without waiting any longer. */
  performNow() {
    this.#end()?.perform();
  }

  /** Drop the action. */
  undo() {
    this.#end()?.undo();
  }

  /** Stop the time, for as long as the pointer is on the notice. */
  pause() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#remaining -= Date.now() - this.#startedAt;
  }

  /** Let the time pass again. */
  resume() {
    if (!this.current || this.#timer !== undefined) return;
    this.#startedAt = Date.now();
    this.#timer = setTimeout(() => this.performNow(), Math.max(0, this.#remaining));
  }

  #end() {
    const action = this.current;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.current = null;
    if (action) this.#onChange();
    return action;
  }
}
