/**
 * The page of a lasting link while its upload is worked on. The end reloads it: the server then shows the results. A film
 * that is being watched is not interrupted: the element shows its result, once the player is closed.
 */

import "../elements/upload-progress.js";

const element = /** @type {import("../elements/upload-progress.js").UploadProgress} */ (
  document.querySelector("upload-progress")
);
element.roomcast.token = decodeURIComponent(location.pathname.split("/").pop() ?? "");
element.addEventListener("upload-completed", () => {
  if (!element.shadowRoot?.querySelector(".film")) location.reload();
});
for (const name of ["upload-error", "upload-cancelled", "upload-deleted"]) {
  element.addEventListener(name, () => location.reload(), { once: true });
}
