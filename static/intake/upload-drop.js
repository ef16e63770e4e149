/** The element `<upload-drop>`; see `upload-drop.js` in the parent folder. */

import { ConnectedElement, defineElement } from "../elements/connected-element.js";
import { connections } from "../elements/upload-progress-list.js";
import { Markup, setText } from "../shared/dom.js";
import { defaultServer } from "../shared/server.js";
import { acceptedText, fetchConfig } from "./checks.js";
import { acceptChosen, acceptFromButtons } from "./file-sources.js";
import { givenFiles, hasFiles, readTransfer, withPastedNames } from "./given-files.js";
import { Notices } from "./notices.js";
import { sendFiles } from "./send-files.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {HTMLElement & {roomcast?: Roomcast, refuse?: (file: File, reason: string) => void}} Target */

const MARKUP = new Markup(`
<div id="frame" hidden>
  <label id="zone" part="zone">
    <input class="visually-hidden" id="input" type="file" multiple aria-describedby="hint">
    <slot>
      <svg id="glyph" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
        <path d="M16 21V6m-6 6 6-6 6 6M5 20v4a3 3 0 0 0 3 3h16a3 3 0 0 0 3-3v-4"/>
      </svg>
      <span id="text"><span id="lead"></span> <span id="or"></span> <span class="button primary" id="choose" part="button"></span></span>
    </slot>
    <span id="hint" part="hint"><slot name="hint"><span id="accepted"></span></slot></span>
  </label>
  <div class="sources" part="sources">
    <button class="button quiet" id="folder" part="button" type="button"></button>
    <button class="button quiet" id="photo" part="button" type="button"></button>
    <button class="button quiet" id="video" part="button" type="button"></button>
  </div>
  <div id="notices"></div>
</div>`);

const STYLES = ["intake/file-sources.css", "intake/notices.css", "intake/upload-drop.css"];

export class UploadDrop extends ConnectedElement {
  static observedAttributes = ["for", "accept", "type", "disabled", "server"];

  /** The number of nested elements that files are dragged over. */ #depth = 0;
  /** What the server accepts, once it has said so. @type {import("./checks.js").Config} */ #config = {};
  #internals = this.attachInternals();
  #notices;

  constructor() {
    const properties = ["accept", "disabled", "htmlFor", "type"];
    super({ markup: MARKUP, styles: STYLES, properties, connections });
    this.#notices = new Notices(this.child("notices"), () => this.locale);
    this.#listen();
  }

  /** The id of the list whose connection sends the files, or of another element that has a `roomcast`. */
  get htmlFor() {
    return this.getAttribute("for") ?? "";
  }

  set htmlFor(id) {
    this.setAttribute("for", id);
  }

  /** The accepted files, as the attribute of a file input names them; empty for all that the server accepts. */
  get accept() {
    return this.getAttribute("accept") ?? "";
  }

  set accept(accept) {
    this.setAttribute("accept", accept);
  }

  /** The template of the uploads; empty for the server's default. */
  get type() {
    return this.getAttribute("type") ?? "";
  }

  set type(type) {
    this.setAttribute("type", type);
  }

  /** Whether no files are accepted. */
  get disabled() {
    return this.hasAttribute("disabled");
  }

  set disabled(disabled) {
    this.toggleAttribute("disabled", disabled);
  }

  /** The connection that sends the files: the assigned one, that of the element that `for` names, else the lists'. @returns {Roomcast} */
  get roomcast() {
    return (this.hasAssignedConnection ? null : this.#target()?.roomcast) ?? super.roomcast;
  }

  /** @param {Roomcast | null} roomcast */
  set roomcast(roomcast) {
    super.roomcast = roomcast;
  }

  /**
   * Send files, as if they had been dropped. Those that would be refused are reported and not sent; of those that are in
   * the list already, the person is asked whether they are sent again.
   *
   * @param {Iterable<File>} files
   * @returns {Promise<Upload[]>} the uploads that were started
   */
  send(files) {
    return this.#send(givenFiles(files));
  }

  focus() {
    this.child("input").focus();
  }

  attributeChangedCallback() {
    this.#render();
  }

  /** @protected */
  attach() {
    this.#render();
    void this.#showLimits();
  }

  /** @protected */
  localize() {
    this.#render();
  }

  // --- input ------------------------------------------------------------------------------------------------------

  #listen() {
    const onGiven = async (/** @type {Promise<import("./given-files.js").Given>} */ given) => void this.#send(await given);
    acceptChosen(this.#input, onGiven);
    acceptFromButtons(["folder", "photo", "video"].map((id) => this.child(id)), onGiven);
    this.addEventListener("paste", ({ clipboardData }) => {
      if (!clipboardData?.types.includes("Files")) return;
      const now = new Date(); // reading may take a while
      const given = readTransfer(clipboardData);
      void onGiven(given.then((read) => withPastedNames(read, this.locale.intake.pastedPicture, now)));
    });
    this.addEventListener("dragenter", (event) => hasFiles(event) && this.#setDepth(this.#depth + 1));
    this.addEventListener("dragleave", (event) => hasFiles(event) && this.#setDepth(this.#depth - 1));
    this.addEventListener("dragover", (event) => {
      if (!event.dataTransfer || !hasFiles(event)) return;
      event.preventDefault(); // also if disabled: the browser would open a file that misses its target
      event.dataTransfer.dropEffect = this.disabled ? "none" : "copy";
    });
    this.addEventListener("drop", (event) => {
      this.#setDepth(0);
      if (!event.dataTransfer || !hasFiles(event)) return;
      event.preventDefault();
      event.stopPropagation(); // a page that accepts files everywhere would send them twice
      void onGiven(readTransfer(event.dataTransfer));
    });
  }

  /** @param {import("./given-files.js").Given} given @returns {Promise<Upload[]>} */
  async #send(given) {
    const files = given.files.map(({ file }) => file);
    if (this.disabled || (files.length > 0 && !this.emit("upload-files", files, true))) return [];
    const { accept, locale, roomcast, type } = this;
    /** @type {string[]} */ const refused = [];
    return sendFiles(given, {
      accept,
      locale,
      roomcast,
      type,
      notices: this.#notices,
      config: () => this.#loadConfig(roomcast),
      refuse: (file, reason) => this.#refuse(file, reason, refused),
      started: (upload) => this.emit("upload-started", upload),
    });
  }

  /** Show what the server accepts; that creates no connection. */
  async #showLimits() {
    const target = this.htmlFor ? document.getElementById(this.htmlFor) : null;
    const server = this.server || target?.getAttribute("server");
    const url = server ? new URL(server, document.baseURI).href : defaultServer().href;
    await this.#loadConfig(this.hasAssignedConnection ? this.roomcast : { url, token: undefined });
  }

  /** @param {{url: string, token: string | undefined}} server */
  async #loadConfig(server) {
    this.#config = await fetchConfig(server);
    this.#render();
    return this.#config;
  }

  /** Report a file that is not sent: in the list, or below the zone if there is none.
   * @param {File} file @param {string} reason @param {string[]} before   What was reported below the zone, of this drop. */
  #refuse(file, reason, before) {
    const target = this.#target();
    if (target?.refuse) {
      target.refuse(file, reason);
    } else {
      before.push(this.locale.rejected(file.name, reason));
      this.#notices.warn(before.join(" "));
    }
    this.emit("upload-refused", { file, reason });
  }

  /** Return the element that `for` names; throws if there is none. @returns {Target | null} */
  #target() {
    if (!this.htmlFor) return null;
    const target = /** @type {Document | ShadowRoot} */ (this.getRootNode()).getElementById(this.htmlFor);
    if (!target) throw new Error(`<upload-drop> is for "${this.htmlFor}", but there is no element with this id.`);
    return target;
  }

  /** @param {number} depth */
  #setDepth(depth) {
    this.#depth = Math.max(0, depth);
    this.#internals.states[this.#depth > 0 && !this.disabled ? "add" : "delete"]("over");
  }

  get #input() {
    return /** @type {HTMLInputElement} */ (this.child("input"));
  }

  #render() {
    const { locale, disabled } = this;
    const { chooseFolder, recordVideo, takePhoto } = locale.intake;
    const input = this.#input;
    input.accept = this.accept;
    input.disabled = disabled;
    input.setAttribute("aria-label", locale.chooseFiles);
    setText(this.child("lead"), locale.dropFiles);
    setText(this.child("or"), locale.or);
    setText(this.child("choose"), locale.chooseFiles);
    this.child("choose").setAttribute("aria-disabled", String(disabled));
    const template = this.#config.templates?.find(({ name }) => name === this.type);
    setText(this.child("accepted"), this.accept ? "" : acceptedText(this.#config, template, locale));
    for (const [id, text] of Object.entries({ folder: chooseFolder, photo: takePhoto, video: recordVideo })) {
      const button = /** @type {HTMLButtonElement} */ (this.child(id));
      setText(button, text);
      button.disabled = disabled;
    }
  }
}

defineElement("upload-drop", UploadDrop);
