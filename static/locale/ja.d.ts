/** The Japanese texts. Pure. */
/** The texts of the elements in Japanese. */
export declare const ja: import("./create-locale.js").Locale;
