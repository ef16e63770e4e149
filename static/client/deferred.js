/** A promise that is settled from outside. */

/**
 * @template T
 * @typedef {object} Deferred
 * @property {Promise<T>} promise
 * @property {(value: T) => void} resolve
 * @property {(reason: import("../protocol/errors.js").RoomcastError) => void} reject
 * @property {boolean} settled
 */

/** Return a promise that is not settled, and the calls that settle it. @returns {Deferred<any>} */
export function deferred() {
  const self = /** @type {Deferred<any>} */ ({ settled: false });
  self.promise = new Promise((resolve, reject) => {
    self.resolve = (value) => void ((self.settled = true), resolve(value));
    self.reject = (reason) => void ((self.settled = true), reject(reason));
  });
  self.promise.catch(() => {}); // no unhandled rejection where an application does not use `finished`
  return self;
}
