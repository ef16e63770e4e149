/** One row of the admin page's list: an upload with its progress, its actions and its results. */

import { en } from "../../locale/en.js";
import { setHidden, setText } from "../../shared/dom.js";
import { confirmed } from "../common/dialog.js";
import { capitalized } from "../common/format.js";
import { Age, buttonOf, elementOf, linkOf, performWith, showName } from "../common/nodes.js";
import { listFragment, uploadFragment } from "../common/route.js";

/** @typedef {import("../../protocol/messages.js").Element} Element */
/** @typedef {import("../../protocol/messages.js").Output} Output */
/** @typedef {import("../../protocol/messages.js").Stage} Stage */
/** @typedef {import("../../protocol/messages.js").Status} Status */

/**
 * @typedef {object} AdminUpload   An upload as the server lists it for admins.
 * @property {string} uploadId
 * @property {string} owner
 * @property {string} template
 * @property {string} filename
 * @property {Status} status
 * @property {Stage} stage
 * @property {number} progress
 * @property {string} message
 * @property {number} attempt
 * @property {number} bytesReceived
 * @property {number | null} bytesExpected
 * @property {number | null} speed
 * @property {number | null} eta
 * @property {string} createdAt
 * @property {string} updatedAt
 * @property {boolean} canRetry   Whether the server still has the file that a retry needs.
 * @property {boolean} paused     Whether it waits because its template is paused.
 * @property {{code: string, message: string, step: Stage, retryable: boolean} | null} error
 *
 * @typedef {object} Actions   The calls of a row; each resolves when the server has answered.
 * @property {(uploadId: string) => Promise<unknown>} cancel
 * @property {(uploadId: string) => Promise<unknown>} delete
 * @property {(uploadId: string) => Promise<unknown>} retry
 * @property {(uploadId: string) => Promise<Element | undefined>} element
 */

/** The buttons of an upload. They have the same place, texts and rules in the list and on the upload's own page. */
export class UploadActions {
  element = elementOf("div", "buttons");
  #cancel;
  #retry;
  #delete;

  /** @param {AdminUpload} upload @param {Actions} actions */
  constructor({ uploadId, filename }, actions) {
    this.#cancel = buttonOf("Cancel", filename);
    this.#retry = buttonOf("Retry", filename);
    this.#delete = buttonOf("Delete", filename);
    this.element.append(this.#cancel, this.#retry, this.#delete);
    this.#cancel.addEventListener("click", () => performWith(this.#cancel, "Cancelling…", () => actions.cancel(uploadId)));
    this.#retry.addEventListener("click", () => performWith(this.#retry, "Retrying…", () => actions.retry(uploadId)));
    this.#delete.addEventListener("click", async () => {
      const explanation = "Its results are deleted too. This cannot be undone.";
      if (!(await confirmed(`Delete ${filename}?`, explanation, "Delete"))) return;
      await performWith(this.#delete, "Deleting…", () => actions.delete(uploadId));
    });
  }

  /** @param {AdminUpload} upload */
  render(upload) {
    const terminal = isTerminal(upload);
    const focused = this.element.contains(document.activeElement);
    setHidden(this.#cancel, terminal);
    setHidden(this.#retry, !upload.canRetry);
    setHidden(this.#delete, !terminal || upload.stage === "deleted");
    const hidden = document.activeElement instanceof HTMLElement && document.activeElement.hidden;
    if (focused && hidden) [this.#cancel, this.#retry, this.#delete].find((button) => !button.hidden)?.focus();
  }
}

export class UploadRow {
  /** @type {AdminUpload} */ upload;
  #actions;
  #name;
  #owner = linkOf("#/", "");
  #template = linkOf("#/", "");
  #attempt = elementOf("span", "fact");
  #stage = elementOf("div", "stage");
  #detail = elementOf("div", "detail");
  #percent = elementOf("span", "percent");
  #bar = elementOf("div", "bar");
  #fill = elementOf("div", "fill");
  #age;
  #results;
  #buttons;
  #outputs = elementOf("ul", "outputs");

  /** @param {AdminUpload} upload @param {Actions} actions */
  constructor(upload, actions) {
    this.upload = upload;
    this.#actions = actions;
    this.#name = linkOf(uploadFragment(upload.uploadId), "name");
    this.#age = new Age(upload.createdAt);
    this.#results = buttonOf("Results", upload.filename);
    this.#buttons = new UploadActions(upload, actions);
    this.element = elementOf("tr", "upload");
    this.element.dataset.id = upload.uploadId;
    const context = elementOf("p", "facts", fact(this.#owner), fact(this.#template), this.#attempt);
    const file = elementOf("td", "file", elementOf("div", "name-line", this.#name), context, this.#outputs);
    const progress = elementOf("td", "progress", elementOf("div", "measure", this.#bar, this.#percent));
    this.#bar.append(this.#fill);
    this.#bar.setAttribute("role", "progressbar");
    this.#bar.setAttribute("aria-valuemin", "0");
    this.#bar.setAttribute("aria-valuemax", "100");
    this.#bar.setAttribute("aria-label", upload.filename);
    this.#outputs.hidden = true;
    this.#results.setAttribute("aria-expanded", "false");
    this.#buttons.element.prepend(this.#results);
    const state = elementOf("td", "state", this.#stage, this.#detail);
    const age = elementOf("td", "number age", this.#age.element);
    this.element.append(file, state, progress, age, elementOf("td", "actions", this.#buttons.element));
    this.#results.addEventListener("click", () => void this.#toggleResults());
  }

  /** @param {AdminUpload} upload @param {number} now   The server's time in ms. */
  render(upload, now) {
    this.upload = upload;
    const { status, error, owner, template } = upload;
    this.element.dataset.status = status;
    this.element.dataset.stage = upload.stage;
    showName(this.#name, upload.filename);
    setText(this.#owner, owner);
    this.#owner.href = listFragment({ owner });
    setText(this.#template, template);
    this.#template.href = listFragment({ template });
    setText(this.#attempt, upload.attempt > 1 ? `attempt ${upload.attempt}` : "");
    setHidden(this.#attempt, upload.attempt <= 1);
    setText(this.#stage, en.stage(upload.stage));
    setText(this.#detail, detailOf(upload));
    this.#detail.title = error?.message ?? "";
    setText(this.#percent, `${Math.floor(upload.progress)}%`);
    this.#bar.setAttribute("aria-valuenow", String(Math.floor(upload.progress)));
    this.#fill.style.inlineSize = `${upload.progress}%`;
    this.#age.render(now);
    setHidden(this.#results, status !== "completed");
    this.#buttons.render(upload);
    if (status !== "completed") this.#hideResults();
  }

  async #toggleResults() {
    if (!this.#outputs.hidden) return this.#hideResults();
    const element = await this.#actions.element(this.upload.uploadId);
    if (!element) return;
    this.#outputs.replaceChildren(...element.outputs.map(outputItem));
    this.#outputs.hidden = false;
    this.#results.setAttribute("aria-expanded", "true");
  }

  #hideResults() {
    setHidden(this.#outputs, true);
    this.#results.setAttribute("aria-expanded", "false");
  }
}

/** @param {AdminUpload} upload */
export function isTerminal({ status }) {
  return status === "completed" || status === "error";
}

/** Return what else there is to know about the stage: the reason, the received bytes, the speed. @param {AdminUpload} upload */
export function detailOf({ status, stage, paused, error, speed, eta, message, bytesReceived, bytesExpected }) {
  if (paused || (error && status !== "error")) return message; // the next attempt is scheduled
  if (error?.code === "CANCELLED") return `while ${en.stage(error.step).toLowerCase()}`;
  if (error) return `${error.code} in ${error.step}`;
  if (stage === "receiving") return en.received(bytesReceived, bytesExpected);
  const facts = [];
  if (speed) facts.push(en.speed(speed));
  if (eta !== null) facts.push(en.eta(eta));
  return facts.length ? facts.join(", ") : en.bytes(bytesReceived);
}

/** Return the item of an output: a link, with its dimensions and size. @param {Output} output */
export function outputItem(output) {
  const link = linkOf(output.url, "", capitalized(en.outputTitle(output)));
  link.target = "_blank";
  link.rel = "noopener";
  return elementOf("li", "", link, elementOf("span", "facts", en.outputFacts(output)));
}

/** @param {HTMLElement} element */
function fact(element) {
  element.dir = "auto";
  return elementOf("span", "fact", element);
}
