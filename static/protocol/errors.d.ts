/** The errors that the client raises. */
/** An error with one of the server's stable codes, or `NETWORK` when the server could not be reached. */
export declare class RoomcastError extends Error {
    code: string;
    retryable: boolean;
    /** Whether the server has refused the token that it was given; false when it was given none. */
    tokenRefused: boolean;
    details: object | undefined;
    /**
     * @param {string} code
     * @param {string} message   A sentence to show to the user.
     * @param {{retryable?: boolean, details?: object, cause?: unknown}} [options]
     */
    constructor(code: string, message: string, { retryable, details, cause }?: {
        retryable?: boolean;
        details?: object;
        cause?: unknown;
    });
}
/**
 * Convert the `error` object of a response. Without one, the code is derived from the HTTP status.
 *
 * @param {any} error   `{code, message, details?}`
 * @param {number} [status]
 */
export declare function errorFromResponse(error: any, status?: number): RoomcastError;
/** Return the error for a request that got no response. @param {unknown} cause */
export declare function networkError(cause: unknown): RoomcastError;
/** Return the error for an upload that was cancelled before the server knew it. */
export declare function cancelledError(): RoomcastError;
/** Return the error itself, or wrap an unexpected one. @param {unknown} error @returns {RoomcastError} */
export declare function asRoomcastError(error: unknown): RoomcastError;
