/**
 * Checks files before they are sent. The server decides from a file's bytes; the checks only report what is certain to
 * be refused, without a wait.
 *
 * @typedef {import("../locale/create-locale.js").Locale} Locale
 * @typedef {{name: string, kind: "video" | "image" | "auto" | "file"}} Template
 * @typedef {{maxUploadBytes?: number, templates?: Template[], openMode?: boolean, maxFiles?: number}} Config
 */

import { ENGLISH } from "../locale/en.js";
import { mediaTypeOf } from "../shared/media-type.js";

const TIMEOUT_MS = 5_000;

/** Return the configuration of a connection's server, or an empty one if it is not available.
 * @param {{url: string, token: string | undefined}} roomcast @returns {Promise<Config>} */
export async function fetchConfig({ url, token }) {
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : undefined;
    const response = await fetch(new URL("api/config", url), { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.ok ? await response.json() : {};
  } catch {
    return {};
  }
}

/**
 * Return the reason why the server would refuse a file, or null.
 *
 * @param {File} file @param {Config} config @param {Template | undefined} template @param {Locale} [locale]
 * @returns {string | null}
 */
export function rejectionReason(file, { maxUploadBytes }, template, locale = ENGLISH) {
  if (maxUploadBytes && file.size > maxUploadBytes) return locale.tooLarge(file.size, maxUploadBytes);
  if (template?.kind === "file") return null;
  const mediaType = mediaTypeOf(file);
  if (mediaType === null) return locale.notMedia;
  if (file.size === 0) return locale.emptyFile;
  const wrong = template && template.kind !== "auto" && template.kind !== mediaType;
  return wrong ? locale.wrongForTemplate(template.name, template.kind) : null;
}

/**
 * Return whether a file matches the `accept` attribute of a file input, which does not apply to files that are dropped.
 *
 * @param {{name: string, type: string}} file @param {string} accept   Empty for every file.
 */
export function isAccepted({ name, type }, accept) {
  const patterns = accept.toLowerCase().split(",").map((pattern) => pattern.trim()).filter(Boolean);
  const matches = (/** @type {string} */ pattern) => {
    if (pattern.startsWith(".")) return name.toLowerCase().endsWith(pattern);
    return pattern.endsWith("/*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern;
  };
  return patterns.length === 0 || patterns.some(matches);
}

/**
 * Return what was dropped or pasted: files, and folders, which browsers list as unreadable files.
 *
 * @param {DataTransfer} transfer @returns {{files: File[], folders: File[]}}
 */
export function transferredFiles({ items }) {
  /** @type {{files: File[], folders: File[]}} */ const found = { files: [], folders: [] };
  for (const item of items) {
    const file = item.kind === "file" ? item.getAsFile() : null;
    if (file) found[item.webkitGetAsEntry?.()?.isDirectory ? "folders" : "files"].push(file);
  }
  return found;
}

/** Return whether files are dragged, and not text. @param {DragEvent} event */
export function hasFiles({ dataTransfer }) {
  return dataTransfer?.types.includes("Files") ?? false;
}
