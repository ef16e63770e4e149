/** One row of the admin page's list: an upload, its bar, what can be done about it and what came out of it. */

import { setHidden, setText } from "../dom.js";
import { bytesWords, etaWords, outputFacts, outputTitle, receivedWords, stageWords } from "../words.js";
import { ageWords } from "./words.js";

/**
 * @typedef {object} UploadRow   As the server tells it: `admin_shapes.UploadRow`.
 * @property {string} uploadId
 * @property {string} owner
 * @property {string} template
 * @property {string} filename
 * @property {import("../roomcast.js").Status} status
 * @property {import("../roomcast.js").Stage} stage
 * @property {number} progress
 * @property {string} message
 * @property {number} attempt
 * @property {number} bytesReceived
 * @property {number | null} bytesExpected
 * @property {number | null} speed
 * @property {number | null} eta
 * @property {string} createdAt
 * @property {string} updatedAt
 * @property {{code: string, message: string, step: import("../roomcast.js").Stage, retryable: boolean} | null} error
 *
 * @typedef {object} Actions   What a row asks for; each answers when it is done.
 * @property {(uploadId: string) => Promise<void>} cancel
 * @property {(uploadId: string) => Promise<void>} retry
 * @property {(uploadId: string) => Promise<import("../roomcast.js").Element | undefined>} element
 */

export class Row {
  /** @type {UploadRow} */ state;
  #actions;
  #name = make("div", "name");
  #more = make("div", "more-words");
  #stage = make("div", "stage");
  #detail = make("div", "detail");
  #percent = make("span", "percent");
  #bar = make("div", "bar");
  #fill = make("div", "fill");
  #age = make("td", "number age");
  #cancel = button("Cancel");
  #retry = button("Retry");
  #results = button("Results");
  #outputs = make("ul", "outputs");

  /** @param {UploadRow} state @param {Actions} actions */
  constructor(state, actions) {
    this.state = state;
    this.#actions = actions;
    this.element = make("tr", "upload");
    this.element.dataset.id = state.uploadId;
    const file = make("td", "file", this.#name, this.#more, this.#outputs);
    const progress = make("td", "progress", make("div", "measure", this.#bar, this.#percent));
    this.#bar.append(this.#fill);
    this.#bar.setAttribute("role", "progressbar");
    this.#bar.setAttribute("aria-valuemin", "0");
    this.#bar.setAttribute("aria-valuemax", "100");
    this.#bar.setAttribute("aria-label", state.filename);
    this.#outputs.hidden = true;
    this.#results.setAttribute("aria-expanded", "false");
    const acts = make("td", "acts", this.#cancel, this.#retry, this.#results);
    this.element.append(file, make("td", "state", this.#stage, this.#detail), progress, this.#age, acts);
    this.#cancel.addEventListener("click", () => this.#act(this.#cancel, "Cancelling", actions.cancel));
    this.#retry.addEventListener("click", () => this.#act(this.#retry, "Starting over", actions.retry));
    this.#results.addEventListener("click", () => void this.#toggleResults());
  }

  /** @param {UploadRow} state @param {number} now   The server's time in ms. */
  show(state, now) {
    this.state = state;
    const { status, error } = state;
    const ended = status === "completed" || status === "error";
    this.element.dataset.status = status;
    this.element.dataset.stage = state.stage;
    setText(this.#name, state.filename);
    this.#name.title = state.filename;
    const attempt = state.attempt > 1 ? [`attempt ${state.attempt}`] : [];
    setText(this.#more, [state.owner, state.template, ...attempt].join(" · "));
    setText(this.#stage, stageWords(state.stage));
    setText(this.#detail, detailWords(state));
    this.#detail.title = error?.message ?? "";
    setText(this.#percent, `${Math.floor(state.progress)}%`);
    this.#bar.setAttribute("aria-valuenow", String(Math.floor(state.progress)));
    this.#fill.style.inlineSize = `${state.progress}%`;
    setText(this.#age, ageWords((now - Date.parse(state.createdAt)) / 1000));
    setHidden(this.#cancel, ended);
    setHidden(this.#retry, !error?.retryable);
    setHidden(this.#results, status !== "completed");
    if (status !== "completed") this.#hideResults();
  }

  /** @param {string} text   In lower case. */
  matches(text) {
    const { uploadId, filename, owner, template, stage, error } = this.state;
    const said = [uploadId, filename, owner, template, stage, error?.code, error?.message].join("\n");
    return said.toLowerCase().includes(text);
  }

  /**
   * @param {HTMLButtonElement} pressed
   * @param {string} meanwhile   What it says until that is done.
   * @param {(uploadId: string) => Promise<void>} action
   */
  async #act(pressed, meanwhile, action) {
    if (pressed.getAttribute("aria-disabled")) return;
    const words = pressed.textContent ?? "";
    pressed.setAttribute("aria-disabled", "true");
    pressed.textContent = meanwhile;
    await action(this.state.uploadId);
    pressed.textContent = words;
    pressed.removeAttribute("aria-disabled");
  }

  async #toggleResults() {
    if (!this.#outputs.hidden) return this.#hideResults();
    const element = await this.#actions.element(this.state.uploadId);
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

/** @param {UploadRow} state */
function detailWords({ status, stage, error, speed, eta, message, bytesReceived, bytesExpected }) {
  if (error && status !== "error") return message; // another attempt is to come
  if (error?.code === "CANCELLED") return `while ${stageWords(error.step).toLowerCase()}`;
  if (error) return `${error.code} in ${error.step}`;
  if (stage === "receiving") return receivedWords(bytesReceived, bytesExpected);
  const facts = [];
  if (speed) facts.push(`${speed < 10 ? speed.toFixed(1) : Math.round(speed)}×`);
  if (eta !== null) facts.push(etaWords(eta));
  return facts.length ? facts.join(", ") : bytesWords(bytesReceived);
}

/** @param {import("../roomcast.js").Output} output */
function linkTo(output) {
  const link = document.createElement("a");
  link.href = output.url;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = outputTitle(output);
  return make("li", "", link, make("span", "facts", outputFacts(output)));
}

/** @param {string} name @param {string} className @param {(Node | string)[]} children */
export function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** @param {string} words */
export function button(words) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "button small";
  element.textContent = words;
  return element;
}
