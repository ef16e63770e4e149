/**
 * Checks files before they are sent. The server decides from a file's bytes; the checks only report what is certain to
 * be refused, without a wait.
 *
 * @typedef {import("../locale/create-locale.js").Locale} Locale
 * @typedef {"video" | "image" | "auto" | "file"} TemplateKind
 * @typedef {{name: string, title: string, kind: TemplateKind, maxBytes: number, builtIn: boolean}} Template
 * @typedef {{video: string[], image: string[], audio: string[]}} Formats
 * @typedef {import("./media-measures.js").Measures} Measures
 *
 * @typedef {object} Config   What the server answers; empty if it is not available.
 * @property {number} [maxUploadBytes]
 * @property {number} [maxDurationSeconds]   Of a video or an audio file.
 * @property {number} [maxPixels]            Of an image.
 * @property {Formats} [formats]             The accepted formats, the usual ones first.
 * @property {Template[]} [templates]
 * @property {boolean} [openMode]
 */

import { en } from "../locale/en.js";
import { mediaTypeOf } from "../shared/media-type.js";

const TIMEOUT_MS = 5_000;
const LEAST_BYTES_PER_SECOND = 500; // of compressed speech; no media lasts as long as the limit in fewer bytes
const LEAST_BYTES_PER_PIXEL = 0.02; // of a compressed photograph

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
export function rejectionReason(file, { maxUploadBytes }, template, locale = en) {
  const limit = template?.maxBytes ?? maxUploadBytes;
  const isTooLarge = limit && file.size > limit;
  const tooLarge = () => locale.tooLarge(roundedUp(file.size), limit ?? 0);
  if (template?.kind === "file") return isTooLarge ? tooLarge() : null;
  const mediaType = mediaTypeOf(file);
  if (mediaType === null) return locale.notMedia;
  if (template && template.kind !== "auto" && template.kind !== mediaType) {
    return locale.wrongForTemplate(template.title, template.kind);
  }
  if (file.size === 0) return locale.emptyFile;
  return isTooLarge ? tooLarge() : null;
}

/**
 * Return the kind of measures that a media file has to be refused for, or null if it has too few bytes to exceed them.
 *
 * @param {File} file @param {Config} config @returns {"video" | "image" | null}
 */
export function neededMeasures(file, { maxDurationSeconds = Infinity, maxPixels = Infinity }) {
  const mediaType = mediaTypeOf(file);
  const least = mediaType === "video" ? maxDurationSeconds * LEAST_BYTES_PER_SECOND : maxPixels * LEAST_BYTES_PER_PIXEL;
  return file.size > least ? mediaType : null;
}

/**
 * Return the reason why the server would refuse a media file with these measures, or null.
 *
 * @param {Measures} measures @param {Config} config @param {Locale} [locale]
 * @returns {string | null}
 */
export function measuredReason({ seconds, pixels }, { maxDurationSeconds, maxPixels }, locale = en) {
  if (seconds && maxDurationSeconds && seconds > maxDurationSeconds) return locale.tooLong(seconds, maxDurationSeconds);
  return pixels && maxPixels && pixels > maxPixels ? locale.tooManyPixels(pixels, maxPixels) : null;
}

/**
 * Return what is accepted, for people: the usual formats and the largest size; empty if the server has not said it.
 *
 * @param {Config} config @param {Template | undefined} template @param {Locale} locale
 */
export function acceptedText({ formats, maxUploadBytes }, template, locale) {
  const limit = template?.maxBytes ?? maxUploadBytes;
  if (!formats || !limit) return "";
  const size = locale.format.limit(limit);
  if (template?.kind === "file") return locale.intake.acceptedUpTo(size);
  const names = usualFormats(formats, template?.kind ?? "auto");
  return locale.intake.accepted(names.join(locale.comma), size);
}

/** @param {Formats} formats @param {Exclude<TemplateKind, "file">} kind */
function usualFormats({ video, image, audio }, kind) {
  if (kind === "video") return [...video.slice(0, 4), ...audio.slice(0, 2)];
  if (kind === "image") return image.slice(0, 5);
  return [...video.slice(0, 3), ...image.slice(0, 3), ...audio.slice(0, 1)];
}

/** Return a size that is shown as more than any limit below it, with three digits. @param {number} bytes */
function roundedUp(bytes) {
  const step = 10 ** Math.max(Math.floor(Math.log10(bytes)) - 2, 0);
  return Math.ceil(bytes / step) * step;
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
