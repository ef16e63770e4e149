/** The French texts. Pure. */
/** The texts of the elements in French. */
export declare const fr: import("./create-locale.js").Locale;
