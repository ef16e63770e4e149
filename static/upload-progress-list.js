/**
 * `<upload-progress-list>`: the uploads of a connection, as a list in the page or as a dialog in its corner.
 *
 * ```html
 * <script type="module" src="/static/upload-progress-list.js"></script>
 * <upload-progress-list max-items="5" mode="dialog" auto-close auto-hide></upload-progress-list>
 * ```
 *
 * It shows all of `list.roomcast.uploads`. The lists of a page share one connection, unless `roomcast` is set.
 *
 * Attributes, each also a property in camel case:
 *
 * - `max-items`    the maximum number of rows shown at once; failed and active ones come first, and a button shows the
 *                  others. All by default.
 * - `mode`         `list` (default), or `dialog`: a panel in the corner that does not block the page.
 * - `auto-close`   milliseconds (3000 without a value) until the dialog closes after all uploads have completed. It
 *                  stays open while it shows a failed upload or has the focus or the pointer. A new upload opens it.
 * - `auto-hide`    milliseconds (5000 without a value) until a completed row is removed; failed ones stay.
 * - `results`      completed rows show their result: player, scenes, savings, downloads.
 * - `server`       the server's URL; by default the server that this module was loaded from.
 *
 * Further properties: `roomcast`, the connection; `locale`, the texts or a language (see `locale/en.js`).
 *
 * Events, all bubbling and composed, with the `Upload` as `detail` where there is one: `upload-completed`,
 * `upload-error` (failed), `upload-cancelled`, `upload-deleted`, `upload-dismissed`, `all-completed` with the aggregate,
 * and `close`.
 *
 * Parts: `panel` `header` `heading` `overall` `row` `name` `stage` `problem` `bar` `fill` `button` `more`. Custom
 * properties, set on the element: `--accent` `--on-accent` `--surface` `--sunken` `--line` `--ink` `--muted` `--good`
 * `--bad` `--radius`, and the others in `base.css`. The state `:state(filled)` is set while there are rows.
 */

export { UploadProgressList } from "./elements/upload-progress-list.js";
