/** The errors that the client raises. */

const RETRYABLE = new Set(["TOO_MANY", "DISK_FULL", "STORAGE_ERROR", "TIMEOUT", "STALLED", "WORKER_LOST", "UNREADABLE_RECORD", "INTERNAL"]);

/** An error with one of the server's stable codes, or `NETWORK` when the server could not be reached. */
export class RoomcastError extends Error {
  /**
   * @param {string} code
   * @param {string} message   A sentence to show to the user.
   * @param {{retryable?: boolean, details?: object, cause?: unknown}} [options]
   */
  constructor(code, message, { retryable = false, details, cause } = {}) {
    super(message, { cause });
    this.name = "RoomcastError";
    this.code = code;
    this.retryable = retryable;
    /** Whether the server has refused the token that it was given; false when it was given none. */
    this.tokenRefused = false;
    this.details = details;
  }
}

/**
 * Convert the `error` object of a response. Without one, the code is derived from the HTTP status.
 *
 * @param {any} error   `{code, message, details?}`
 * @param {number} [status]
 */
export function errorFromResponse(error, status = 500) {
  const code = error?.code ?? (status === 401 ? "UNAUTHENTICATED" : "INTERNAL");
  return new RoomcastError(code, error?.message ?? "The server returned an unexpected response.", {
    retryable: error?.retryable ?? RETRYABLE.has(code),
    details: error?.details,
  });
}

/** Return the error for a request that got no response. @param {unknown} cause */
export function networkError(cause) {
  return new RoomcastError("NETWORK", "The connection to the server was lost.", { retryable: true, cause });
}

/** Return the error for an upload that was cancelled before the server knew it. */
export function cancelledError() {
  return new RoomcastError("CANCELLED", "The upload was cancelled before it started.", { retryable: true });
}

/** Return the error itself, or wrap an unexpected one. @param {unknown} error @returns {RoomcastError} */
export function asRoomcastError(error) {
  if (error instanceof RoomcastError) return error;
  return new RoomcastError("INTERNAL", "An unexpected error occurred on this page.", { cause: error });
}
