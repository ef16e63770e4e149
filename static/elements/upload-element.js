import { connect } from "../client/connection.js";
import { ENGLISH } from "../locale/en.js";
import { setHidden } from "../shared/dom.js";
import { liveRegion } from "./live-region.js";
import { addStyleSheets, loadResultView } from "./markup.js";
import { Staleness } from "./staleness.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../locale/en.js").Locale} Locale */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {{upload: Upload | null, hasResult: boolean, showResult: (result: any) => void}} ResultRow */

/** The base class of the elements: their connection, locale, shadow tree and common attributes. */
export class UploadElement extends HTMLElement {
  /** @type {Roomcast | null} */ #assigned = null;
  /** @type {Locale} */ #locale = ENGLISH;
  /** @type {ReturnType<typeof loadResultView> | null} */ #resultView = null;
  #staleness = new Staleness(() => this.render());
  #properties;
  #connections;
  /** @protected */ root = this.attachShadow({ mode: "open" });
  /** Queues an announcement to screen readers. @protected */ announce;

  /**
   * @param {object} options
   * @param {HTMLTemplateElement} options.markup
   * @param {readonly string[]} options.properties          The properties of the element's class.
   * @param {Map<string, Roomcast>} options.connections     Connections by origin, for elements without an assigned one.
   */
  constructor({ markup, properties, connections }) {
    super();
    this.#properties = ["locale", "results", "server", ...properties, "roomcast"]; // the last one starts the rendering
    this.#connections = connections;
    this.root.append(markup.content.cloneNode(true));
    this.announce = liveRegion(this.child("announcer"), () => this.summary());
    const styles = addStyleSheets(this.root, "../base.css", "elements.css");
    void styles.then(() => setHidden(this.child("frame"), false));
  }

  /** Whether completed rows show their result. */
  get results() {
    return this.hasAttribute("results");
  }

  set results(shown) {
    this.toggleAttribute("results", shown);
  }

  /** The server's URL; empty for the server that this module was loaded from. */
  get server() {
    return this.getAttribute("server") ?? "";
  }

  set server(url) {
    this.setAttribute("server", url);
  }

  /** The connection whose uploads are shown: the assigned one, or one that is created now. @returns {Roomcast} */
  get roomcast() {
    const existing = this.existingConnection;
    if (existing) return existing;
    const created = connect({ url: this.#origin });
    this.#connections.set(this.#origin, created);
    this.connectionCreated();
    return created;
  }

  /** @param {Roomcast | null} roomcast */
  set roomcast(roomcast) {
    this.#assigned = roomcast;
    if (this.isConnected) this.attach();
  }

  /** The texts of the element: English, or any of `ENGLISH` in `locale/en.js` replaced. @returns {Locale} */
  get locale() {
    return this.#locale;
  }

  /** @param {Partial<Locale>} locale */
  set locale(locale) {
    this.#locale = { ...ENGLISH, ...locale };
    if (this.isConnected) this.attach();
  }

  connectedCallback() {
    for (const name of this.#properties) this.#upgrade(name);
    this.attach();
  }

  disconnectedCallback() {
    this.detach();
  }

  // --- for the elements -------------------------------------------------------------------------------------------

  /** Whether a connection was assigned. @protected */
  get hasAssignedConnection() {
    return this.#assigned !== null;
  }

  /** The assigned connection, or the one that other elements use for the same server. @protected */
  get existingConnection() {
    return this.#assigned ?? this.#connections.get(this.#origin) ?? null;
  }

  /** Start showing the connection's uploads, after `detach`. @protected */
  attach() {}

  /** Stop showing uploads. @protected */
  detach() {
    this.#staleness.stop();
  }

  /** Update the shadow tree. @protected */
  render() {}

  /** Called when a connection for elements without an assigned one was created. @protected */
  connectionCreated() {}

  /** Return the announcement that replaces many. @protected */
  summary() {
    return "";
  }

  /** Whether the connection has been lost for a while. @protected @param {Roomcast | null} connection */
  isStale(connection) {
    this.#staleness.update(connection);
    return this.#staleness.stale;
  }

  /** Show the result in a row, if `results` is set. @protected @param {ResultRow} row */
  async showResult(row) {
    const { upload } = row;
    if (!upload || !this.results) return;
    this.#resultView ??= loadResultView(this.root);
    const ResultView = await this.#resultView;
    if (!row.hasResult) row.showResult(new ResultView(this.#locale, () => void upload.refresh()));
  }

  /** Dispatch an event that reaches the page. @protected @param {string} name @param {unknown} [detail] */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** Return an element of the shadow tree. @protected @param {string} id @returns {HTMLElement} */
  child(id) {
    return /** @type {HTMLElement} */ (this.root.getElementById(id));
  }

  get #origin() {
    return new URL(this.server || import.meta.url, document.baseURI).origin;
  }

  /** Pass a value that was set before the element was defined to the property's setter. @param {string} name */
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const self = /** @type {any} */ (this);
    const value = self[name];
    delete self[name];
    self[name] = value;
  }
}
