/** The admin page's list: the board's newest uploads, live, and older ones that were asked for. */

import { byId, setHidden, setText } from "../dom.js";
import { Row } from "./rows.js";

/** @typedef {import("./rows.js").UploadRow} UploadRow */
/** @typedef {import("./rows.js").Actions} Actions */

const AGAIN_MS = 5_000; // what is not on the board is asked for anew, as long as it is shown
const PAGE = 100;

export class UploadList {
  #rows = /** @type {Map<string, Row>} */ (new Map());
  #live = /** @type {Map<string, UploadRow>} */ (new Map());
  #older = /** @type {Map<string, UploadRow>} */ (new Map());
  #pages = 0;
  #asked = 0;
  #now = 0;
  #page;
  #actions;
  #body = byId("uploads");
  #text = /** @type {HTMLInputElement} */ (byId("text"));
  #status = /** @type {HTMLSelectElement} */ (byId("status"));

  /**
   * @param {(query: string) => Promise<{uploads: UploadRow[], cursor: string | null} | undefined>} page
   * @param {Actions} actions
   */
  constructor(page, actions) {
    this.#page = page;
    this.#actions = actions;
    this.#text.addEventListener("input", () => this.#show());
    this.#status.addEventListener("change", () => {
      this.#older.clear();
      this.#pages = this.#status.value ? 1 : 0;
      this.#show();
      void this.#ask();
    });
    byId("older").addEventListener("click", () => {
      this.#pages = Math.max(this.#pages, 1) + 1; // the board has the first
      void this.#ask();
    });
    setInterval(() => void this.#ask(), AGAIN_MS);
  }

  /** @param {UploadRow[]} uploads @param {number} now   The server's time in ms. */
  hear(uploads, now) {
    this.#live = new Map(uploads.map((upload) => [upload.uploadId, upload]));
    this.#now = now;
    this.#show();
  }

  /** Ask for as many pages as are wanted, from the newest on. */
  async #ask() {
    if (!this.#pages || document.visibilityState !== "visible") return;
    const asked = (this.#asked += 1);
    const found = /** @type {Map<string, UploadRow>} */ (new Map());
    let cursor = /** @type {string | null} */ (null);
    for (let number = 0; number < this.#pages && (number === 0 || cursor); number += 1) {
      const query = new URLSearchParams({ limit: String(PAGE), status: this.#status.value, cursor: cursor ?? "" });
      const answer = await this.#page(query.toString());
      if (!answer || asked !== this.#asked) return;
      for (const upload of answer.uploads) found.set(upload.uploadId, upload);
      cursor = answer.cursor;
    }
    this.#older = found;
    setHidden(byId("older"), !cursor);
    this.#show();
  }

  #show() {
    const known = new Map([...this.#older, ...this.#live]);
    for (const [uploadId, row] of this.#rows) {
      if (known.has(uploadId)) continue;
      row.element.remove();
      this.#rows.delete(uploadId);
    }
    const newestFirst = [...known.values()].sort((one, other) => (one.createdAt < other.createdAt ? 1 : -1));
    const text = this.#text.value.trim().toLowerCase();
    let shown = 0;
    newestFirst.forEach((upload, place) => {
      const row = this.#rows.get(upload.uploadId) ?? new Row(upload, this.#actions);
      this.#rows.set(upload.uploadId, row);
      row.show(upload, this.#now);
      const wanted = row.matches(text) && (!this.#status.value || upload.status === this.#status.value);
      setHidden(row.element, !wanted);
      shown += Number(wanted);
      const there = this.#body.children[place] ?? null;
      if (there !== row.element) this.#body.insertBefore(row.element, there);
    });
    const narrowed = text || this.#status.value;
    setText(byId("uploads-empty"), narrowed ? "No upload is like that." : "No uploads.");
    setHidden(byId("uploads-empty"), shown > 0);
    if (!this.#pages) setHidden(byId("older"), this.#live.size < PAGE);
  }
}
