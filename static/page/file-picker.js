/** Accepts files from the picker, and those that are dropped anywhere on the page. */

import { hasFiles, transferredFiles } from "../intake/checks.js";

/**
 * Call `onFiles` with the files that are chosen in the picker or dropped anywhere on the page.
 *
 * @param {HTMLInputElement} picker @param {HTMLElement} dropZone @param {(files: File[]) => void} onFiles
 */
export function acceptFiles(picker, dropZone, onFiles) {
  picker.addEventListener("change", () => {
    const files = [...(picker.files ?? [])];
    picker.value = ""; // otherwise choosing the same file again would fire no event
    onFiles(files);
  });
  let depth = 0; // dragenter and dragleave fire for every nested element
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    dropZone.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event)) depth -= 1;
    if (depth <= 0) leave();
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    leave();
    if (!hasFiles(event)) return;
    event.preventDefault();
    onFiles(transferredFiles(/** @type {DataTransfer} */ (event.dataTransfer)).files);
  });

  function leave() {
    depth = 0;
    dropZone.classList.remove("over");
  }
}
