/**
 * Several uploads as one: how many, how far, how long. Pure: no socket, no clock, no page.
 *
 * @typedef {import("./roomcast.js").Message} Message
 * @typedef {import("./roomcast.js").Status} Status
 *
 * @typedef {object} Tracked   What is looked at of an upload.
 * @property {Message | null} state
 * @property {{code: string} | null} error   What this client ran into.
 * @property {{size: number} | null} file
 *
 * @typedef {object} Aggregate
 * @property {number} total           `active + completed + failed`
 * @property {number} active          not at an end: also those that are paused, or wait for a token or for their file
 * @property {number} completed
 * @property {number} failed          also cancelled, and those whose sending this client gave up
 * @property {number} progress        0–100. Every upload weighs what its file does; one of unknown size, what the others
 *   do on average. It never falls while the uploads are the same, and is 100 only when all have completed.
 * @property {number} bytesReceived   by the server, as far as it has said
 * @property {number} bytesExpected   of the uploads whose size is known
 * @property {number | null} eta      seconds until the last one is done; null unless every active one has an estimate
 * @property {Status | null} status   while any is active, that of the one furthest behind; then `error` if any failed,
 *   else `completed`. Null when there are none.
 */

const ALMOST = 99.9; // as much as is said while one is missing
const ORDER = /** @type {const} */ (["starting", "compressing", "uploading"]);

/**
 * What the uploads come to together.
 *
 * @param {readonly Tracked[]} uploads
 * @param {number} [before]   The progress of the same uploads when it was last asked; below it nothing is said.
 * @returns {Aggregate}
 */
export function aggregateOf(uploads, before = 0) {
  const ends = uploads.map(endOf);
  const completed = ends.filter((end) => end === "completed").length;
  const failed = ends.filter((end) => end === "error").length;
  const active = uploads.filter((_, index) => ends[index] === null);
  const whole = uploads.length > 0 && completed === uploads.length;
  return {
    total: uploads.length,
    active: active.length,
    completed,
    failed,
    progress: whole ? 100 : Math.min(Math.max(weighted(uploads), before), ALMOST),
    bytesReceived: sum(uploads.map(({ state }) => state?.bytesReceived ?? 0)),
    bytesExpected: sum(uploads.map((upload) => sizeOf(upload) ?? 0)),
    eta: longest(active.map(({ state }) => state?.eta ?? null)),
    status: statusOf(active, completed, failed),
  };
}

/** How it ended; null while it has not. @param {Tracked} upload @returns {"completed" | "error" | null} */
function endOf({ state, error }) {
  if (state?.status === "completed" || state?.status === "error") return state.status;
  return error && error.code !== "UNAUTHENTICATED" ? "error" : null;
}

/** @param {readonly Tracked[]} active @param {number} completed @param {number} failed @returns {Status | null} */
function statusOf(active, completed, failed) {
  if (active.length) {
    const statuses = new Set(active.map(({ state }) => state?.status ?? "starting"));
    return /** @type {Status} */ (ORDER.find((status) => statuses.has(status)));
  }
  if (failed) return "error";
  return completed ? "completed" : null;
}

/** @param {readonly Tracked[]} uploads @returns {number} */
function weighted(uploads) {
  const sizes = uploads.map(sizeOf);
  const known = sizes.filter((size) => size !== null);
  const average = known.length ? sum(known) / known.length : 1;
  const weights = sizes.map((size) => Math.max(size ?? average, 1)); // an empty file is one too
  const progress = sum(uploads.map(({ state }, index) => weights[index] * (state?.progress ?? 0)));
  return uploads.length ? progress / sum(weights) : 0;
}

/** @param {Tracked} upload @returns {number | null} bytes */
function sizeOf({ state, file }) {
  return state?.bytesExpected ?? file?.size ?? null;
}

/** @param {(number | null)[]} etas @returns {number | null} */
function longest(etas) {
  return etas.length && etas.every((eta) => eta !== null) ? Math.max(...etas) : null;
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
