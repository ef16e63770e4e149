/** How things go wrong: the server's own word on it, or that there was none. */

const PASSING = new Set(["TOO_MANY", "DISK_FULL", "STORAGE_ERROR", "TIMEOUT", "STALLED", "WORKER_LOST", "INTERNAL"]);

/** A failure with one of the server's stable codes, or `NETWORK` when it could not be reached. */
export class RoomcastError extends Error {
  /**
   * @param {string} code
   * @param {string} message   A sentence for the person who waits.
   * @param {{retryable?: boolean, details?: object, cause?: unknown}} [more]
   */
  constructor(code, message, { retryable = false, details, cause } = {}) {
    super(message, { cause });
    this.name = "RoomcastError";
    this.code = code;
    this.retryable = retryable;
    this.details = details;
  }
}

/**
 * The server's word on what went wrong. Without one, the HTTP status has to do.
 *
 * @param {any} error   `{code, message, details?}`
 * @param {number} [status]
 */
export function told(error, status = 500) {
  const code = error?.code ?? (status === 401 ? "UNAUTHENTICATED" : "INTERNAL");
  return new RoomcastError(code, error?.message ?? "The server could not answer.", {
    retryable: error?.retryable ?? PASSING.has(code),
    details: error?.details,
  });
}

/** Nothing was heard. @param {unknown} cause */
export function unreachable(cause) {
  return new RoomcastError("NETWORK", "The connection to the server was lost.", { retryable: true, cause });
}

/** Before the server knew of it. */
export function cancelled() {
  return new RoomcastError("CANCELLED", "Cancelled before anything was sent.", { retryable: true });
}

/** @param {unknown} error @returns {RoomcastError} */
export function asRoomcastError(error) {
  if (error instanceof RoomcastError) return error;
  return new RoomcastError("INTERNAL", "Something went wrong on this page.", { cause: error });
}
