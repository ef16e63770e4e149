/** The Arabic texts. Pure. */
/** The texts of the elements in Arabic. */
export declare const ar: import("./create-locale.js").Locale;
