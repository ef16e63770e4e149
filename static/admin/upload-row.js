/** One row of the admin page's list: an upload with its progress, its actions and its results. */

import { ENGLISH } from "../locale/en.js";
import { setHidden, setText } from "../shared/dom.js";
import { formatAge } from "./format.js";

/** @typedef {import("../protocol/messages.js").Element} Element */
/** @typedef {import("../protocol/messages.js").Output} Output */
/** @typedef {import("../protocol/messages.js").Stage} Stage */
/** @typedef {import("../protocol/messages.js").Status} Status */

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
 * @property {{code: string, message: string, step: Stage, retryable: boolean} | null} error
 *
 * @typedef {object} Actions   The calls of a row; each resolves when the server has answered.
 * @property {(uploadId: string) => Promise<void>} cancel
 * @property {(uploadId: string) => Promise<void>} delete
 * @property {(uploadId: string) => Promise<void>} retry
 * @property {(uploadId: string) => Promise<Element | undefined>} element
 */

export class UploadRow {
  /** @type {AdminUpload} */ upload;
  #actions;
  #name = elementOf("div", "name");
  #context = elementOf("div", "more-text");
  #stage = elementOf("div", "stage");
  #detail = elementOf("div", "detail");
  #percent = elementOf("span", "percent");
  #bar = elementOf("div", "bar");
  #fill = elementOf("div", "fill");
  #age = elementOf("td", "number age");
  #cancel = buttonOf("Cancel");
  #retry = buttonOf("Retry");
  #results = buttonOf("Results");
  #delete = buttonOf("Delete");
  #outputs = elementOf("ul", "outputs");

  /** @param {AdminUpload} upload @param {Actions} actions */
  constructor(upload, actions) {
    this.upload = upload;
    this.#actions = actions;
    this.element = elementOf("tr", "upload");
    this.element.dataset.id = upload.uploadId;
    const file = elementOf("td", "file", this.#name, this.#context, this.#outputs);
    const progress = elementOf("td", "progress", elementOf("div", "measure", this.#bar, this.#percent));
    this.#bar.append(this.#fill);
    this.#bar.setAttribute("role", "progressbar");
    this.#bar.setAttribute("aria-valuemin", "0");
    this.#bar.setAttribute("aria-valuemax", "100");
    this.#bar.setAttribute("aria-label", upload.filename);
    this.#outputs.hidden = true;
    this.#results.setAttribute("aria-expanded", "false");
    const buttons = elementOf("td", "actions", this.#cancel, this.#retry, this.#results, this.#delete);
    this.element.append(file, elementOf("td", "state", this.#stage, this.#detail), progress, this.#age, buttons);
    this.#cancel.addEventListener("click", () => this.#perform(this.#cancel, "Cancelling…", actions.cancel));
    this.#retry.addEventListener("click", () => this.#perform(this.#retry, "Retrying…", actions.retry));
    this.#results.addEventListener("click", () => void this.#toggleResults());
    this.#delete.addEventListener("click", () => {
      if (confirm(`Delete ${upload.filename} and its results?`)) void this.#perform(this.#delete, "Deleting…", actions.delete);
    });
  }

  /** @param {AdminUpload} upload @param {number} now   The server's time in ms. */
  render(upload, now) {
    this.upload = upload;
    const { status, error } = upload;
    const terminal = status === "completed" || status === "error";
    this.element.dataset.status = status;
    this.element.dataset.stage = upload.stage;
    setText(this.#name, upload.filename);
    this.#name.title = upload.filename;
    const attempt = upload.attempt > 1 ? [`attempt ${upload.attempt}`] : [];
    setText(this.#context, [upload.owner, upload.template, ...attempt].join(" · "));
    setText(this.#stage, ENGLISH.stage(upload.stage));
    setText(this.#detail, detailOf(upload));
    this.#detail.title = error?.message ?? "";
    setText(this.#percent, `${Math.floor(upload.progress)}%`);
    this.#bar.setAttribute("aria-valuenow", String(Math.floor(upload.progress)));
    this.#fill.style.inlineSize = `${upload.progress}%`;
    setText(this.#age, formatAge((now - Date.parse(upload.createdAt)) / 1000));
    setHidden(this.#cancel, terminal);
    setHidden(this.#retry, !error?.retryable);
    setHidden(this.#delete, !terminal || upload.stage === "deleted");
    setHidden(this.#results, status !== "completed");
    if (status !== "completed") this.#hideResults();
  }

  /** Return whether the upload matches a filter. @param {string} text   In lower case. */
  matches(text) {
    const { uploadId, filename, owner, template, stage, error } = this.upload;
    const fields = [uploadId, filename, owner, template, stage, error?.code, error?.message].join("\n");
    return fields.toLowerCase().includes(text);
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {string} pendingLabel   The button's label until the action is done.
   * @param {(uploadId: string) => Promise<void>} action
   */
  async #perform(button, pendingLabel, action) {
    if (button.getAttribute("aria-disabled")) return;
    const label = button.textContent ?? "";
    button.setAttribute("aria-disabled", "true");
    button.textContent = pendingLabel;
    await action(this.upload.uploadId);
    button.textContent = label;
    button.removeAttribute("aria-disabled");
  }

  async #toggleResults() {
    if (!this.#outputs.hidden) return this.#hideResults();
    const element = await this.#actions.element(this.upload.uploadId);
    if (!element) return;
    this.#outputs.replaceChildren(...element.outputs.map(linkTo));
    this.#outputs.hidden = false;
    this.#results.setAttribute("aria-expanded", "true");
  }

  #hideResults() {
    setHidden(this.#outputs, true);
    this.#results.setAttribute("aria-expanded", "false");
  }
}

/** @param {AdminUpload} upload */
function detailOf({ status, stage, error, speed, eta, message, bytesReceived, bytesExpected }) {
  if (error && status !== "error") return message; // the next attempt is scheduled
  if (error?.code === "CANCELLED") return `while ${ENGLISH.stage(error.step).toLowerCase()}`;
  if (error) return `${error.code} in ${error.step}`;
  if (stage === "receiving") return ENGLISH.received(bytesReceived, bytesExpected);
  const facts = [];
  if (speed) facts.push(ENGLISH.speed(speed));
  if (eta !== null) facts.push(ENGLISH.eta(eta));
  return facts.length ? facts.join(", ") : ENGLISH.bytes(bytesReceived);
}

/** @param {Output} output */
function linkTo(output) {
  const link = document.createElement("a");
  link.href = output.url;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = ENGLISH.outputTitle(output);
  return elementOf("li", "", link, elementOf("span", "facts", ENGLISH.outputFacts(output)));
}

/** Return a new element. @param {string} name @param {string} className @param {(Node | string)[]} children */
export function elementOf(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Return a new button. @param {string} label */
export function buttonOf(label) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "button small";
  element.textContent = label;
  return element;
}
