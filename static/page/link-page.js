/** The page of a lasting link while its upload is worked on. The end reloads it: the server then shows the results. */

import "../elements/upload-progress.js";

const element = /** @type {import("../elements/upload-progress.js").UploadProgress} */ (
  document.querySelector("upload-progress")
);
element.roomcast.token = decodeURIComponent(location.pathname.split("/").pop() ?? "");
for (const name of ["upload-completed", "upload-error", "upload-cancelled", "upload-deleted"]) {
  element.addEventListener(name, () => location.reload(), { once: true });
}
