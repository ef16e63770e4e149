/** Shows the state of the connection: the lamp, its label, and a banner while something is wrong. */

import { byId, setText } from "../shared/dom.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */

const BANNER_DELAY_MS = 700; // shorter interruptions are not reported

export class ConnectionStatus {
  #roomcast;
  #locale;
  /** @type {"missing" | "refused" | null} */ #tokenProblem = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {Roomcast} roomcast @param {() => Locale} locale */
  constructor(roomcast, locale) {
    this.#roomcast = roomcast;
    this.#locale = locale;
    roomcast.addEventListener("statechange", () => this.#schedule());
    for (const event of ["online", "offline"]) addEventListener(event, () => this.#schedule());
    this.#schedule();
  }

  /** The access token is missing, or was refused; null if neither is known. */
  get tokenProblem() {
    return this.#tokenProblem;
  }

  set tokenProblem(problem) {
    this.#tokenProblem = problem;
    if (problem) this.show();
    else this.#schedule();
  }

  /** Show the current state. */
  show() {
    clearTimeout(this.#timer);
    if (this.#roomcast.state === "online") this.#tokenProblem = null;
    const { page } = this.#locale();
    const isOffline = this.#roomcast.state !== "online" && !navigator.onLine;
    const texts = {
      online: [page.live, ""],
      streaming: [page.live, ""],
      polling: [page.polling, page.pollingNote],
      reconnecting: [page.reconnecting, page.reconnectingNote],
      offline: [page.offline, page.offlineNote],
      "token-missing": [page.tokenMissing, page.tokenMissingNote],
      "token-refused": [page.tokenRefused, page.tokenRefusedNote],
    };
    /** @type {keyof typeof texts} */
    const state = isOffline ? "offline" : this.#tokenProblem ? `token-${this.#tokenProblem}` : this.#roomcast.state;
    const [label, banner] = texts[state];
    byId("connection").dataset.state = state;
    setText(byId("connection-text"), label);
    setText(byId("banner"), banner);
  }

  #schedule() {
    clearTimeout(this.#timer);
    if (this.#roomcast.state === "online") this.show();
    else this.#timer = setTimeout(() => this.show(), BANNER_DELAY_MS);
  }
}
