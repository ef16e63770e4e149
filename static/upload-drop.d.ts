/**
 * `<upload-drop>`: a zone for files, which are dropped, chosen or pasted there.
 *
 * ```html
 * <script type="module" src="/static/element.js"></script>
 * <upload-drop for="list"></upload-drop>
 * <upload-progress-list id="list"></upload-progress-list>
 * ```
 *
 * Attributes, each also a property (`for` is `htmlFor`):
 *
 * - `for`          the id of the list that shows the uploads and the refused files, or of another element with a
 *                  `roomcast`. Without it, the files are sent over the connection that the lists share.
 * - `accept`       the accepted files, as for `<input type="file">`; by default all that the server accepts.
 * - `type`         the template of the uploads; by default the server's.
 * - `disabled`     accepts nothing.
 * - `server`       the server's URL, if there is neither `for` nor `roomcast`; by default the server that this module
 *                  was loaded from.
 *
 * Further properties: `roomcast`, a connection; `locale`, the texts or a language. `send(files)` sends files as if they had been
 * dropped.
 *
 * Events, all bubbling and composed: `upload-files` with the files as `detail`, before anything is sent, which
 * `preventDefault()` stops; `upload-started` with the `Upload`; `upload-refused` with `{file, reason}`.
 *
 * Slots: the default one replaces the glyph and the texts, `hint` is below them. Parts: `zone` `button` `hint`
 * `problem`. The state `:state(over)` is set while files are dragged over it.
 */
export { UploadDrop } from "./intake/upload-drop.js";
