import { connect } from "../client/connection.js";
import { ENGLISH } from "../locale/en.js";
import { setHidden } from "../shared/dom.js";
import { defaultServer } from "../shared/server.js";
import { addStyleSheets } from "./markup.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../locale/en.js").Locale} Locale */
/** @typedef {import("../shared/dom.js").Markup} Markup */

/** `HTMLElement`; on a server, where there is none, a class that is never instantiated. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

/** Connections of elements without an assigned one, by the URL of their server, and who waits for one. */
export class SharedConnections {
  /** @type {Map<string, Roomcast>} */ byServer = new Map();
  /** Called, and emptied, when a connection is created. @type {Set<() => void>} */ waiting = new Set();
}

/** The base class of all elements: their connection, locale and shadow tree. */
export class ConnectedElement extends Base {
  /** @type {Roomcast | null} */ #assigned = null;
  /** @type {Locale} */ #locale = ENGLISH;
  #properties;
  #connections;
  /** @protected */ root = this.attachShadow({ mode: "open" });

  /**
   * @param {object} options
   * @param {Markup} options.markup                      The shadow tree; `frame` is shown when the styles are loaded.
   * @param {readonly string[]} options.styles           The style sheets after `base.css`, below `static/`.
   * @param {readonly string[]} options.properties       The properties of the element's class, as they are to be set.
   * @param {SharedConnections} options.connections      Those of elements without an assigned connection.
   */
  constructor({ markup, styles, properties, connections }) {
    super();
    this.#properties = ["locale", "server", ...properties, "roomcast"]; // the last one starts the rendering
    this.#connections = connections;
    this.root.append(markup.content.cloneNode(true));
    void addStyleSheets(this.root, "base.css", ...styles).then(() => setHidden(this.child("frame"), false));
  }

  /** The server's URL; empty for the server that this module was loaded from. */
  get server() {
    return this.getAttribute("server") ?? "";
  }

  set server(url) {
    this.setAttribute("server", url);
  }

  /** The connection of the element: the assigned one, or one that is created now. @returns {Roomcast} */
  get roomcast() {
    const existing = this.existingConnection;
    if (existing) return existing;
    const created = connect({ url: this.#serverUrl });
    const { byServer, waiting } = this.#connections;
    byServer.set(this.#serverUrl, created);
    const notified = [...waiting];
    waiting.clear();
    for (const notify of notified) notify();
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
    return this.#assigned ?? this.#connections.byServer.get(this.#serverUrl) ?? null;
  }

  /** Start using the connection, after `detach`. @protected */
  attach() {}

  /** Stop using the connection. @protected */
  detach() {}

  /** Dispatch an event that reaches the page. Returns whether no listener has prevented its default.
   * @protected @param {string} name @param {unknown} [detail] @param {boolean} [cancelable] */
  emit(name, detail, cancelable = false) {
    return this.dispatchEvent(new CustomEvent(name, { detail, cancelable, bubbles: true, composed: true }));
  }

  /** Return an element of the shadow tree. @protected @param {string} id @returns {HTMLElement} */
  child(id) {
    return /** @type {HTMLElement} */ (this.root.getElementById(id));
  }

  get #serverUrl() {
    return this.server ? new URL(this.server, document.baseURI).href : defaultServer().href;
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

/** Define an element, unless another copy of this module has. @param {string} name @param {typeof ConnectedElement} type */
export function defineElement(name, type) {
  const { customElements } = globalThis;
  if (customElements && !customElements.get(name)) customElements.define(name, /** @type {any} */ (type));
}
