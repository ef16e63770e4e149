/** What the page says: numbers and stages in words. Pure. */
export type Message = import("./roomcast.js").Message;
/** @param {import("./roomcast.js").Stage} stage */
export declare function stageWords(stage: import("./roomcast.js").Stage): string;
/** Decimal units with three digits, as file managers show them. @param {number} bytes */
export declare function bytesWords(bytes: number): string;
/** @param {number} received @param {number | null} expected */
export declare function receivedWords(received: number, expected: number | null): string;
/** Rounded the more the further off it is, so that it does not flicker. @param {number} seconds */
export declare function etaWords(seconds: number): string;
/** @param {number} position 1 is next */
export declare function queueWords(position: number): string;
/** @param {number} seconds */
export declare function durationWords(seconds: number): string;
/**
 * How fast it goes, and how long it may take; what is not known is left out.
 *
 * @param {Message} state @returns {string[]}
 */
export declare function paceWords({ stage, speed, fps, eta, forecast, queuePosition, bytesReceived, bytesExpected }: Message): string[];
/** Honest about a result that did not get smaller. @param {number} percent */
export declare function savedWords(percent: number): string;
/** What is missing of a file that was cut short. @param {import("./roomcast.js").Element} element */
export declare function partialWords({ partial }: import("./roomcast.js").Element): string;
/** What else is to be said of a result. @param {import("./roomcast.js").Element} element */
export declare function resultWords({ copied, quality }: import("./roomcast.js").Element): string;
/** What an output is. @param {import("./roomcast.js").Output} output */
export declare function outputTitle(output: import("./roomcast.js").Output): string;
/** @param {import("./roomcast.js").Output} output */
export declare function formatWords({ mime }: import("./roomcast.js").Output): string;
/** How large it is, in every sense. @param {import("./roomcast.js").Output} output */
export declare function outputFacts({ width, height, duration, size }: import("./roomcast.js").Output): string;
