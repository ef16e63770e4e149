/**
 * `<upload-progress-list>`: the uploads of a connection, as a list in the page or a panel at its corner.
 *
 * ```html
 * <script type="module" src="/static/upload-progress-list.js"></script>
 * <upload-progress-list max-items="5" mode="dialog" auto-close auto-hide></upload-progress-list>
 * ```
 *
 * It shows `list.roomcast.uploads`, whoever begins them. The lists of a page that were given no `roomcast` share one.
 *
 * Attributes, each also a property in camel case:
 *
 * - `max-items`    how many rows are shown at once, those first that want attention or are moving; the others are
 *                  behind a button. All by default.
 * - `mode`         `list` (default), or `dialog`: a panel at the corner that leaves the page usable.
 * - `auto-close`   milliseconds (3000 without a value) after which the dialog closes when all have completed; not
 *                  while one has failed, nor while the keyboard or the pointer is in it. A new upload opens it again.
 * - `auto-hide`    milliseconds (5000 without a value) after which a completed row goes; failed ones stay.
 * - `results`      completed rows show what came out: player, scenes, savings, downloads.
 * - `server`       the server's URL; by default the one that this module came from.
 *
 * Events, all bubbling and composed, with the `Upload` as `detail` where there is one: `upload-completed`,
 * `upload-error` (failed), `upload-cancelled`, `upload-dismissed`, `all-completed` with the aggregate, and `close`.
 *
 * Parts: `panel` `header` `heading` `overall` `row` `name` `stage` `problem` `bar` `fill` `button` `more`. Custom
 * properties, set on the element: `--accent` `--on-accent` `--surface` `--sunken` `--line` `--ink` `--muted` `--good`
 * `--bad` `--radius`, and the rest of `base.css`. The state `:state(filled)` holds while there are rows.
 */

import { announcer } from "./announcer.js";
import { Batch } from "./batch.js";
import { setHidden, setText } from "./dom.js";
import { originOf, tell } from "./element-options.js";
import { ENGLISH } from "./list-words.js";
import { PANEL, addStyle, loadResultView } from "./list-markup.js";
import { ListOptions } from "./list-options.js";
import { connect } from "./roomcast.js";
import { chosen } from "./shown-rows.js";
import { Staleness } from "./staleness.js";
import { UploadCard } from "./upload-card.js";
import { hasEnded, outcomeOf } from "./upload-face.js";

/** @typedef {import("./list-words.js").Words} Words */
/** @typedef {import("./roomcast.js").Aggregate} Aggregate */
/** @typedef {import("./roomcast.js").Roomcast} Roomcast */
/** @typedef {import("./roomcast.js").Upload} Upload */

const OWN_PROPERTIES = ["roomcast", "words", "maxItems", "mode", "autoClose", "autoHide", "results", "server"];
const CONNECTION_EVENTS = ["uploadadded", "uploadremoved", "change", "statechange"];

/** Connections by server, for the lists that were given none. @type {Map<string, Roomcast>} */
const connections = new Map();
/** Lists that wait for one to be wanted. @type {Set<UploadProgressList>} */
const waiting = new Set();

export class UploadProgressList extends ListOptions {
  /** @type {Roomcast | null} */ #given = null;
  /** The connection that is listened to, while this is in a page. @type {Roomcast | null} */ #heard = null;
  /** By upload; those of refused files by themselves. @type {Map<object, UploadCard>} */ #cards = new Map();
  /** Ended uploads that were dismissed, or hid themselves. @type {WeakSet<Upload>} */ #gone = new WeakSet();
  /** @type {WeakMap<Upload, ReturnType<typeof setTimeout>>} */ #hiding = new WeakMap();
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #closing;
  /** @type {typeof import("./result-view.js").ResultView | null} */ #ResultView = null;
  #batch = new Batch();
  #wasActive = false;
  #closed = false;
  #collapsed = false;
  #unfolded = false;
  #staleness = new Staleness(() => this.#show());
  #updating = false;
  /** @type {Words} */ #words = ENGLISH;
  /** Where the keyboard was before it came in. @type {EventTarget | null} */ #cameFrom = null;
  #internals = this.attachInternals();
  #root = this.attachShadow({ mode: "open" });
  #announce;

  constructor() {
    super();
    this.#root.append(PANEL.content.cloneNode(true));
    this.#announce = announcer(this.#part("announcer"), () => this.#words.count(this.#batch.aggregate));
    this.#listen();
    void addStyle(this.#root, "base.css", "upload-progress-list.css").then(() => setHidden(this.#part("frame"), false));
  }

  /** The connection whose uploads are shown. @returns {Roomcast} */
  get roomcast() {
    if (this.#given) return this.#given;
    const origin = originOf(this);
    const shared = connections.get(origin);
    if (shared) return shared;
    const made = connect({ url: origin });
    connections.set(origin, made);
    for (const list of [...waiting]) list.#attach();
    return made;
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

  /** How far the uploads are that are on their way together. @returns {Aggregate} */
  get aggregate() {
    return this.#batch.aggregate;
  }

  /** Show a file that is not sent, and why. @param {File} file @param {string} reason */
  refuse(file, reason) {
    const refused = { filename: file.name, reason };
    this.#add(file, new UploadCard({ upload: null, words: this.#words, refused }));
    this.#announce(file, this.#words.refused(file.name, reason));
    this.#show();
  }

  /** Open the dialog again. */
  show() {
    this.#closed = false;
    this.#show();
  }

  /** Close the dialog. Its uploads go on. */
  close() {
    if (this.#closed) return;
    const within = this.#root.activeElement !== null;
    this.#closed = true;
    this.#show();
    if (within && this.#cameFrom instanceof HTMLElement) this.#cameFrom.focus();
    if (this.#batch.aggregate.active) this.#announce(this, this.#words.goOn);
    this.#tell("close");
  }

  /** Cancel everything that can be cancelled. */
  cancelAll() {
    for (const card of this.#cards.values()) if (card.cancellable) card.cancel();
  }

  connectedCallback() {
    for (const name of OWN_PROPERTIES) this.upgrade(name);
    this.#attach();
  }

  disconnectedCallback() {
    this.#detach();
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    if (name === "server" && !this.#given) this.#attach();
    if (name === "results") void this.#loadResults();
    for (const card of this.#cards.values()) this.#hideLater(card);
    this.#show();
  }

  // --- the connection ---------------------------------------------------------------------------------------------

  #attach() {
    this.#detach();
    void this.#loadResults();
    this.#heard = this.#given ?? connections.get(originOf(this)) ?? null;
    if (!this.#heard) return void waiting.add(this);
    for (const name of CONNECTION_EVENTS) this.#heard.addEventListener(name, this.#update);
    this.#catchUp(this.#heard.uploads);
  }

  #detach() {
    for (const name of CONNECTION_EVENTS) this.#heard?.removeEventListener(name, this.#update);
    this.#heard = null;
    waiting.delete(this);
    clearTimeout(this.#closing);
    this.#staleness.stop();
    for (const [upload, card] of this.#cards) {
      clearTimeout(this.#hiding.get(/** @type {Upload} */ (upload)));
      if (card.upload) this.#cards.delete(upload);
      if (card.upload) card.stop();
    }
  }

  /** The set of uploads, one of them, or the connection is not what it was. */
  #update = () => {
    if (this.#updating) return;
    this.#updating = true;
    queueMicrotask(() => {
      this.#updating = false;
      if (this.#heard) this.#catchUp(this.#heard.uploads);
    });
  };

  /** @param {readonly Upload[]} uploads */
  #catchUp(uploads) {
    for (const [upload, card] of this.#cards) {
      if (card.upload && !uploads.includes(card.upload)) this.#remove(upload);
    }
    for (const upload of uploads) {
      if (this.#gone.has(upload) && !hasEnded(upload)) this.#gone.delete(upload); // started over
      if (!this.#cards.has(upload) && !this.#gone.has(upload)) this.#addUpload(upload);
    }
    this.#batch.update(uploads);
    this.#staleness.update(this.#heard);
    this.#noteEnd();
    this.#show();
  }

  #noteEnd() {
    const { aggregate } = this.#batch;
    const { active, total, completed } = aggregate;
    if (active) clearTimeout(this.#closing);
    if (this.#wasActive && !active && total > 0) {
      if (completed === total) this.#tell("all-completed", aggregate);
      this.#closeLater();
    }
    this.#wasActive = active > 0;
  }

  // --- rows -------------------------------------------------------------------------------------------------------

  /** @param {Upload} upload */
  #addUpload(upload) {
    const card = new UploadCard({ upload, words: this.#words });
    card.addEventListener("news", () => this.#hear(card, upload));
    card.addEventListener("change", () => {
      this.#hideLater(card);
      this.#update();
    });
    if (upload.file || !hasEnded(upload)) this.#closed = false;
    this.#add(upload, card);
    this.#hideLater(card);
  }

  /** @param {object} about @param {UploadCard} card */
  #add(about, card) {
    this.#cards.set(about, card);
    this.#part("cards").prepend(card.element);
    this.#giveResult(card);
    card.addEventListener("dismiss", () => this.#dismiss(about));
  }

  /** @param {UploadCard} card @param {Upload} upload */
  #hear(card, upload) {
    const outcome = outcomeOf(upload);
    if (card.news) this.#announce(upload, card.news);
    if (outcome === "error") this.#closed = false;
    if (outcome) this.#tell(`upload-${outcome}`, upload);
  }

  /** @param {UploadCard} card */
  #hideLater(card) {
    const { upload } = card;
    if (!upload) return;
    const wait = this.autoHide;
    const due = wait !== null && card.face.tone === "done";
    const timer = this.#hiding.get(upload);
    if (due && timer === undefined) this.#hiding.set(upload, setTimeout(() => this.#hide(card, upload), wait));
    if (due) return;
    clearTimeout(timer);
    this.#hiding.delete(upload);
  }

  /** @param {UploadCard} card @param {Upload} upload */
  #hide(card, upload) {
    this.#hiding.delete(upload);
    if (card.attended) return this.#hideLater(card); // somebody is looking at it
    this.#gone.add(upload);
    this.#remove(upload);
    this.#show();
  }

  /** @param {object} about an upload, or a file that was refused */
  #dismiss(about) {
    const upload = this.#cards.get(about)?.upload;
    if (upload) this.#gone.add(upload);
    this.#remove(about);
    this.#show();
    this.#closeLater();
    if (upload) this.#tell("upload-dismissed", upload);
  }

  #dismissFinished() {
    for (const [about, card] of [...this.#cards]) if (card.finished) this.#dismiss(about);
  }

  /** @param {object} about */
  #remove(about) {
    const card = this.#cards.get(about);
    const had = card?.element.contains(this.#root.activeElement);
    this.#cards.delete(about);
    card?.stop();
    const next = [...this.#cards.values()].find(({ element }) => !element.hidden);
    if (had) (next ?? this.#part("heading")).focus();
  }

  // --- results ----------------------------------------------------------------------------------------------------

  async #loadResults() {
    if (!this.results || this.#ResultView) return;
    this.#ResultView = await loadResultView(this.#root);
    for (const card of this.#cards.values()) this.#giveResult(card);
  }

  /** @param {UploadCard} card */
  #giveResult(card) {
    const { upload } = card;
    if (upload && this.results && this.#ResultView && !card.hasResult) {
      card.showResult(new this.#ResultView(this.#words, () => void upload.refresh()));
    }
  }

  // --- what there is to see ---------------------------------------------------------------------------------------

  #show() {
    const cards = [...this.#cards.values()];
    const dialog = this.mode === "dialog";
    const aggregate = this.#batch.aggregate;
    this.#showFrame(cards.length > 0, dialog);
    this.#showTitle(aggregate, dialog);
    this.#part("cards").classList.toggle("stale", this.#staleness.stale);
    const bar = this.#part("overall");
    setHidden(bar, aggregate.active === 0);
    bar.setAttribute("aria-label", this.#words.overall);
    bar.setAttribute("aria-valuenow", String(Math.floor(aggregate.progress)));
    bar.setAttribute("aria-valuetext", this.#words.count(aggregate));
    this.#part("overall-fill").style.setProperty("--progress", String(aggregate.progress));
    this.#showButton("cancel-all", this.#words.cancelAll, cards.filter(({ cancellable }) => cancellable).length > 1);
    this.#showButton("hide-finished", this.#words.hideFinished, !dialog && cards.some(({ finished }) => finished));
    this.#showButton("collapse", this.#collapsed ? this.#words.expand : this.#words.collapse, dialog);
    this.#part("collapse").setAttribute("aria-expanded", String(!this.#collapsed));
    this.#showButton("close", this.#words.close, dialog);
    this.#showRows(cards);
  }

  /** @param {boolean} filled @param {boolean} dialog */
  #showFrame(filled, dialog) {
    this.#internals.states[filled ? "add" : "delete"]("filled");
    const panel = this.#part("panel");
    setHidden(panel, !filled || (dialog && this.#closed));
    panel.setAttribute("role", dialog ? "dialog" : "region");
    setHidden(this.#part("body"), dialog && this.#collapsed);
  }

  /** @param {Aggregate} aggregate @param {boolean} dialog */
  #showTitle(aggregate, dialog) {
    setText(this.#part("heading"), dialog ? this.#words.title(aggregate) : this.#words.heading);
    const pending = aggregate.active ? this.#words.pending(aggregate) : "";
    const count = dialog ? pending : this.#words.count(aggregate);
    setText(this.#part("count"), this.#staleness.stale && aggregate.active ? this.#words.reconnecting : count);
  }

  /** @param {UploadCard[]} cards */
  #showRows(cards) {
    const shown = chosen(cards, this.#unfolded ? null : this.maxItems);
    for (const card of cards) setHidden(card.element, !shown.has(card));
    const folded = cards.length - chosen(cards, this.maxItems).size;
    this.#showButton("more", this.#unfolded ? this.#words.fewer : this.#words.more(folded), folded > 0);
    this.#part("more").setAttribute("aria-expanded", String(this.#unfolded));
  }

  /** @param {string} name @param {string} words @param {boolean} shown */
  #showButton(name, words, shown) {
    const button = this.#part(name);
    setText(/** @type {HTMLElement} */ (button.lastElementChild), words);
    button.title = words;
    const had = this.#root.activeElement === button;
    setHidden(button, !shown);
    if (had && !shown) this.#part("heading").focus();
  }

  // --- the person -------------------------------------------------------------------------------------------------

  #listen() {
    const on = (/** @type {string} */ name, /** @type {() => void} */ act) => {
      this.#part(name).addEventListener("click", act);
    };
    on("cancel-all", () => this.cancelAll());
    on("hide-finished", () => this.#dismissFinished());
    on("close", () => this.close());
    on("collapse", () => {
      this.#collapsed = !this.#collapsed;
      this.#show();
    });
    on("more", () => {
      this.#unfolded = !this.#unfolded;
      this.#show();
    });
    const panel = this.#part("panel");
    panel.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && this.mode === "dialog") this.close();
    });
    this.addEventListener("focusin", ({ relatedTarget }) => {
      if (relatedTarget !== this) this.#cameFrom = relatedTarget;
    });
    for (const left of ["focusout", "pointerleave"]) panel.addEventListener(left, () => this.#closeLater());
  }

  #closeLater() {
    clearTimeout(this.#closing);
    const wait = this.autoClose;
    if (wait === null || this.mode !== "dialog" || this.#closed) return;
    this.#closing = setTimeout(() => {
      const attended = this.#part("panel").matches(":hover, :focus-within");
      const open = [...this.#cards.values()].some(({ finished, face }) => !finished || face.tone === "failed");
      if (!attended && !open && !this.#batch.aggregate.active) this.close();
    }, wait);
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    tell(this, name, detail);
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#root.getElementById(name));
  }
}

customElements.define("upload-progress-list", UploadProgressList);
