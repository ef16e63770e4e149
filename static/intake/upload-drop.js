/** The element `<upload-drop>`; see `upload-drop.js` in the parent folder. */

import { ConnectedElement, defineElement } from "../elements/connected-element.js";
import { connections } from "../elements/upload-progress-list.js";
import { Markup, setHidden, setText } from "../shared/dom.js";
import { fetchConfig, hasFiles, isAccepted, rejectionReason, transferredFiles } from "./checks.js";

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
    <span id="hint" part="hint"><slot name="hint"></slot></span>
  </label>
  <p id="problem" part="problem" role="status" hidden></p>
</div>`);

export class UploadDrop extends ConnectedElement {
  static observedAttributes = ["for", "accept", "type", "disabled", "server"];

  /** The number of nested elements that files are dragged over. */ #depth = 0;
  #internals = this.attachInternals();

  constructor() {
    const properties = ["accept", "disabled", "htmlFor", "type"];
    super({ markup: MARKUP, styles: ["intake/upload-drop.css"], properties, connections });
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
   * Send files, as if they had been dropped. Those that would be refused are reported and not sent.
   *
   * @param {Iterable<File>} files
   * @returns {Promise<Upload[]>} the uploads that were started
   */
  async send(files) {
    const wanted = [...files];
    setHidden(this.child("problem"), true);
    if (this.disabled || wanted.length === 0 || !this.emit("upload-files", wanted, true)) return [];
    const { roomcast, type } = this;
    const config = await fetchConfig(roomcast);
    const template = config.templates?.find(({ name }) => name === type);
    const uploads = [];
    for (const file of wanted) {
      const accepted = isAccepted(file, this.accept);
      const reason = accepted ? rejectionReason(file, config, template, this.locale) : this.locale.notAccepted;
      if (reason) {
        this.#refuse(file, reason);
      } else {
        const upload = roomcast.upload(file, { type: type || undefined });
        uploads.push(upload);
        this.emit("upload-started", upload);
      }
    }
    return uploads;
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
  }

  /** @protected */
  localize() {
    this.#render();
  }

  // --- input ------------------------------------------------------------------------------------------------------

  #listen() {
    const input = this.#input;
    input.addEventListener("change", () => {
      const files = [...(input.files ?? [])];
      input.value = ""; // otherwise choosing the same file again would fire no event
      void this.send(files);
    });
    this.addEventListener("paste", ({ clipboardData }) => clipboardData && this.#sendTransferred(clipboardData));
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
      this.#sendTransferred(event.dataTransfer);
    });
  }

  /** @param {DataTransfer} transfer */
  #sendTransferred(transfer) {
    const { files, folders } = transferredFiles(transfer);
    void this.send(files);
    if (!this.disabled) for (const folder of folders) this.#refuse(folder, this.locale.folder);
  }

  /** Report a file that is not sent: in the list, or below the zone if there is none.
   * @param {File} file @param {string} reason */
  #refuse(file, reason) {
    const target = this.#target();
    if (target?.refuse) target.refuse(file, reason);
    else setText(this.child("problem"), this.locale.rejected(file.name, reason));
    setHidden(this.child("problem"), Boolean(target?.refuse));
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
    const input = this.#input;
    input.accept = this.accept;
    input.disabled = disabled;
    input.setAttribute("aria-label", locale.chooseFiles);
    setText(this.child("lead"), locale.dropFiles);
    setText(this.child("or"), locale.or);
    setText(this.child("choose"), locale.chooseFiles);
    this.child("choose").setAttribute("aria-disabled", String(disabled));
  }
}

defineElement("upload-drop", UploadDrop);
