/** Cancels, retries or deletes all uploads that the filter selects: counts them, asks, and shows how far it is. */

import { en } from "../../locale/en.js";
import { Dialog } from "../common/dialog.js";
import { capitalized, formatCount } from "../common/format.js";
import { elementOf, linkOf } from "../common/nodes.js";
import { filterWords, serverFilter, uploadFragment } from "../common/route.js";

/** @typedef {import("../common/calls.js").Calls} Calls */
/** @typedef {import("../common/route.js").Filter} Filter */

/**
 * @typedef {"cancel" | "retry" | "delete"} BulkAction
 *
 * @typedef {object} BulkAnswer   What the server answers to one call.
 * @property {number} matched
 * @property {number} eligible
 * @property {number} changed
 * @property {number} skippedCount
 * @property {{uploadId: string, filename: string, code: string, message: string}[]} skipped
 * @property {string | null} cursor   Of the next call; null at the end.
 */

const MAX_SKIPPED = 20; // that are listed
const PAST = { cancel: "cancelled", retry: "retried", delete: "deleted" };
const ELIGIBLE = {
  cancel: "No upload can be cancelled. The ones that match have ended.",
  retry: "No upload can be retried. A retry needs the file of a failed upload.",
  delete: "No upload can be deleted. Only uploads that have ended can be.",
};

/** Runs one action on all uploads of a filter. */
export class BulkRun {
  #calls;
  #action;
  #words;
  #body;
  #dialog;
  #closed = false;

  /** @param {Calls} calls @param {BulkAction} action @param {Filter} filter @param {number} now   The server's time in ms. */
  constructor(calls, action, filter, now) {
    this.#calls = calls;
    this.#action = action;
    this.#words = filterWords(filter);
    this.#body = { filter: serverFilter(filter, now) };
    this.#dialog = new Dialog(`${capitalized(action)} uploads`, () => (this.#closed = true));
  }

  /** Count the uploads and ask. Resolves when the question is shown. */
  async ask() {
    this.#dialog.show("Counting the uploads…");
    this.#offerClose("Go back");
    const answer = await this.#call({ dryRun: true, cursor: null });
    if (!answer) return;
    const { eligible, skippedCount, cursor } = answer;
    if (!eligible) {
      this.#dialog.show(ELIGIBLE[this.#action]);
      return this.#offerClose("Close");
    }
    const more = cursor ? "more than " : "";
    const scope = this.#words ? ` that match the filter: ${this.#words}` : " of all users";
    const texts = [elementOf("p", "", `${capitalized(this.#action)} ${more}${formatCount(eligible, "upload")}${scope}?`)];
    if (skippedCount) texts.push(elementOf("p", "muted", `${formatCount(skippedCount, "other upload matches", "other uploads match")} and will be skipped.`));
    if (this.#action === "delete") texts.push(elementOf("p", "", "Their results are deleted too. This cannot be undone."));
    this.#dialog.show(...texts);
    const label = `${capitalized(this.#action)} ${more}${formatCount(eligible, "upload")}`;
    this.#dialog.offer([label, () => void this.#run(eligible), "danger"], ["Go back", () => this.#dialog.close()]);
  }

  /** @param {number} eligible */
  async #run(eligible) {
    const progress = document.createElement("progress");
    progress.max = Math.max(1, eligible);
    const text = elementOf("p", "", this.#progressText(0, eligible));
    this.#dialog.show(text, progress);
    this.#offerClose("Stop");
    progress.setAttribute("aria-label", "Uploads that were processed");
    const total = { changed: 0, skippedCount: 0, skipped: /** @type {BulkAnswer["skipped"]} */ ([]) };
    let cursor = /** @type {string | null} */ (null);
    do {
      const answer = await this.#call({ dryRun: false, cursor });
      if (!answer) return;
      total.changed += answer.changed;
      total.skippedCount += answer.skippedCount;
      total.skipped.push(...answer.skipped);
      cursor = answer.cursor;
      progress.value = total.changed;
      text.textContent = this.#progressText(total.changed, Math.max(eligible, total.changed));
    } while (cursor && !this.#closed);
    if (!this.#closed) this.#showResult(total);
  }

  /** @param {{changed: number, skippedCount: number, skipped: BulkAnswer["skipped"]}} total */
  #showResult({ changed, skippedCount, skipped }) {
    const was = changed === 1 ? "was" : "were";
    const result = elementOf("p", "", `${formatCount(changed, "upload")} ${was} ${PAST[this.#action]}.`);
    if (!skippedCount) this.#dialog.show(result);
    else {
      const items = skipped.slice(0, MAX_SKIPPED).map(({ uploadId, filename, message }) => {
        const link = linkOf(uploadFragment(uploadId), "", filename);
        link.dir = "auto";
        link.addEventListener("click", () => this.#dialog.close());
        return elementOf("li", "", link, elementOf("p", "muted", message));
      });
      const heading = elementOf("p", "", `${formatCount(skippedCount, "upload was", "uploads were")} skipped.`);
      const rest = skippedCount - items.length;
      if (rest > 0) items.push(elementOf("li", "muted", `And ${rest} more.`));
      this.#dialog.show(result, heading, elementOf("ul", "skipped", ...items));
    }
    this.#offerClose("Close");
  }

  /** @param {object} body @returns {Promise<BulkAnswer | undefined>} undefined after an error, which is shown */
  async #call(body) {
    const { response, error } = await this.#calls.attempt("POST", `api/admin/uploads/${this.#action}`, { ...this.#body, ...body });
    if (!error) return response;
    this.#dialog.show(en.error(error));
    this.#offerClose("Close");
    return undefined;
  }

  /** @param {number} changed @param {number} eligible */
  #progressText(changed, eligible) {
    return `${changed} of ${formatCount(eligible, "upload")} ${PAST[this.#action]}…`;
  }

  /** @param {string} label */
  #offerClose(label) {
    this.#dialog.offer([label, () => this.#dialog.close()]);
  }
}
