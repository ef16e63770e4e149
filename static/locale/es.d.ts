/** The Spanish texts. Pure. */
/** The texts of the elements in Spanish. */
export declare const es: import("./create-locale.js").Locale;
