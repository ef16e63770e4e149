/**
 * All elements: `<upload-progress-list>`, `<upload-progress>` and `<upload-drop>`.
 *
 * ```html
 * <script type="module" src="/static/element.js"></script>
 * ```
 */

export { UploadDrop } from "./upload-drop.js";
export { UploadProgress } from "./upload-progress.js";
export { UploadProgressList } from "./upload-progress-list.js";
