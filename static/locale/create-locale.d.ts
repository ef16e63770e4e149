/** Completes the texts of a language by those that are composed of others. Pure. */
export type Aggregate = import("../client/aggregate.js").Aggregate;
export type Upload = import("../client/upload.js").Upload;
export type Transfer = import("../sending/transfer-meter.js").Transfer;
export type Summary = import("../client/summary.js").Summary;
export type Element = import("../protocol/messages.js").Element;
export type Message = import("../protocol/messages.js").Message;
export type Output = import("../protocol/messages.js").Output;
export type Stage = import("../protocol/messages.js").Stage;
export type Texts = import("./en.js").Texts;
export type ComposedTexts = ReturnType<typeof composedTexts>;
export type Locale = Texts & ComposedTexts;
/** Return the locale of a language. @param {Texts & Partial<Locale>} texts @returns {Locale} */
export declare function createLocale(texts: Texts & Partial<Locale>): Locale;
/** Return a locale in which some texts are replaced. @param {Locale} locale @param {Partial<Locale>} texts */
export declare function withTexts(locale: Locale, texts: Partial<Locale>): Locale;
/** @param {() => Locale} current   Returns the locale that the texts are part of. */
declare function composedTexts(current: () => Locale): {
    /** @param {number} percent   0–100. */
    percent: (percent: number) => string;
    /** A size in bytes. @param {number} bytes */
    bytes: (bytes: number) => string;
    /** How much of a file has arrived, in bytes. @param {number} received @param {number | null} expected */
    received(received: number, expected: number | null): string;
    /** The facts while a file is sent: bytes, speed, remaining time. Unknown ones are omitted.
     * @param {Transfer} transfer @returns {string[]} */
    transferFacts({ sent, total, bytesPerSecond, secondsLeft }: Transfer): string[];
    /** The facts while sending is interrupted: what the server has, and the seconds until the next try.
     * @param {Transfer} transfer @param {number | null} seconds   Null if only the connection is waited for. */
    interruptionFacts({ sent, total }: Transfer, seconds: number | null): string[];
    /** The numbers of rows by what they do, such as “1 compressing, 4 done”. @param {Summary} summary @returns {string} */
    rowSummary({ counts }: Summary): string;
    /** The remaining time, in steps that grow with it, so that it does not flicker. @param {number} seconds */
    eta(seconds: number): string;
    /** A speed relative to real time. @param {number} speed */
    speed: (speed: number) => string;
    /** A duration or a position in a video. @param {number} seconds */
    duration: (seconds: number) => string;
    /** A time of today, or a date with its time. @param {Date} date */
    moment(date: Date): string;
    /** The title of a stage. @param {Stage} stage @returns {string} */
    stage: (stage: Stage) => string;
    /** The name of an upload. @param {Upload} upload @returns {string} */
    filename: ({ file, state }: Upload) => string;
    /** The sentence for an error. @param {{code: string, message: string}} error @returns {string} */
    error: ({ code, message }: {
        code: string;
        message: string;
    }) => string;
    /** The sentence for a failed upload's error, and the one that says what helps.
     * @param {{code: string, message: string}} error @returns {string} */
    failure(error: {
        code: string;
        message: string;
    }): string;
    /** What to do when the rest of a file is missing. @param {string} filename @param {Transfer | null} transfer */
    restMissing(filename: string, transfer: Transfer | null): string;
    /** The facts after a stage's title: received bytes, queue position, speed, remaining time. Unknown ones are omitted.
     * @param {Message} state @returns {string[]} */
    progressFacts({ stage, speed, eta, forecast, queuePosition, bytesReceived, bytesExpected }: Message): string[];
    /** The progress and remaining time below the dialog's title. @param {Aggregate} aggregate @returns {string} */
    dialogProgress({ progress, eta }: Aggregate): string;
    /** How much smaller the result is than the original. @param {number} percent */
    saved(percent: number): string;
    /** How much of an incomplete source file could be read. @param {Element} element */
    partialNote({ partial }: Element): string;
    /** A remark about the quality of the result. @param {Element} element */
    resultNote({ copied, quality }: Element): string;
    /** What an output is. @param {Output} output @returns {string} */
    outputTitle(output: Output): string;
    /** The file format of an output. @param {{mime: string}} output @returns {string} */
    outputFormat: ({ mime }: {
        mime: string;
    }) => string;
    /** The dimensions, duration and size of an output. @param {Output} output */
    outputFacts({ width, height, duration, size }: Output): string;
    /** A position in a video; both in seconds. @param {number} seconds @param {number} duration */
    position: (seconds: number, duration: number) => string;
    /** The number of an attempt, with the reason for it where the language is the server's.
     * @param {number} attempt @param {Message} state */
    attempt(attempt: number, { message }: Message): string;
    /** The announcement of an upload's state to screen readers. @param {string} filename @param {Message} state */
    announcement(filename: string, state: Message): string;
};
export {};
