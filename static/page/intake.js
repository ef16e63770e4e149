/**
 * Accepts files from the picker and the drop zone, and checks them before they are sent. The server decides from a
 * file's bytes; the check only reports what is certain to be refused, without a wait.
 *
 * @typedef {{name: string, kind: "video" | "image" | "auto" | "file"}} Template
 * @typedef {{maxUploadBytes?: number, templates?: Template[], openMode?: boolean, maxFiles?: number}} Config
 */

import { formatBytes } from "../locale/format.js";
import { mediaTypeOf } from "../shared/media-type.js";

/** Return the server's configuration, or an empty one if it is not available.
 * @param {string} [token] @returns {Promise<Config>} */
export async function fetchConfig(token) {
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : undefined;
    const response = await fetch("/api/config", { headers });
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

/**
 * Return the reason why the server would refuse a file, or null.
 *
 * @param {File} file @param {Config} config @param {Template | undefined} template @returns {string | null}
 */
export function rejectionReason(file, { maxUploadBytes }, template) {
  if (maxUploadBytes && file.size > maxUploadBytes) {
    return `The file has ${formatBytes(file.size)}. This server accepts files of up to ${formatBytes(maxUploadBytes)}.`;
  }
  if (template?.kind === "file") return null;
  const mediaType = mediaTypeOf(file);
  if (mediaType === null) return "The file is not a video, an image or an audio file.";
  if (file.size === 0) return "The file is empty.";
  if (template && template.kind !== "auto" && template.kind !== mediaType) {
    return `The template “${template.name}” accepts ${template.kind === "video" ? "videos" : "images"} only.`;
  }
  return null;
}

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
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
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
    onFiles(droppedFiles(/** @type {DataTransfer} */ (event.dataTransfer)));
  });

  function leave() {
    depth = 0;
    dropZone.classList.remove("over");
  }
}

/** Return the files without the folders, which browsers list as unreadable files. @param {DataTransfer} transfer */
function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory);
  return items.map((item) => item.getAsFile()).filter((file) => file !== null);
}
