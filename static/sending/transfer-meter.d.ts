/** Measures how much of a file has been sent, by this client or, as the server reports it, by another. */
export type Message = import("../protocol/messages.js").Message;
export type Transfer = {
    /**
     * In bytes. What this client has sent may not have arrived yet.
     */
    sent: number;
    /**
     * In bytes; null if the size is not known.
     */
    total: number | null;
    /**
     * 0–100; null if the size is not known.
     */
    percent: number | null;
    /**
     * Over the last five seconds; null until it is known.
     */
    bytesPerSecond: number | null;
    /**
     * Null while there is no speed.
     */
    secondsLeft: number | null;
};
/** @typedef {import("../protocol/messages.js").Message} Message */
/**
 * @typedef {object} Transfer   How far the bytes of a file are.
 * @property {number} sent                    In bytes. What this client has sent may not have arrived yet.
 * @property {number | null} total            In bytes; null if the size is not known.
 * @property {number | null} percent          0–100; null if the size is not known.
 * @property {number | null} bytesPerSecond   Over the last five seconds; null until it is known.
 * @property {number | null} secondsLeft      Null while there is no speed.
 */
export declare class TransferMeter {
    #private;
    /** @param {() => number} [seconds]   A clock that never goes back. */
    constructor(seconds?: () => number);
    /** Record what this client has sent. @param {number} sent */
    sentHere(sent: number): void;
    /** Record what the server has received, which measures the speed of another client. @param {number} received */
    received(received: number): void;
    /** Forget the speed and what this client has sent: the transfer was paused, or the connection was lost. */
    restart(): void;
    /** Return how far the transfer is. @param {number} received @param {number | null} total @returns {Transfer} */
    transfer(received: number, total: number | null): Transfer;
}
