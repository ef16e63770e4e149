/**
 * Several uploads as one: how many, how far, how long. Pure: no socket, no clock, no page.
 *
 * @typedef {import("./roomcast.js").Message} Message
 * @typedef {import("./roomcast.js").Status} Status
 *
 * @typedef {object} Tracked   What is looked at of an upload.
 * @property {Message | null} state
 * @property {{code: string} | null} error   What this client ran into.
 * @property {{size: number} | null} file
 *
 * @typedef {object} Aggregate
 * @property {number} total           `active + completed + failed`
 * @property {number} active          not at an end: also those that are paused, or wait for a token or for their file
 * @property {number} completed
 * @property {number} failed          also cancelled, and those whose sending this client gave up
 * @property {number} progress        0–100. Every upload weighs what its file does; one of unknown size, what the others
 *   do on average. It never falls while the uploads are the same, and is 100 only when all have completed.
 * @property {number} bytesReceived   by the server, as far as it has said
 * @property {number} bytesExpected   of the uploads whose size is known
 * @property {number | null} eta      seconds until the last one is done; null unless every active one has an estimate
 * @property {Status | null} status   while any is active, that of the one furthest behind; then `error` if any failed,
 *   else `completed`. Null when there are none.
 */
export type Message = import("./roomcast.js").Message;
export type Status = import("./roomcast.js").Status;
export type Tracked = {
    state: Message | null;
    /**
     * What this client ran into.
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
     * `active + completed + failed`
     */
    total: number;
    /**
     * not at an end: also those that are paused, or wait for a token or for their file
     */
    active: number;
    completed: number;
    /**
     * also cancelled, and those whose sending this client gave up
     */
    failed: number;
    /**
     * 0–100. Every upload weighs what its file does; one of unknown size, what the others
     * do on average. It never falls while the uploads are the same, and is 100 only when all have completed.
     */
    progress: number;
    /**
     * by the server, as far as it has said
     */
    bytesReceived: number;
    /**
     * of the uploads whose size is known
     */
    bytesExpected: number;
    /**
     * seconds until the last one is done; null unless every active one has an estimate
     */
    eta: number | null;
    /**
     * while any is active, that of the one furthest behind; then `error` if any failed,
     * else `completed`. Null when there are none.
     */
    status: Status | null;
};
/**
 * What the uploads come to together.
 *
 * @param {readonly Tracked[]} uploads
 * @param {number} [before]   The progress of the same uploads when it was last asked; below it nothing is said.
 * @returns {Aggregate}
 */
export declare function aggregateOf(uploads: readonly Tracked[], before?: number): Aggregate;
