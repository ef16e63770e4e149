/** The list of uploads on the admin page: the newest from the snapshots, older ones on request. */

import { byId, setHidden, setText } from "../shared/dom.js";
import { UploadRow } from "./upload-row.js";

/** @typedef {import("./upload-row.js").Actions} Actions */
/** @typedef {import("./upload-row.js").AdminUpload} AdminUpload */

const REFRESH_MS = 5_000; // of the pages that are not in the snapshots
const PAGE_SIZE = 100;

export class UploadList {
  #rows = /** @type {Map<string, UploadRow>} */ (new Map());
  #newest = /** @type {Map<string, AdminUpload>} */ (new Map());
  #older = /** @type {Map<string, AdminUpload>} */ (new Map());
  #pageCount = 0;
  #requests = 0;
  #now = 0;
  #fetchPage;
  #actions;
  #body = byId("uploads");
  #text = /** @type {HTMLInputElement} */ (byId("text"));
  #status = /** @type {HTMLSelectElement} */ (byId("status"));

  /**
   * @param {(query: string) => Promise<{uploads: AdminUpload[], cursor: string | null} | undefined>} fetchPage
   * @param {Actions} actions
   */
  constructor(fetchPage, actions) {
    this.#fetchPage = fetchPage;
    this.#actions = actions;
    this.#text.addEventListener("input", () => this.#render());
    this.#status.addEventListener("change", () => {
      this.#older.clear();
      this.#pageCount = this.#status.value ? 1 : 0;
      this.#render();
      void this.#fetchPages();
    });
    byId("older").addEventListener("click", () => {
      this.#pageCount = Math.max(this.#pageCount, 1) + 1; // the snapshots contain the first page
      void this.#fetchPages();
    });
    setInterval(() => void this.#fetchPages(), REFRESH_MS);
  }

  /** Show a snapshot's uploads. @param {AdminUpload[]} uploads @param {number} now   The server's time in ms. */
  update(uploads, now) {
    this.#newest = new Map(uploads.map((upload) => [upload.uploadId, upload]));
    this.#now = now;
    this.#render();
  }

  /** Fetch all pages that are shown, from the newest. */
  async #fetchPages() {
    if (!this.#pageCount || document.visibilityState !== "visible") return;
    const request = (this.#requests += 1);
    const found = /** @type {Map<string, AdminUpload>} */ (new Map());
    let cursor = /** @type {string | null} */ (null);
    for (let page = 0; page < this.#pageCount && (page === 0 || cursor); page += 1) {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE), status: this.#status.value, cursor: cursor ?? "" });
      const response = await this.#fetchPage(query.toString());
      if (!response || request !== this.#requests) return;
      for (const upload of response.uploads) found.set(upload.uploadId, upload);
      cursor = response.cursor;
    }
    this.#older = found;
    setHidden(byId("older"), !cursor);
    this.#render();
  }

  #render() {
    const uploads = new Map([...this.#older, ...this.#newest]);
    for (const [uploadId, row] of this.#rows) {
      if (uploads.has(uploadId)) continue;
      row.element.remove();
      this.#rows.delete(uploadId);
    }
    const newestFirst = [...uploads.values()].sort((one, other) => (one.createdAt < other.createdAt ? 1 : -1));
    const text = this.#text.value.trim().toLowerCase();
    let shown = 0;
    newestFirst.forEach((upload, index) => {
      const row = this.#rows.get(upload.uploadId) ?? new UploadRow(upload, this.#actions);
      this.#rows.set(upload.uploadId, row);
      row.render(upload, this.#now);
      const matches = row.matches(text) && (!this.#status.value || upload.status === this.#status.value);
      setHidden(row.element, !matches);
      shown += Number(matches);
      const current = this.#body.children[index] ?? null;
      if (current !== row.element) this.#body.insertBefore(row.element, current);
    });
    const filtered = text || this.#status.value;
    setText(byId("uploads-empty"), filtered ? "No uploads match the filter." : "No uploads.");
    setHidden(byId("uploads-empty"), shown > 0);
    if (!this.#pageCount) setHidden(byId("older"), this.#newest.size < PAGE_SIZE);
  }
}
