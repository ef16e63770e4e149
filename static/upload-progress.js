/**
 * `<upload-progress>`: one upload, by its id.
 *
 * ```html
 * <script type="module" src="/static/upload-progress.js"></script>
 * <upload-progress upload-id="upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5" results></upload-progress>
 * ```
 *
 * Attributes, each also a property in camel case:
 *
 * - `upload-id`    the upload; without one nothing is shown.
 * - `server`       the server's URL; by default the server that this module was loaded from.
 * - `results`      a completed upload shows its result: player, scenes, savings, downloads.
 *
 * Further properties: `roomcast`, the connection; `locale`, the texts or a language (see `locale/en.js`). The elements
 * of a page share one connection to each server, unless `roomcast` is set. If the server requires a token, set
 * `element.roomcast.token`.
 *
 * Events, all bubbling and composed, with the `Upload` as `detail`: `upload-completed`, `upload-error` (it failed, or
 * cannot be watched), `upload-cancelled` and `upload-deleted`. For an upload that has already ended, the event follows at once.
 *
 * Parts and custom properties are those of the rows of `<upload-progress-list>`.
 */

export { UploadProgress } from "./elements/upload-progress.js";
