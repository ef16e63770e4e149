/** The language of the demo page: that of its URL, else the one that was chosen here before, else the browser's. */

import { en } from "../locale/en.js";
import { LANGUAGES, loadLocale, matchLanguage } from "../locale/languages.js";
import { setText } from "../shared/dom.js";
import { tryStorage } from "../shared/storage.js";

/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../locale/languages.js").Language} Language */

const STORAGE_KEY = "roomcast.language";

/** The page's texts. Events: `change` when they are in another language. */
export class PageLanguage extends EventTarget {
  locale = en;
  #chooser;

  /** @param {HTMLSelectElement} chooser */
  constructor(chooser) {
    super();
    this.#chooser = chooser;
    const names = Object.entries(LANGUAGES);
    chooser.replaceChildren(...names.map(([language, name]) => Object.assign(new Option(name, language), { lang: language })));
    chooser.addEventListener("change", () => {
      const language = /** @type {Language} */ (chooser.value);
      tryStorage(() => localStorage.setItem(STORAGE_KEY, language), undefined);
      void this.#use(language);
    });
    void this.#use(initialLanguage());
  }

  /** @param {Language} language */
  async #use(language) {
    this.#chooser.value = language;
    document.documentElement.lang = language; // the elements follow it
    const locale = await loadLocale(language);
    if (this.#chooser.value !== language) return;
    document.documentElement.lang = locale.language;
    document.documentElement.dir = locale.direction;
    if (locale === this.locale) return;
    this.locale = locale;
    translate(locale);
    this.dispatchEvent(new Event("change"));
  }
}

/** @returns {Language} */
function initialLanguage() {
  const requested = new URLSearchParams(location.search).get("lang");
  const chosen = tryStorage(() => localStorage.getItem(STORAGE_KEY), null);
  return matchLanguage([requested, chosen, ...navigator.languages]);
}

/** Replace the texts of the page's HTML, which are English. @param {Locale} locale */
function translate(locale) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-text]"))) {
    setText(element, textAt(locale, element.dataset.text ?? ""));
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-label]"))) {
    element.setAttribute("aria-label", textAt(locale, element.dataset.label ?? ""));
  }
}

/** @param {Locale} locale @param {string} key   Of a text, or `page.` and that of a text of the page. */
function textAt(locale, key) {
  /** @type {any} */ let value = locale;
  for (const name of key.split(".")) value = value[name];
  return /** @type {string} */ (value);
}
