/** The languages of the elements and of the demo page. All but English are loaded when they are first needed. */

import { en } from "./en.js";

/** @typedef {import("./create-locale.js").Locale} Locale */

/** The name of each language in that language, by its tag. */
export const LANGUAGES = /** @type {const} */ ({
  en: "English",
  de: "Deutsch",
  es: "Español",
  fr: "Français",
  ja: "日本語",
  ar: "العربية",
});

/** @typedef {keyof typeof LANGUAGES} Language */

/** @type {Record<Language, () => Promise<Locale>>} */
const LOADERS = {
  en: async () => en,
  de: async () => (await import("./de.js")).de,
  es: async () => (await import("./es.js")).es,
  fr: async () => (await import("./fr.js")).fr,
  ja: async () => (await import("./ja.js")).ja,
  ar: async () => (await import("./ar.js")).ar,
};

/** @type {Map<Language, Locale>} */
const loaded = new Map([["en", en]]);

/** Return the first available language of some tags such as `de-AT`; English if there is none.
 * @param {readonly (string | null | undefined)[]} tags @returns {Language} */
export function matchLanguage(tags) {
  const languages = tags.map((tag) => tag?.trim().toLowerCase().split(/[-_]/)[0] ?? "");
  return /** @type {Language} */ (languages.find((language) => Object.hasOwn(LANGUAGES, language)) ?? "en");
}

/** Return the texts of a language, or null while they are not loaded. @param {Language} language */
export function loadedLocale(language) {
  return loaded.get(language) ?? null;
}

/** Load the texts of a language; English if that fails. @param {Language} language @returns {Promise<Locale>} */
export async function loadLocale(language) {
  const locale = loaded.get(language) ?? (await LOADERS[language]().catch(() => en));
  if (locale.language === language) loaded.set(language, locale);
  return locale;
}
