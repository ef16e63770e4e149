/** The list of uploads on the admin page: the newest from the snapshots; filtered, sorted and older ones on request. */

import { byId, setHidden, setText } from "../../shared/dom.js";
import { updateItems } from "../common/nodes.js";
import { NO_FILTER, isFiltered, serverFilter } from "../common/route.js";
import { UploadRow } from "./upload-row.js";

/** @typedef {import("../common/route.js").Filter} Filter */
/** @typedef {import("./upload-row.js").Actions} Actions */
/** @typedef {import("./upload-row.js").AdminUpload} AdminUpload */
/** @typedef {{uploads: AdminUpload[], cursor: string | null, complete: boolean}} Page */

const REFRESH_MS = 2_000; // of the pages that are not in the snapshots
const PAGE_SIZE = 100;

export class UploadList {
  #rows = /** @type {Map<string, UploadRow>} */ (new Map());
  #newest = /** @type {Map<string, AdminUpload>} */ (new Map());
  /** The uploads of the requested pages, in the server's order. */
  #found = /** @type {Map<string, AdminUpload>} */ (new Map());
  #filter = /** @type {Filter} */ ({ ...NO_FILTER });
  #pageCount = 0;
  #requests = 0;
  #now;
  #fetchPage;
  #actions;
  #body = byId("uploads");

  /**
   * @param {(query: string) => Promise<Page | undefined>} fetchPage
   * @param {Actions} actions
   * @param {() => number} now   Returns the server's time in ms.
   */
  constructor(fetchPage, actions, now) {
    this.#fetchPage = fetchPage;
    this.#actions = actions;
    this.#now = now;
    byId("older").addEventListener("click", () => {
      this.#pageCount = Math.max(this.#pageCount, 1) + 1; // the snapshots contain the first page
      void this.refresh();
    });
    setInterval(() => void this.refresh(), REFRESH_MS);
  }

  /** Show the uploads of a filter. @param {Filter} filter */
  apply(filter) {
    if (JSON.stringify(filter) === JSON.stringify(this.#filter)) return;
    this.#filter = { ...filter };
    this.#pageCount = isFiltered(filter) ? 1 : 0;
    this.#requests += 1; // the answer for the previous filter is ignored
    if (!this.#pageCount) this.#found.clear();
    if (this.#pageCount) void this.refresh();
    else this.#render();
  }

  /** Show a snapshot's uploads. @param {AdminUpload[]} uploads */
  update(uploads) {
    this.#newest = new Map(uploads.map((upload) => [upload.uploadId, upload]));
    this.#render();
  }

  /** Fetch all pages that are shown, from the first. */
  async refresh() {
    if (!this.#pageCount || document.visibilityState !== "visible" || !byId("board").checkVisibility()) return;
    const request = (this.#requests += 1);
    const found = /** @type {Map<string, AdminUpload>} */ (new Map());
    const query = new URLSearchParams({ ...serverFilter(this.#filter, this.#now()), sort: this.#filter.sort });
    query.set("limit", String(PAGE_SIZE));
    let cursor = /** @type {string | null} */ (null);
    let complete = true;
    for (let page = 0; page < this.#pageCount && (page === 0 || cursor); page += 1) {
      if (cursor) query.set("cursor", cursor);
      const response = await this.#fetchPage(query.toString());
      if (!response || request !== this.#requests) return;
      for (const upload of response.uploads) found.set(upload.uploadId, upload);
      cursor = response.cursor;
      complete &&= response.complete;
    }
    setHidden(byId("incomplete"), complete);
    this.#found = found;
    setHidden(byId("older"), !cursor);
    this.#render();
  }

  #render() {
    const filtered = isFiltered(this.#filter);
    const uploads = filtered ? this.#foundUploads() : this.#newestFirst();
    updateItems(
      this.#body,
      this.#rows,
      uploads,
      ({ uploadId }) => uploadId,
      (upload) => new UploadRow(upload, this.#actions),
    );
    for (const upload of uploads) this.#rows.get(upload.uploadId)?.render(upload, this.#now());
    setText(byId("uploads-empty"), filtered ? "No uploads match the filter." : "No uploads.");
    setHidden(byId("uploads-empty"), uploads.length > 0);
    if (!this.#pageCount) setHidden(byId("older"), this.#newest.size < PAGE_SIZE);
  }

  /** Return the uploads that the filter found, each as the snapshot has it if that is later. */
  #foundUploads() {
    return [...this.#found.values()].map((upload) => {
      const newest = this.#newest.get(upload.uploadId);
      return newest && newest.updatedAt > upload.updatedAt ? newest : upload;
    });
  }

  #newestFirst() {
    const uploads = new Map([...this.#found, ...this.#newest]);
    return [...uploads.values()].sort((one, other) => (one.createdAt < other.createdAt ? 1 : -1));
  }
}
