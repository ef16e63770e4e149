/**
 * Shows an upload as its watchers saw it after any of its events: the events go through the client's own `Upload`, and
 * the row is the one of the elements.
 */

import { Upload } from "../../client/upload.js";
import { SINGLE_MARKUP, addStyleSheets } from "../../elements/markup.js";
import { UploadCard } from "../../elements/upload-card.js";
import { en } from "../../locale/en.js";
import { ROW_STYLES } from "../../rows/styles.js";
import { setText } from "../../shared/dom.js";
import { buttonOf, elementOf } from "../common/nodes.js";
import { changeText, timeText } from "./timeline.js";

/** @typedef {import("../../protocol/messages.js").Message} Message */
/** @typedef {import("./timeline.js").LogEvent} LogEvent */

/**
 * Return the upload as a client knows it that has received these messages and nothing else. It has no id, so that this
 * browser does not look for a file of its own to send.
 *
 * @param {Message[]} messages @param {(url: string) => string} absoluteUrl
 */
export function replayed(messages, absoluteUrl) {
  const upload = new Upload(hostOf(absoluteUrl), {});
  for (const message of messages) upload.receive(message, false);
  return upload;
}

/** The row of an upload with a slider over its events. At the end of the slider, the row shows the present. Dispatches
 * `select` when another event is shown. */
export class ReplayPlayer extends EventTarget {
  /** The number of the event that is shown. */ shownSeq = 0;
  #absoluteUrl;
  #frame = elementOf("div", "replay");
  #root = this.#frame.attachShadow({ mode: "open" });
  #rows;
  /** @type {UploadCard | null} */ #card = null;
  #slider = /** @type {HTMLInputElement} */ (elementOf("input", "slider"));
  #previous = buttonOf("Previous", "event");
  #next = buttonOf("Next", "event");
  #present = buttonOf("Now");
  #position = elementOf("p", "position");
  /** @type {LogEvent[]} */ #events = [];
  /** The index of the selected event; null while the present is shown. @type {number | null} */ #selected = null;
  /** @type {Upload} */ #live;

  /** @param {(url: string) => string} absoluteUrl */
  constructor(absoluteUrl) {
    super();
    this.#absoluteUrl = absoluteUrl;
    this.#live = replayed([], absoluteUrl);
    this.#root.append(SINGLE_MARKUP.content.cloneNode(true));
    const [frame, panel, rows] = ["frame", "panel", "cards"].map((id) => /** @type {HTMLElement} */ (this.#root.getElementById(id)));
    this.#rows = rows;
    panel.hidden = false;
    void addStyleSheets(this.#root, "base.css", "elements/elements.css", ...ROW_STYLES).then(() => (frame.hidden = false));
    Object.assign(this.#slider, { type: "range", min: "0", max: "0", step: "1" });
    this.#slider.setAttribute("aria-label", "Event");
    this.#slider.addEventListener("input", () => this.#selectIndex(Number(this.#slider.value)));
    this.#previous.addEventListener("click", () => this.#selectIndex(this.#index - 1));
    this.#next.addEventListener("click", () => this.#selectIndex(this.#index + 1));
    this.#present.addEventListener("click", () => this.#selectIndex(this.#last));
    const buttons = elementOf("p", "replay-buttons", this.#previous, this.#next, this.#present);
    this.element = elementOf("div", "player", this.#frame, this.#slider, this.#position, buttons);
  }

  get #last() {
    return this.#events.length - 1;
  }

  get #index() {
    return this.#selected ?? this.#last;
  }

  /** Add the events and the present state. @param {LogEvent[]} events @param {Message | undefined} present */
  update(events, present) {
    const added = events.slice(this.#events.length);
    const restarted = events.length < this.#events.length || events[0]?.seq !== this.#events[0]?.seq;
    this.#events = events;
    if (restarted) this.#live = replayed([], this.#absoluteUrl);
    for (const { message } of restarted ? events : added) this.#live.receive(message, false);
    if (present) this.#live.receive(present, false);
    this.#slider.max = String(Math.max(0, this.#last));
    if (this.#selected !== null && this.#selected > this.#last) this.#selected = null;
    this.#show();
  }

  /** Show what watchers saw at an event. @param {number} seq */
  select(seq) {
    this.#selectIndex(this.#events.findIndex((event) => event.seq === seq));
  }

  stop() {
    this.#card?.stop();
  }

  /** @param {number} index */
  #selectIndex(index) {
    if (index < 0) return;
    this.#selected = index < this.#last ? index : null;
    this.#show();
  }

  #show() {
    const event = this.#events[this.#index];
    if (!event) return;
    const upload =
      this.#selected === null
        ? this.#live
        : replayed(this.#events.slice(0, this.#selected + 1).map(({ message }) => message), this.#absoluteUrl);
    if (this.#selected !== null || this.#card?.upload !== upload) {
      this.#card?.stop();
      this.#card = new UploadCard({ upload, locale: en, readOnly: true });
      this.#rows.append(this.#card.element);
    }
    const text = changeText(event, this.#events[this.#index - 1]);
    const position = `Event ${event.seq}, ${timeText(event.at)}: ${text}`;
    this.#slider.value = String(this.#index);
    this.#slider.setAttribute("aria-valuetext", this.#selected === null ? `Now: ${text}` : position);
    setText(this.#position, this.#selected === null ? `Now, after event ${event.seq}` : position);
    setDisabled(this.#previous, this.#index <= 0);
    setDisabled(this.#next, this.#selected === null);
    setDisabled(this.#present, this.#selected === null);
    if (this.shownSeq === event.seq) return;
    this.shownSeq = event.seq;
    this.dispatchEvent(new Event("select"));
  }
}

/** Disable a button that can have the focus. @param {HTMLButtonElement} button @param {boolean} disabled */
function setDisabled(button, disabled) {
  button.setAttribute("aria-disabled", String(disabled));
}

/** Return a host that does nothing, because a replayed upload is only looked at.
 * @param {(url: string) => string} absoluteUrl @returns {import("../../client/upload.js").UploadHost} */
function hostOf(absoluteUrl) {
  const refuse = () => Promise.reject(new Error("A replayed upload calls no server."));
  return {
    acquireSlot: refuse,
    register: refuse,
    isWatched: () => false,
    resumableSender: refuse,
    join: refuse,
    leave: refuse,
    absoluteUrl,
    request: refuse,
    call: refuse,
  };
}
