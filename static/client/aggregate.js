/**
 * Combines several uploads into one: counts, progress and remaining time. Pure: no socket, no clock, no page.
 *
 * @typedef {import("../protocol/messages.js").Message} Message
 * @typedef {import("../protocol/messages.js").Status} Status
 *
 * @typedef {object} Tracked   The properties of an `Upload` that count.
 * @property {Message | null} state
 * @property {{code: string} | null} error   An error of this client.
 * @property {{size: number} | null} file
 *
 * @typedef {object} Aggregate
 * @property {number} total           `active + completed + failed + cancelled`
 * @property {number} active          Uploads that have not ended, including those that are paused or that wait for an
 *   access token or for their file.
 * @property {number} completed
 * @property {number} failed          Includes uploads that this client stopped sending.
 * @property {number} cancelled
 * @property {number} progress        0–100, weighted by file size; an upload of unknown size has the average weight. It
 *   never falls while the set of uploads is the same, and is 100 only when all have completed.
 * @property {number} bytesReceived   As reported by the server.
 * @property {number} bytesExpected   Of the uploads whose size is known.
 * @property {number | null} eta      Seconds until the last upload is done; null unless each active one has an ETA.
 * @property {Status | null} status   While any upload is active, the status of the one that is furthest behind; then
 *   `error` if any failed or was cancelled, else `completed`. Null when there are no uploads.
 */

const MAX_UNTIL_COMPLETED = 99.9;
const CANCELLED_STAGES = new Set(["cancelled", "deleted"]);
const CANCELLED_CODES = new Set(["CANCELLED", "DELETED"]);
const ORDER = /** @type {const} */ (["starting", "compressing", "uploading"]);

/**
 * Return the aggregate of the uploads.
 *
 * @param {readonly Tracked[]} uploads
 * @param {number} [previous]   The last progress of the same uploads; the result is never below it.
 * @returns {Aggregate}
 */
export function aggregateOf(uploads, previous = 0) {
  const outcomes = uploads.map(endOf);
  const completed = outcomes.filter((outcome) => outcome === "completed").length;
  const failed = outcomes.filter((outcome) => outcome === "failed").length;
  const cancelled = outcomes.filter((outcome) => outcome === "cancelled").length;
  const active = uploads.filter((_, index) => outcomes[index] === null);
  const allCompleted = uploads.length > 0 && completed === uploads.length;
  return {
    total: uploads.length,
    active: active.length,
    completed,
    failed,
    cancelled,
    progress: allCompleted ? 100 : Math.min(Math.max(weightedProgress(uploads), previous), MAX_UNTIL_COMPLETED),
    bytesReceived: sum(uploads.map(({ state }) => state?.bytesReceived ?? 0)),
    bytesExpected: sum(uploads.map((upload) => sizeOf(upload) ?? 0)),
    eta: longest(active.map(({ state }) => state?.eta ?? null)),
    status: statusOf(active, completed, failed + cancelled),
  };
}

/** @param {Tracked} upload @returns {"completed" | "failed" | "cancelled" | null} null while the upload is active */
function endOf({ state, error }) {
  if (state?.status === "completed") return "completed";
  if (state?.status === "error") return CANCELLED_STAGES.has(state.stage) ? "cancelled" : "failed";
  if (!error || error.code === "UNAUTHENTICATED") return null;
  return CANCELLED_CODES.has(error.code) ? "cancelled" : "failed";
}

/** @param {readonly Tracked[]} active @param {number} completed @param {number} failed   With those that were cancelled.
 * @returns {Status | null} */
function statusOf(active, completed, failed) {
  if (active.length) {
    const statuses = new Set(active.map(({ state }) => state?.status ?? "starting"));
    return /** @type {Status} */ (ORDER.find((status) => statuses.has(status)));
  }
  if (failed) return "error";
  return completed ? "completed" : null;
}

/** @param {readonly Tracked[]} uploads @returns {number} */
function weightedProgress(uploads) {
  const sizes = uploads.map(sizeOf);
  const known = sizes.filter((size) => size !== null);
  const average = known.length ? sum(known) / known.length : 1;
  const weights = sizes.map((size) => Math.max(size ?? average, 1)); // an empty file counts, too
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
