/**
 * Where files come in: the drop zone, the picker, and the check before anything is sent.
 *
 * The server decides what a file is from its bytes; this check only spares a person the wait for an answer that is
 * already certain.
 *
 * @typedef {{name: string, kind: "video" | "image" | "auto" | "file"}} Template
 * @typedef {{maxUploadBytes?: number, templates?: Template[], openMode?: boolean, maxFiles?: number}} Config
 */

import { bytesWords } from "./words.js";

const EXTENSIONS = {
  video: "mp4 m4v mov webm mkv avi wmv flv mpg mpeg m2v ts mts m2ts 3gp 3g2 ogv asf".split(" "),
  audio: "mp3 m4a m4b aac wav flac ogg oga opus aif aiff caf amr".split(" "),
  image: "jpg jpeg png gif webp avif tif tiff bmp heic heif".split(" "),
};

/** What the server says about itself; nothing if it does not. @param {string} [token] @returns {Promise<Config>} */
export async function readConfig(token) {
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : undefined;
    const response = await fetch("/api/config", { headers });
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

/**
 * Why a file will not be sent; null when nothing speaks against it.
 *
 * @param {File} file @param {Config} config @param {Template | undefined} template @returns {string | null}
 */
export function objection(file, { maxUploadBytes }, template) {
  if (maxUploadBytes && file.size > maxUploadBytes) {
    return `${bytesWords(file.size)} is more than the ${bytesWords(maxUploadBytes)} this server takes.`;
  }
  if (template?.kind === "file") return null;
  const kind = kindOf(file);
  if (kind === null) return "This is not a video, a picture or sound.";
  if (file.size === 0) return "The file is empty.";
  if (template && template.kind !== "auto" && template.kind !== kind) {
    const wanted = template.kind === "video" ? "videos" : "pictures";
    return `The template “${template.name}” takes ${wanted} only.`;
  }
  return null;
}

/**
 * What a template would have to take; sound goes the way of films.
 *
 * @param {{name: string, type: string}} file @returns {"video" | "image" | null}
 */
export function kindOf({ name, type }) {
  const extension = name.split(".").pop()?.toLowerCase() ?? "";
  for (const kind of /** @type {const} */ (["video", "audio", "image"])) {
    if (type.startsWith(`${kind}/`) || EXTENSIONS[kind].includes(extension)) return kind === "audio" ? "video" : kind;
  }
  return null;
}

/**
 * Take files from the picker and from anywhere on the page that they are dropped.
 *
 * @param {HTMLInputElement} picker @param {HTMLElement} zone @param {(files: File[]) => void} take
 */
export function takeFiles(picker, zone, take) {
  picker.addEventListener("change", () => {
    const files = [...(picker.files ?? [])];
    picker.value = ""; // so that the same file can be chosen again
    take(files);
  });
  const offered = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  let depth = 0; // dragenter and dragleave fire for every element on the way
  addEventListener("dragenter", (event) => {
    if (!offered(event)) return;
    depth += 1;
    zone.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (offered(event)) depth -= 1;
    if (depth <= 0) leave();
  });
  addEventListener("dragover", (event) => {
    if (offered(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    leave();
    if (!offered(event)) return;
    event.preventDefault();
    take(droppedFiles(/** @type {DataTransfer} */ (event.dataTransfer)));
  });

  function leave() {
    depth = 0;
    zone.classList.remove("over");
  }
}

/** Folders come along as files that cannot be read; they are left out. @param {DataTransfer} transfer */
function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory);
  return items.map((item) => item.getAsFile()).filter((file) => file !== null);
}
