/** The element `<upload-progress>`; see `upload-progress.js` in the parent folder. */

import { leaveShared, watchShared } from "../client/shared-watch.js";
import { setHidden } from "../shared/dom.js";
import { SharedConnections, defineElement } from "./connected-element.js";
import { SINGLE_MARKUP } from "./markup.js";
import { UploadCard } from "./upload-card.js";
import { UploadElement } from "./upload-element.js";
import { outcomeOf } from "./upload-view-model.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */

const connections = new SharedConnections();

export class UploadProgress extends UploadElement {
  static observedAttributes = ["upload-id", "server", "results"];

  /** @type {Roomcast | null} */ #connection = null;
  /** @type {UploadCard | null} */ #card = null;
  /** The last outcome that was dispatched, and of which upload. */ #dispatched = "";

  constructor() {
    super({ markup: SINGLE_MARKUP, properties: ["uploadId"], connections });
  }

  /** The upload's id; empty for none. */
  get uploadId() {
    return this.getAttribute("upload-id") ?? "";
  }

  set uploadId(uploadId) {
    this.setAttribute("upload-id", uploadId);
  }

  /** The upload that is shown. @returns {Upload | null} */
  get upload() {
    return this.#card?.upload ?? null;
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (!this.isConnected || before === now) return;
    if (name === "results" && this.#card) void this.showResult(this.#card);
    else if (name !== "results") this.attach();
  }

  /** @protected */
  attach() {
    this.detach();
    const { uploadId } = this;
    if (uploadId) {
      this.#connection = this.roomcast;
      this.#connection.addEventListener("statechange", this.#render);
      this.#add(new UploadCard({ upload: watchShared(this.#connection, uploadId), locale: this.locale, dismissible: false }));
    }
    this.render();
  }

  /** @param {UploadCard} card */
  #add(card) {
    this.#card = card;
    this.child("cards").append(card.element);
    card.addEventListener("announce", () => card.announcement && this.announce(card, card.announcement));
    card.addEventListener("change", this.#dispatchOutcome);
    card.addEventListener("change", () => void this.showResult(card));
    this.#dispatchOutcome();
    void this.showResult(card);
  }

  /** @protected */
  detach() {
    super.detach();
    this.#connection?.removeEventListener("statechange", this.#render);
    this.#connection = null;
    if (this.upload) leaveShared(this.upload);
    this.#card?.removeEventListener("change", this.#dispatchOutcome);
    this.#card?.stop();
    this.#card = null;
  }

  /** @protected */
  localize() {
    if (this.#card) this.#card.locale = this.locale;
  }

  /** @protected */
  summary() {
    return this.#card?.announcement ?? "";
  }

  #dispatchOutcome = () => {
    const { upload } = this;
    if (!upload) return;
    const outcome = outcomeOf(upload);
    if (!upload.state && !outcome) return; // not fetched yet
    const key = `${upload.id} ${outcome}`;
    if (key === this.#dispatched) return;
    this.#dispatched = key;
    if (outcome) this.emit(`upload-${outcome}`, upload);
  };

  #render = () => this.render();

  /** @protected */
  render() {
    setHidden(this.child("panel"), !this.#card);
    this.child("cards").classList.toggle("stale", this.isStale(this.#connection));
  }
}

defineElement("upload-progress", UploadProgress);
