/** All English texts of the elements. Pure. */
import { formatBytes, formatEta, formatReceived } from "./format.js";
export type Aggregate = import("../client/aggregate.js").Aggregate;
export type Upload = import("../client/upload.js").Upload;
export type Element = import("../protocol/messages.js").Element;
export type Message = import("../protocol/messages.js").Message;
export type Output = import("../protocol/messages.js").Output;
export type Stage = import("../protocol/messages.js").Stage;
export type Locale = typeof ENGLISH;
/**
 * The texts of the elements. Set the `locale` property of an element to replace all or some of them.
 *
 * @typedef {typeof ENGLISH} Locale
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
    delete: string;
    deleting: string;
    dismiss: string;
    copyId: string;
    copied: string;
    hideFinished: string;
    collapse: string;
    expand: string;
    close: string;
    showFewer: string;
    pauseAll: string;
    resumeAll: string;
    retryFailed: string;
    undo: string;
    download: string;
    showResult: string;
    sent: string;
    sendingStep: string;
    compressingStep: string;
    storingStep: string;
    overallProgress: string;
    reconnecting: string;
    uploadsContinue: string;
    notUploaded: string;
    interrupted: string;
    failed: string;
    completed: string;
    cancelled: string;
    paused: string;
    waiting: string;
    loading: string;
    needsToken: string;
    needsFile: string;
    dropFiles: string;
    or: string;
    chooseFiles: string;
    emptyFile: string;
    folder: string;
    notAccepted: string;
    notMedia: string;
    original: string;
    result: string;
    downloads: string;
    bytes: typeof formatBytes;
    received: typeof formatReceived;
    eta: typeof formatEta;
    /** @param {number} count   Of hidden rows. */
    showMore: (count: number) => string;
    /** The title of a stage. @param {Stage} stage */
    stage: (stage: Stage) => string;
    /** The name of an upload. @param {Upload} upload @returns {string} */
    filename: ({ file, state }: Upload) => string;
    /** The facts after a stage's title: received bytes, queue position, speed, remaining time. Unknown ones are omitted.
     * @param {Message} state @returns {string[]} */
    progressFacts({ stage, speed, fps, eta, forecast, queuePosition, bytesReceived, bytesExpected }: Message): string[];
    /** @param {number} attempt @param {Message} state */
    attempt: (attempt: number, { message }: Message) => string;
    /** @param {{code: string, message: string}} error */
    error: ({ message }: {
        code: string;
        message: string;
    }) => string;
    /** @param {string} filename */
    fileMissing: (filename: string) => string;
    /** @param {number} percent   0–100. */
    percent: (percent: number) => string;
    /** Shown while a cancellation of several uploads can be undone. @param {number} count */
    cancellingSoon: (count: number) => string;
    /** Shown while a deletion can be undone. @param {string} filename */
    deletingSoon: (filename: string) => string;
    /** The question before an upload is deleted. @param {string} filename */
    confirmDelete: (filename: string) => string;
    /** @param {number} bytes   The size of the expected file. */
    wrongFile: (bytes: number) => string;
    /** @param {number} bytes @param {number} limit   In bytes. */
    tooLarge: (bytes: number, limit: number) => string;
    /** @param {string} template @param {string} kind   The files that the template is for: `video` or `image`. */
    wrongForTemplate: (template: string, kind: string) => string;
    /** The dialog's title. @param {Aggregate} aggregate */
    dialogTitle({ total, active, completed, failed }: Aggregate): string;
    /** The progress and remaining time below the dialog's title. @param {Aggregate} aggregate */
    dialogProgress: ({ progress, eta }: Aggregate) => string;
    /** The progress of all uploads. @param {Aggregate} aggregate */
    summary({ total, active, failed, progress }: Aggregate): string;
    /** How much smaller the result is than the original. @param {number} percent */
    saved(percent: number): string;
    /** How much of an incomplete source file could be read. @param {Element} element */
    partialNote({ partial }: Element): string;
    /** A remark about the quality of the result. @param {Element} element */
    resultNote({ copied, quality }: Element): string;
    /** What an output is. @param {Output} output @returns {string} */
    outputTitle: (output: Output) => string;
    /** The file format of an output. @param {Output} output @returns {string} */
    outputFormat: ({ mime }: Output) => string;
    /** The dimensions, duration and size of an output. @param {Output} output */
    outputFacts({ width, height, duration, size }: Output): string;
    /** @param {string} filename */
    poster: (filename: string) => string;
    /** The label of the player or of the result image. @param {string} filename */
    compressed: (filename: string) => string;
    /** @param {string} filename */
    scenes: (filename: string) => string;
    /** A position in a video; both in seconds. @param {number} seconds @param {number} duration */
    position: (seconds: number, duration: number) => string;
    /** The text value of a progress bar. @param {number} percent @param {string} title @param {string[]} facts */
    progressValue: (percent: number, title: string, facts: string[]) => string;
    /** The announcement of an upload's state to screen readers. @param {string} filename @param {Message} state */
    announcement(filename: string, state: Message): string;
    /** The announcement of a file that was not uploaded. @param {string} filename @param {string} reason */
    rejected: (filename: string, reason: string) => string;
};
