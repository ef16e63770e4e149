/** Shows the progress of the uploads, and their result, in the page's title and icon. */

/** @typedef {import("../client/aggregate.js").Aggregate} Aggregate */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("./favicon.js").Outcome} Outcome */

/**
 * Return how uploads ended, as a text and for the icon; null if all were cancelled, or there are none. Pure.
 *
 * @param {Aggregate} aggregate @param {Locale} locale @returns {{outcome: "done" | "failed", text: string} | null}
 */
export function resultOf(aggregate, { page }) {
  const { completed, failed } = aggregate;
  if (failed > 0) return { outcome: "failed", text: page.failed(failed) };
  return completed > 0 ? { outcome: "done", text: `✓ ${page.done(completed)}` } : null;
}

export class PageTitle {
  #locale;
  #setIcon;
  #onEnd;
  #wasActive = false;
  /** What the uploads ended with, until the person is back. @type {ReturnType<typeof resultOf>} */ #result = null;

  /**
   * @param {() => Locale} locale
   * @param {(outcome: Outcome) => void} setIcon
   * @param {(result: string) => void} onEnd   Called with the result when the last active upload has ended.
   */
  constructor(locale, setIcon, onEnd) {
    this.#locale = locale;
    this.#setIcon = setIcon;
    this.#onEnd = onEnd;
    for (const event of ["focus", "pointerdown", "keydown"]) addEventListener(event, () => this.#acknowledge());
  }

  /** Show the progress of the uploads, or their result. @param {Aggregate} aggregate */
  update(aggregate) {
    const { active, progress } = aggregate;
    if (active) this.#result = null;
    else if (this.#wasActive) this.#result = resultOf(aggregate, this.#locale());
    const hasEnded = this.#wasActive && !active;
    this.#wasActive = active > 0;
    const { format, page } = this.#locale();
    if (active) this.#show("busy", page.titleActive(format.percent(progress)));
    else if (this.#result) this.#show(this.#result.outcome, page.titleEnded(this.#result.text));
    else this.#show("idle", "Roomcast");
    if (hasEnded && this.#result) this.#onEnd(this.#result.text);
  }

  /** The person is back and sees the list. */
  #acknowledge() {
    if (!this.#result) return;
    this.#result = null;
    this.#show("idle", "Roomcast");
  }

  /** @param {Outcome} outcome @param {string} title */
  #show(outcome, title) {
    if (document.title !== title) document.title = title;
    this.#setIcon(outcome);
  }
}
