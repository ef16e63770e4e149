/** Counts the rows of a list by what they do. Pure. */
export type Transfer = import("../sending/transfer-meter.js").Transfer;
export type Stage = import("../protocol/messages.js").Stage;
export type SummaryRow = {
    tone: "waiting" | "busy" | "done" | "failed" | "cancelled";
    /**
     * Null before the first message.
     */
    stage: Stage | null;
    /**
     * Overall, 0–100.
     */
    progress: number;
    transfer: Transfer | null;
    /**
     * Of the file, in bytes.
     */
    size: number | null;
    /**
     * Whether the upload waits for the person, such as for its file.
     */
    needsAction?: boolean;
};
export type RowCounts = {
    sending: number;
    /**
     * Also those that are read before, and whose previews are made after.
     */
    compressing: number;
    storing: number;
    needsAction: number;
    /**
     * For a slot, a worker, the connection, or because they are paused.
     */
    waiting: number;
    done: number;
    /**
     * Also files that were refused.
     */
    failed: number;
    cancelled: number;
};
export type Summary = {
    counts: RowCounts;
    total: number;
    /**
     * `sending + compressing + storing + needsAction + waiting`
     */
    active: number;
    /**
     * 0–100: of the active rows and those that are done, weighted by the size of their files.
     */
    progress: number;
};
/** Return the counts and the progress of rows. @param {readonly SummaryRow[]} rows @returns {Summary} */
export declare function summaryOf(rows: readonly SummaryRow[]): Summary;
