/** What the upload list says, in English. Pure. */
import { bytesWords, formatWords, outputFacts, outputTitle, paceWords, partialWords, resultWords, savedWords, stageWords } from "./words.js";
export type Aggregate = import("./roomcast.js").Aggregate;
export type Message = import("./roomcast.js").Message;
export type Upload = import("./roomcast.js").Upload;
export type Words = typeof ENGLISH;
/** @typedef {import("./roomcast.js").Aggregate} Aggregate */
/** @typedef {import("./roomcast.js").Message} Message */
/** @typedef {import("./roomcast.js").Upload} Upload */
/**
 * All of it: another language gives its own of these, or some of them.
 *
 * @typedef {typeof ENGLISH} Words
 */
export declare const ENGLISH: {
    heading: string;
    cancel: string;
    cancelling: string;
    cancelAll: string;
    pause: string;
    resume: string;
    retry: string;
    choose: string;
    dismiss: string;
    copyId: string;
    copied: string;
    hideFinished: string;
    collapse: string;
    expand: string;
    close: string;
    fewer: string;
    overall: string;
    reconnecting: string;
    goOn: string;
    notSent: string;
    stopped: string;
    failed: string;
    completed: string;
    cancelled: string;
    paused: string;
    waiting: string;
    lookingUp: string;
    needsToken: string;
    needsFile: string;
    original: string;
    result: string;
    downloads: string;
    stage: typeof stageWords;
    pace: typeof paceWords;
    saved: typeof savedWords;
    bytes: typeof bytesWords;
    format: typeof formatWords;
    outputTitle: typeof outputTitle;
    outputFacts: typeof outputFacts;
    partial: typeof partialWords;
    remark: typeof resultWords;
    /** What an upload is called. @param {Upload} upload @returns {string} */
    filename: ({ file, state }: Upload) => string;
    /** @param {number} hidden */
    more: (hidden: number) => string;
    /** The dialog's title. @param {Aggregate} aggregate */
    title({ total, active, completed, failed }: Aggregate): string;
    /** How far all are. @param {Aggregate} aggregate */
    count({ total, active, failed, progress }: Aggregate): string;
    /** How far and how long yet, below the dialog's title. @param {Aggregate} aggregate */
    pending: ({ progress, eta }: Aggregate) => string;
    /** @param {number} attempt @param {Message} state */
    attempt: (attempt: number, { message }: Message) => string;
    /** @param {{code: string, message: string}} error */
    problem: ({ message }: {
        code: string;
        message: string;
    }) => string;
    /** @param {string} filename */
    missing: (filename: string) => string;
    /** @param {number} bytes */
    otherFile: (bytes: number) => string;
    /** @param {string} filename */
    poster: (filename: string) => string;
    /** A player, or the picture that came out. @param {string} filename */
    compressed: (filename: string) => string;
    /** @param {string} filename */
    scenes: (filename: string) => string;
    /** Where in a film; both in seconds. @param {number} at @param {number} duration */
    moment: (at: number, duration: number) => string;
    /** A bar's value. @param {number} percent @param {string} title @param {string[]} facts */
    value: (percent: number, title: string, facts: string[]) => string;
    /** One sentence on where an upload now is, for a screen reader. @param {string} filename @param {Message} state */
    news(filename: string, state: Message): string;
    /** @param {string} filename @param {string} reason */
    refused: (filename: string, reason: string) => string;
};
