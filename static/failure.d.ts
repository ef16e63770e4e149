/** How things go wrong: the server's own word on it, or that there was none. */
/** A failure with one of the server's stable codes, or `NETWORK` when it could not be reached. */
export declare class RoomcastError extends Error {
    code: string;
    retryable: boolean;
    details: object | undefined;
    /**
     * @param {string} code
     * @param {string} message   A sentence for the person who waits.
     * @param {{retryable?: boolean, details?: object, cause?: unknown}} [more]
     */
    constructor(code: string, message: string, { retryable, details, cause }?: {
        retryable?: boolean;
        details?: object;
        cause?: unknown;
    });
}
/**
 * The server's word on what went wrong. Without one, the HTTP status has to do.
 *
 * @param {any} error   `{code, message, details?}`
 * @param {number} [status]
 */
export declare function told(error: any, status?: number): RoomcastError;
/** Nothing was heard. @param {unknown} cause */
export declare function unreachable(cause: unknown): RoomcastError;
/** Before the server knew of it. */
export declare function cancelled(): RoomcastError;
/** @param {unknown} error @returns {RoomcastError} */
export declare function asRoomcastError(error: unknown): RoomcastError;
