/** Formats sizes, durations and counts in English. Pure. */
/** Return a size in decimal units with up to three digits, as file managers show it. @param {number} bytes */
export declare function formatBytes(bytes: number): string;
/** Return an estimated size, with two digits. @param {number} bytes */
export declare function formatRoughBytes(bytes: number): string;
/** Return how much of a file has arrived. @param {number} received @param {number | null} expected */
export declare function formatReceived(received: number, expected: number | null): string;
/** Return the remaining time, in steps that grow with it, so that it does not flicker. @param {number} seconds */
export declare function formatEta(seconds: number): string;
/** Return a duration or a position in a video as `[hours:]minutes:seconds`. @param {number} seconds */
export declare function formatDuration(seconds: number): string;
/** Return a speed relative to real time. @param {number} speed */
export declare function formatSpeed(speed: number): string;
/** Return a number as 1st, 2nd, 3rd, 4th. @param {number} number */
export declare function formatOrdinal(number: number): string;
