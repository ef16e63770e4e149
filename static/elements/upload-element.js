import { ROW_STYLES } from "../rows/styles.js";
import { ConnectedElement } from "./connected-element.js";
import { liveRegion } from "./live-region.js";
import { loadFilmPlayer, loadResultView } from "./markup.js";
import { Staleness } from "./staleness.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../shared/dom.js").Markup} Markup */
/** @typedef {import("./connected-element.js").SharedConnections} SharedConnections */
/**
 * @typedef {object} ResultRow
 * @property {Upload | null} upload
 * @property {boolean} showsResults
 * @property {boolean} needsResult
 * @property {(result: any) => void} showResult
 * @property {boolean} needsFilm
 * @property {(film: any) => void} showFilm
 */

/** The base class of the elements that show uploads: the results, the announcements, and whether the state is stale. */
export class UploadElement extends ConnectedElement {
  /** @type {ReturnType<typeof loadResultView> | null} */ #resultView = null;
  /** @type {ReturnType<typeof loadFilmPlayer> | null} */ #filmPlayer = null;
  /** The uploads that have become playable while they were shown. @type {WeakSet<Upload>} */ #playable = new WeakSet();
  #staleness = new Staleness(() => this.render());
  /** Queues an announcement to screen readers. @protected */ announce;

  /**
   * @param {object} options
   * @param {Markup} options.markup
   * @param {readonly string[]} options.properties        The properties of the element's class.
   * @param {SharedConnections} options.connections
   */
  constructor({ markup, properties, connections }) {
    super({ markup, styles: ["elements/elements.css", ...ROW_STYLES], properties: ["results", ...properties], connections });
    this.announce = liveRegion(this.child("announcer"), () => this.summary());
  }

  /** Whether completed rows show their result. */
  get results() {
    return this.hasAttribute("results");
  }

  set results(shown) {
    this.toggleAttribute("results", shown);
  }

  // --- for the elements -------------------------------------------------------------------------------------------

  /** Stop showing uploads. @protected */
  detach() {
    super.detach();
    this.#staleness.stop();
  }

  /** Update the shadow tree. @protected */
  render() {}

  /** Return the announcement that replaces many. @protected */
  summary() {
    return "";
  }

  /** Whether the connection has been lost for a while. @protected @param {Roomcast | null} connection */
  isStale(connection) {
    this.#staleness.update(connection);
    return this.#staleness.stale;
  }

  /** Show the result in a row, once it is open, or the player of its film, if `results` is set.
   * @protected @param {ResultRow} row */
  async showResult(row) {
    const { upload } = row;
    row.showsResults = this.results;
    if (upload?.state?.playable && !this.#playable.has(upload)) {
      this.#playable.add(upload);
      this.emit("upload-playable", upload);
    }
    if (upload && row.needsFilm) {
      this.#filmPlayer ??= loadFilmPlayer(this.root);
      const FilmPlayer = await this.#filmPlayer;
      if (row.needsFilm) row.showFilm(new FilmPlayer(upload, this.locale, (text) => this.announce(row, text)));
    }
    if (!upload || !row.needsResult) return;
    this.#resultView ??= loadResultView(this.root);
    const ResultView = await this.#resultView;
    if (row.needsResult) row.showResult(new ResultView(upload, this.locale, (text) => this.announce(row, text)));
  }
}
