/** Counts the rows of a list by what they do. Pure. */

/** @typedef {import("../sending/transfer-meter.js").Transfer} Transfer */
/** @typedef {import("../protocol/messages.js").Stage} Stage */

/**
 * @typedef {object} SummaryRow
 * @property {"waiting" | "busy" | "done" | "failed" | "cancelled"} tone
 * @property {Stage | null} stage        Null before the first message.
 * @property {number} progress           Overall, 0–100.
 * @property {Transfer | null} transfer
 * @property {number | null} size        Of the file, in bytes.
 * @property {boolean} [needsAction]     Whether the upload waits for the person, such as for its file.
 *
 * @typedef {object} RowCounts
 * @property {number} sending
 * @property {number} compressing   Also those that are read before, and whose previews are made after.
 * @property {number} storing
 * @property {number} needsAction
 * @property {number} waiting       For a slot, a worker, the connection, or because they are paused.
 * @property {number} done
 * @property {number} failed        Also files that were refused.
 * @property {number} cancelled
 *
 * @typedef {object} Summary
 * @property {RowCounts} counts
 * @property {number} total
 * @property {number} active     `sending + compressing + storing + needsAction + waiting`
 * @property {number} progress   0–100: of the active rows and those that are done, weighted by the size of their files.
 */

/** @type {Partial<Record<Stage, "sending" | "storing">>} */
const BUSY_STAGES = { receiving: "sending", storing: "storing", cleaning: "storing" };
const ENDED = new Set(["done", "failed", "cancelled"]);

/** Return the counts and the progress of rows. @param {readonly SummaryRow[]} rows @returns {Summary} */
export function summaryOf(rows) {
  const counts = { sending: 0, compressing: 0, storing: 0, needsAction: 0, waiting: 0, done: 0, failed: 0, cancelled: 0 };
  for (const row of rows) counts[countOf(row)] += 1;
  const active = rows.filter(({ tone }) => !ENDED.has(tone)).length;
  return { counts, total: rows.length, active, progress: progressOf(rows.filter(({ tone }) => tone !== "failed" && tone !== "cancelled")) };
}

/** @param {SummaryRow} row @returns {keyof RowCounts} */
function countOf({ tone, stage, needsAction }) {
  if (tone === "waiting") return needsAction ? "needsAction" : "waiting";
  if (tone !== "busy") return tone;
  return BUSY_STAGES[stage ?? "receiving"] ?? "compressing";
}

/** @param {readonly SummaryRow[]} rows @returns {number} */
function progressOf(rows) {
  const known = rows.flatMap(({ size }) => (size === null ? [] : [size]));
  const average = known.length ? sum(known) / known.length : 1;
  const weights = rows.map(({ size }) => Math.max(size ?? average, 1)); // an empty file counts, too
  const done = sum(rows.map(({ tone, progress }, index) => weights[index] * (tone === "done" ? 100 : progress)));
  return rows.length ? done / sum(weights) : 0;
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
