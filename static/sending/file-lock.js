/** Which tab of this browser has the file of an upload: the one that holds a lock (Web Locks API) of the upload's name. */

const PREFIX = "roomcast.sending.";

/** The lock of one upload, as one tab sees it. Where a browser has no locks, every tab gets what it asks for. */
export class FileLock {
  #onLost;
  /** Whether this tab holds the lock, or will; null after `release`. @type {Promise<boolean> | null} */ #taken = null;
  /** Ends the current hold. */ #hold = new AbortController();

  /** @param {() => void} onLost   Called when another tab has taken the lock. */
  constructor(onLost) {
    this.#onLost = onLost;
  }

  /**
   * Take the lock, and hold it until `release`.
   *
   * @param {string} uploadId
   * @param {{steal: boolean}} options   Whether it is taken from another tab that holds it.
   * @returns {Promise<boolean>} whether this tab holds it
   */
  take(uploadId, { steal }) {
    this.#taken ??= this.#request(uploadId, steal ? { steal } : { ifAvailable: true });
    return this.#taken;
  }

  /** Let another tab have the lock. */
  release() {
    this.#hold.abort();
    this.#taken = null;
  }

  /** @param {string} uploadId @param {LockOptions} options @returns {Promise<boolean>} */
  #request(uploadId, options) {
    const { locks } = globalThis.navigator ?? {};
    if (!locks) return Promise.resolve(true);
    const { signal } = (this.#hold = new AbortController());
    return new Promise((resolve) => {
      const hold = (/** @type {Lock | null} */ lock) => {
        resolve(lock !== null);
        if (!lock) this.#taken = null;
        if (!lock || signal.aborted) return undefined;
        return new Promise((released) => signal.addEventListener("abort", released, { once: true }));
      };
      locks.request(PREFIX + uploadId, options, hold).catch(({ name }) => {
        resolve(name !== "AbortError"); // in a sandboxed frame there are no locks
        if (name !== "AbortError") return;
        if (signal.aborted) return;
        this.#taken = null;
        this.#onLost();
      });
    });
  }
}

/** Wait until no tab holds the lock of an upload. @param {string} uploadId @returns {Promise<void>} */
export async function lockIsFree(uploadId) {
  await globalThis.navigator?.locks?.request(PREFIX + uploadId, () => {}).catch(() => {});
}
