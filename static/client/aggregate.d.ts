/**
 * Combines several uploads into one: counts, progress and remaining time. Pure: no socket, no clock, no page.
 *
 * @typedef {import("../protocol/messages.js").Message} Message
 * @typedef {import("../protocol/messages.js").Status} Status
 *
 * @typedef {object} Tracked   The properties of an `Upload` that count.
 * @property {Message | null} state
 * @property {{code: string} | null} error   An error of this client.
 * @property {{size: number} | null} file
 *
 * @typedef {object} Aggregate
 * @property {number} total           `active + completed + failed + cancelled`
 * @property {number} active          Uploads that have not ended, including those that are paused or that wait for an
 *   access token or for their file.
 * @property {number} completed
 * @property {number} failed          Includes uploads that this client stopped sending.
 * @property {number} cancelled
 * @property {number} progress        0–100, weighted by file size; an upload of unknown size has the average weight. It
 *   never falls while the set of uploads is the same, and is 100 only when all have completed.
 * @property {number} bytesReceived   As reported by the server.
 * @property {number} bytesExpected   Of the uploads whose size is known.
 * @property {number | null} eta      Seconds until the last upload is done; null unless each active one has an ETA.
 * @property {Status | null} status   While any upload is active, the status of the one that is furthest behind; then
 *   `error` if any failed or was cancelled, else `completed`. Null when there are no uploads.
 */
export type Message = import("../protocol/messages.js").Message;
export type Status = import("../protocol/messages.js").Status;
export type Tracked = {
    state: Message | null;
    /**
     * An error of this client.
     */
    error: {
        code: string;
    } | null;
    file: {
        size: number;
    } | null;
};
export type Aggregate = {
    /**
     * `active + completed + failed + cancelled`
     */
    total: number;
    /**
     * Uploads that have not ended, including those that are paused or that wait for an
     * access token or for their file.
     */
    active: number;
    completed: number;
    /**
     * Includes uploads that this client stopped sending.
     */
    failed: number;
    cancelled: number;
    /**
     * 0–100, weighted by file size; an upload of unknown size has the average weight. It
     * never falls while the set of uploads is the same, and is 100 only when all have completed.
     */
    progress: number;
    /**
     * As reported by the server.
     */
    bytesReceived: number;
    /**
     * Of the uploads whose size is known.
     */
    bytesExpected: number;
    /**
     * Seconds until the last upload is done; null unless each active one has an ETA.
     */
    eta: number | null;
    /**
     * While any upload is active, the status of the one that is furthest behind; then
     * `error` if any failed or was cancelled, else `completed`. Null when there are no uploads.
     */
    status: Status | null;
};
/**
 * Return the aggregate of the uploads.
 *
 * @param {readonly Tracked[]} uploads
 * @param {number} [previous]   The last progress of the same uploads; the result is never below it.
 * @returns {Aggregate}
 */
export declare function aggregateOf(uploads: readonly Tracked[], previous?: number): Aggregate;
