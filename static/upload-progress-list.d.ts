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
import { ListOptions } from "./list-options.js";
export type Words = import("./list-words.js").Words;
export type Aggregate = import("./roomcast.js").Aggregate;
export type Roomcast = import("./roomcast.js").Roomcast;
export type Upload = import("./roomcast.js").Upload;
export declare class UploadProgressList extends ListOptions {
    #private;
    constructor();
    /** The connection whose uploads are shown. @returns {Roomcast} */
    get roomcast(): Roomcast;
    /** @param {Roomcast | null} roomcast */
    set roomcast(roomcast: Roomcast | null);
    /** Its words, should they not be English, or not these: any of `ENGLISH` in `list-words.js`. @returns {Words} */
    get words(): Words;
    /** @param {Partial<Words>} words */
    set words(words: Partial<Words>);
    /** How far the uploads are that are on their way together. @returns {Aggregate} */
    get aggregate(): Aggregate;
    /** Show a file that is not sent, and why. @param {File} file @param {string} reason */
    refuse(file: File, reason: string): void;
    /** Open the dialog again. */
    show(): void;
    /** Close the dialog. Its uploads go on. */
    close(): void;
    /** Cancel everything that can be cancelled. */
    cancelAll(): void;
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** @param {string} name */
    attributeChangedCallback(name: string): void;
}
