/** What a person does with a result but saving it: open it, copy a link to it, embed it in another page. */

import { Markup, byClass, copyText, instantiate, setHidden, setText } from "../shared/dom.js";
import { embedCode } from "./embed-code.js";

/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/messages.js").Output} Output */

const MARKUP = new Markup(`
<div class="sharing">
  <p class="sharing-actions">
    <a class="button open" part="button" target="_blank" rel="noopener"></a>
    <button class="button copy-link" part="button" type="button"></button>
    <button class="button copy-embed" part="button" type="button"></button>
  </p>
  <p class="validity"></p>
  <p class="sharing-note" hidden></p>
  <code class="sharing-text" tabindex="0" hidden></code>
</div>`);

export class Sharing {
  /** @type {HTMLElement} */ element;
  #upload;
  #announce;
  /** @type {Locale} */ #locale;
  /** @type {Output[]} */ #outputs = [];
  #filename = "";
  /** @type {string | undefined} */ #expiresAt;
  /** The lasting link, once it is needed; null if this viewer may not create one.
   * @type {Promise<string | null> | undefined} */ #link;

  /**
   * @param {Upload} upload @param {Locale} locale
   * @param {(text: string) => void} announce   Announces to screen readers what was done.
   */
  constructor(upload, locale, announce) {
    this.#upload = upload;
    this.#locale = locale;
    this.#announce = announce;
    this.element = instantiate(MARKUP);
    byClass(this.element, "copy-link").addEventListener("click", () => void this.#copyLink());
    byClass(this.element, "copy-embed").addEventListener("click", () => void this.#copyEmbedCode());
  }

  /**
   * @param {Output[]} outputs   The main one first.
   * @param {string} filename @param {string | undefined} expiresAt @param {Locale} locale
   */
  show(outputs, filename, expiresAt, locale) {
    this.#outputs = outputs;
    this.#filename = filename;
    this.#expiresAt = expiresAt;
    this.#locale = locale;
    const open = /** @type {HTMLAnchorElement} */ (byClass(this.element, "open"));
    const { url } = outputs[0];
    if (open.href !== url) open.href = url;
    setText(open, locale.openResult);
    setText(byClass(this.element, "copy-link"), locale.copyLink);
    setText(byClass(this.element, "copy-embed"), locale.copyEmbedCode);
    const { moment, validUntil } = locale;
    setText(byClass(this.element, "validity"), expiresAt ? validUntil(moment(new Date(expiresAt))) : "");
    setHidden(byClass(this.element, "copy-embed"), embedCode("", outputs, filename) === null);
  }

  /** Copy the lasting link, or else the URL of the main result, and say how long it is valid. */
  async #copyLink() {
    const link = await this.#lastingLink();
    const { linkCopied, linkCopiedUntil } = this.#locale;
    if (link) return this.#copy(link, linkCopied);
    if (this.#isExpired()) await this.#upload.refresh();
    const until = this.#expiresAt && this.#locale.moment(new Date(this.#expiresAt));
    await this.#copy(this.#outputs[0].url, until ? linkCopiedUntil(until) : linkCopied);
  }

  async #copyEmbedCode() {
    const link = await this.#lastingLink();
    if (link) await this.#copy(embedCode(link, this.#outputs, this.#filename) ?? "", this.#locale.embedCodeCopied);
    else this.#say(this.#locale.noLastingLink);
  }

  #isExpired() {
    return this.#expiresAt !== undefined && Date.parse(this.#expiresAt) < Date.now();
  }

  /** Return the lasting link; null if this viewer may not create one, or if the server does not answer. */
  async #lastingLink() {
    this.#link ??= this.#upload.createLink().then(
      ({ url }) => url,
      (error) => {
        if (error.code !== "FORBIDDEN") this.#link = undefined; // it may succeed the next time
        return null;
      },
    );
    return this.#link;
  }

  /** Copy a text; where the browser forbids that, show it selected. @param {string} text @param {string} confirmation */
  async #copy(text, confirmation) {
    const shown = byClass(this.element, "sharing-text");
    setText(shown, text);
    setHidden(shown, false); // what is hidden cannot be selected
    const copied = await copyText(shown);
    setHidden(shown, copied);
    this.#say(copied ? confirmation : this.#locale.copyYourself);
  }

  /** @param {string} text */
  #say(text) {
    const note = byClass(this.element, "sharing-note");
    setText(note, text);
    setHidden(note, false);
    this.#announce(text);
  }
}
