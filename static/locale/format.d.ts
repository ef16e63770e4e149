/** Formats numbers, sizes, times and lists in a language. Pure. */
export type TimeUnit = "second" | "minute" | "hour";
export type PluralForms = Partial<Record<Intl.LDMLPluralRule, string>> & {
    other: string;
};
/** @typedef {"second" | "minute" | "hour"} TimeUnit */
/** @typedef {Partial<Record<Intl.LDMLPluralRule, string>> & {other: string}} PluralForms   `#` stands for the number. */
/** The formats of one language. Its methods can be used without their object. */
export declare class Formats {
    #private;
    /**
     * @param {string} language
     * @param {object} [units]
     * @param {Partial<Record<TimeUnit, string>>} [units.symbols]   Used instead of the language's own abbreviations.
     * @param {"short" | "long"} [units.display]                    Whether other units are abbreviated.
     */
    constructor(language: string, { symbols, display }?: {
        symbols?: Partial<Record<TimeUnit, string>>;
        display?: "short" | "long";
    });
    /** Return a number, rounded. @param {number} value @param {number} [digits]   At most so many after the point. */
    number: (value: number, digits?: number) => string;
    /** Return a percentage, rounded down so that only what is complete has 100. @param {number} percent */
    percent: (percent: number) => string;
    /** Return a size in decimal units with up to three digits, as file managers show it. @param {number} bytes */
    bytes: (bytes: number) => string;
    /** Return a size as a number of the unit that another size has. @param {number} bytes @param {number} other */
    bytesInUnitOf: (bytes: number, other: number) => string;
    /** Return the speed of a transfer. @param {number} bytesPerSecond */
    bytesPerSecond: (bytesPerSecond: number) => string;
    /** Return a range of estimated sizes, with two digits each. @param {number} low @param {number} high */
    roughBytesRange: (low: number, high: number) => string;
    /** Return an estimated size, with two digits. @param {number} bytes */
    roughBytes: (bytes: number) => string;
    /**
     * Return a limit in bytes: 2 GB for 2 GiB and for 2,000,000,000 bytes. It is rounded down, so that a file of the size
     * that is shown is accepted; every binary unit is larger than the decimal one of its name.
     *
     * @param {number} bytes
     */
    limit: (bytes: number) => string;
    /** Return a duration in one unit. @param {number} value @param {TimeUnit} unit @param {number} [digits]   At most. */
    time: (value: number, unit: TimeUnit, digits?: number) => string;
    /** Return a duration in rounded seconds or minutes. @param {number} seconds */
    roughTime: (seconds: number) => string;
    /** Return a duration or a position in a video as `[hours:]minutes:seconds`. @param {number} seconds */
    clock: (seconds: number) => string;
    /** Return a speed relative to real time. @param {number} speed */
    speed: (speed: number) => string;
    /** Return the dimensions of a picture. @param {number} width @param {number} height   In pixels. */
    dimensions: (width: number, height: number) => string;
    /** Return a time of day. @param {Date} date */
    timeOfDay: (date: Date) => string;
    /** Return a date with its time. @param {Date} date */
    dateTime: (date: Date) => string;
    /** Return items as a list in a sentence. @param {string[]} items */
    list: (items: string[]) => string;
    /** Return a number as 1st, 2nd, 3rd, 4th. @param {number} number @param {PluralForms} forms */
    ordinal: (number: number, forms: PluralForms) => string;
    /**
     * Return the function that puts a number into the form that the language has for it.
     *
     * @param {PluralForms} forms   For each form of the language; `many` may be absent where only millions have it.
     * @returns {(count: number) => string}
     */
    plural: (forms: PluralForms) => (count: number) => string;
    /** Return a name that keeps its own direction inside of a sentence. @param {string} name */
    isolate: (name: string) => string;
    /** Return a formula that is read from left to right in every language. @param {string} text */
    leftToRight: (text: string) => string;
}
