/** The German texts. Pure. */
/** The texts of the elements in German. */
export declare const de: import("./create-locale.js").Locale;
