import { connect } from "../client/connection.js";
import { withTexts } from "../locale/create-locale.js";
import { en } from "../locale/en.js";
import { loadLocale, loadedLocale } from "../locale/languages.js";
import { hasDirection, languageOf, unwatchLanguage, watchLanguage } from "../locale/nearest-language.js";
import { setHidden } from "../shared/dom.js";
import { defaultServer } from "../shared/server.js";
import { addStyleSheets } from "./markup.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
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
  /** @type {Partial<Locale>} */ #texts = {};
  /** The texts of the element's language; null while they are loaded. @type {Locale | null} */ #language = null;
  #locale = en;
  #styled = false;
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
    void addStyleSheets(this.root, "base.css", ...styles).then(() => {
      this.#styled = true;
      this.#show();
    });
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

  /** The texts of the element, in its language, with those that were replaced. @returns {Locale} */
  get locale() {
    return this.#locale;
  }

  /** @param {Partial<Locale> | string | null} texts   What replaces texts; or a language, as in the attribute `locale`. */
  set locale(texts) {
    if (typeof texts === "string") {
      this.setAttribute("locale", texts);
    } else {
      this.#texts = texts ?? {};
      this.#updateLocale();
    }
  }

  connectedCallback() {
    for (const name of this.#properties) this.#upgrade(name);
    watchLanguage(this, () => this.#chooseLanguage());
    this.#chooseLanguage();
    this.attach();
  }

  disconnectedCallback() {
    unwatchLanguage(this);
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

  /** Show the texts of the locale, which has changed. @protected */
  localize() {}

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

  /** Set the direction of the texts, unless the page has. @param {HTMLElement} frame */
  #direct(frame) {
    if (hasDirection(this) && !this.#texts.direction) frame.removeAttribute("dir");
    else frame.dir = this.#locale.direction;
  }

  #chooseLanguage() {
    this.#direct(this.child("frame"));
    const language = languageOf(this);
    if (language === this.#language?.language) return;
    const use = (/** @type {Locale} */ locale) => {
      this.#language = locale;
      this.#updateLocale();
    };
    const locale = loadedLocale(language);
    if (locale) use(locale);
    else void loadLocale(language).then((loaded) => languageOf(this) === language && use(loaded));
  }

  #updateLocale() {
    this.#locale = withTexts(this.#language ?? en, this.#texts);
    const frame = this.child("frame");
    frame.lang = this.#locale.language;
    this.#direct(frame);
    this.#show();
    if (this.isConnected) this.localize();
  }

  /** Show the element as soon as its styles and its language are loaded. */
  #show() {
    setHidden(this.child("frame"), !this.#styled || !this.#language);
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
