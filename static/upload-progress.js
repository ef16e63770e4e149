/**
 * `<upload-progress>`: one upload, by its id.
 *
 * ```html
 * <script type="module" src="/static/upload-progress.js"></script>
 * <upload-progress upload-id="upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5" results></upload-progress>
 * ```
 *
 * Attributes, each also a property in camel case:
 *
 * - `upload-id`    the upload; without one there is nothing to see.
 * - `server`       the server's URL; by default the one that this module came from.
 * - `results`      once it is completed, what came out is shown: player, scenes, savings, downloads.
 *
 * The elements of a page that were given no `roomcast` share one connection to each server. Where the server wants a
 * token: `element.roomcast.token = …`.
 *
 * Events, all bubbling and composed, with the `Upload` as `detail`: `upload-completed`, `upload-error` (it failed, or
 * cannot be watched) and `upload-cancelled`. An upload that has ended already is told of as soon as that is known.
 *
 * Parts and custom properties are those of `<upload-progress-list>`'s rows.
 */

import { announcer } from "./announcer.js";
import { setHidden } from "./dom.js";
import { ElementOptions, originOf, tell } from "./element-options.js";
import { SINGLE, addStyle, loadResultView } from "./list-markup.js";
import { ENGLISH } from "./list-words.js";
import { connect } from "./roomcast.js";
import { Staleness } from "./staleness.js";
import { UploadCard } from "./upload-card.js";
import { outcomeOf } from "./upload-face.js";

/** @typedef {import("./list-words.js").Words} Words */
/** @typedef {import("./roomcast.js").Roomcast} Roomcast */
/** @typedef {import("./roomcast.js").Upload} Upload */

const OWN_PROPERTIES = ["roomcast", "words", "uploadId", "results", "server"];

/** Connections by server, for the elements that were given none. @type {Map<string, Roomcast>} */
const connections = new Map();
/** How many elements show an upload that is watched for them alone. @type {WeakMap<Upload, number>} */
const shown = new WeakMap();

export class UploadProgress extends ElementOptions {
  static observedAttributes = ["upload-id", "server", "results"];

  /** @type {Roomcast | null} */ #given = null;
  /** @type {Roomcast | null} */ #heard = null;
  /** @type {UploadCard | null} */ #card = null;
  /** What was told last, and of which upload. */ #told = "";
  /** @type {Words} */ #words = ENGLISH;
  /** @type {ReturnType<typeof loadResultView> | null} */ #resultView = null;
  #staleness = new Staleness(() => this.#show());
  #root = this.attachShadow({ mode: "open" });
  #announce;

  constructor() {
    super();
    this.#root.append(SINGLE.content.cloneNode(true));
    this.#announce = announcer(this.#part("announcer"), () => this.#card?.news ?? "");
    void addStyle(this.#root, "base.css", "upload-progress-list.css").then(() => setHidden(this.#part("frame"), false));
  }

  /** The upload's id; empty for none. */
  get uploadId() {
    return this.getAttribute("upload-id") ?? "";
  }

  set uploadId(uploadId) {
    this.setAttribute("upload-id", uploadId);
  }

  /** The connection over which the upload is watched. @returns {Roomcast} */
  get roomcast() {
    if (this.#given) return this.#given;
    const origin = originOf(this);
    const roomcast = connections.get(origin) ?? connect({ url: origin });
    connections.set(origin, roomcast);
    return roomcast;
  }

  /** @param {Roomcast | null} roomcast */
  set roomcast(roomcast) {
    this.#given = roomcast;
    if (this.isConnected) this.#attach();
  }

  /** Its words, should they not be English, or not these: any of `ENGLISH` in `list-words.js`. @returns {Words} */
  get words() {
    return this.#words;
  }

  /** @param {Partial<Words>} words */
  set words(words) {
    this.#words = { ...ENGLISH, ...words };
    if (this.isConnected) this.#attach();
  }

  /** The upload, while it is shown. @returns {Upload | null} */
  get upload() {
    return this.#card?.upload ?? null;
  }

  connectedCallback() {
    for (const name of OWN_PROPERTIES) this.upgrade(name);
    this.#attach();
  }

  disconnectedCallback() {
    this.#detach();
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (!this.isConnected || before === now) return;
    if (name === "results") void this.#giveResult();
    else this.#attach();
  }

  #attach() {
    this.#detach();
    const { uploadId } = this;
    if (uploadId) {
      this.#heard = this.roomcast;
      this.#heard.addEventListener("statechange", this.#show);
      this.#add(new UploadCard({ upload: watch(this.#heard, uploadId), words: this.#words, dismissible: false }));
    }
    this.#show();
  }

  /** @param {UploadCard} card */
  #add(card) {
    this.#card = card;
    this.#part("cards").append(card.element);
    card.addEventListener("news", () => card.news && this.#announce(card, card.news));
    card.addEventListener("change", this.#tellOutcome);
    this.#tellOutcome();
    void this.#giveResult();
  }

  #detach() {
    this.#heard?.removeEventListener("statechange", this.#show);
    this.#heard = null;
    this.#staleness.stop();
    if (this.upload) leave(this.upload);
    this.#card?.removeEventListener("change", this.#tellOutcome);
    this.#card?.stop();
    this.#card = null;
  }

  #tellOutcome = () => {
    const { upload } = this;
    if (!upload) return;
    const outcome = outcomeOf(upload);
    if (!upload.state && !outcome) return; // not looked up yet
    const mark = `${upload.id} ${outcome}`;
    if (mark === this.#told) return;
    this.#told = mark;
    if (outcome) tell(this, `upload-${outcome}`, upload);
  };

  async #giveResult() {
    if (!this.results) return;
    this.#resultView ??= loadResultView(this.#root);
    const ResultView = await this.#resultView;
    const upload = this.#card?.upload;
    if (upload && !this.#card?.hasResult) {
      this.#card?.showResult(new ResultView(this.#words, () => void upload.refresh()));
    }
  }

  #show = () => {
    this.#staleness.update(this.#heard);
    setHidden(this.#part("panel"), !this.#card);
    this.#part("cards").classList.toggle("stale", this.#staleness.stale);
  };

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#root.getElementById(name));
  }
}

/** @param {Roomcast} roomcast @param {string} uploadId */
function watch(roomcast, uploadId) {
  const others = roomcast.uploads.some(({ id }) => id === uploadId);
  const upload = roomcast.watch(uploadId);
  const count = shown.get(upload);
  if (count !== undefined || !others) shown.set(upload, (count ?? 0) + 1);
  return upload;
}

/** It goes on being watched if somebody else began that. @param {Upload} upload */
function leave(upload) {
  const count = shown.get(upload);
  if (count === undefined) return;
  if (count > 1) return void shown.set(upload, count - 1);
  shown.delete(upload);
  void upload.leave();
}

customElements.define("upload-progress", UploadProgress);
