/** The order of the rows of a list, and which of them a short list shows. Pure. */

/**
 * @typedef {object} Row
 * @property {{tone: keyof typeof ORDER}} view
 * @property {number} addedAt     When the file was chosen or first watched, in milliseconds.
 * @property {boolean} inUse      Whether the row has the focus or the pointer.
 * @property {boolean} anchored   Whether the row must not move now.
 * @property {{needsFile: boolean} | null} upload
 */

const BATCH_GAP_MS = 250; // files that were chosen together are added within less
const ORDER = { busy: 0, waiting: 1, failed: 2, done: 3, cancelled: 4 };
const PRIORITY = { busy: 1, failed: 2, waiting: 3, done: 4, cancelled: 4 };

/**
 * Return the rows as they are shown: busy ones, then those that wait or need something, failed, completed and cancelled
 * ones. Among equals the newest batch comes first, and a batch is in the order in which its files were chosen.
 *
 * @template {Row} T
 * @param {readonly T[]} rows       In the order in which they were added.
 * @param {readonly T[]} [shown]    As they are shown now. All down to the last anchored row stay as they are.
 * @returns {T[]}
 */
export function inOrder(rows, shown = []) {
  const present = new Set(rows);
  const current = shown.filter((row) => present.has(row));
  const fixed = new Set(current.slice(0, current.findLastIndex(({ anchored }) => anchored) + 1));
  const batches = batchesOf(rows);
  const free = [...batches.keys()].filter((row) => !fixed.has(row));
  const batchOf = (/** @type {T} */ row) => /** @type {number} */ (batches.get(row));
  free.sort((one, other) => ORDER[one.view.tone] - ORDER[other.view.tone] || batchOf(other) - batchOf(one));
  return [...fixed, ...free];
}

/**
 * Return the rows that a list of at most `limit` rows shows, in this order of priority: rows in use, busy rows, failed
 * rows and rows that need their file, waiting rows, ended rows.
 *
 * @template {Row} T
 * @param {readonly T[]} rows   As `inOrder` returns them.
 * @param {number | null} limit
 * @returns {Set<T>}
 */
export function visibleRows(rows, limit) {
  if (limit === null || rows.length <= limit) return new Set(rows);
  const ranked = rows.toSorted((one, other) => priorityOf(one) - priorityOf(other));
  return new Set(ranked.slice(0, limit));
}

/** Return the number of each row's batch, oldest first. @template {Row} T @param {readonly T[]} rows */
function batchesOf(rows) {
  /** @type {Map<T, number>} */ const batches = new Map();
  let batch = 0;
  let last = -Infinity;
  for (const row of rows.toSorted((one, other) => one.addedAt - other.addedAt)) {
    if (row.addedAt - last > BATCH_GAP_MS) batch += 1;
    last = row.addedAt;
    batches.set(row, batch);
  }
  return batches;
}

/** @param {Row} row */
function priorityOf({ inUse, view, upload }) {
  if (inUse) return 0;
  return upload?.needsFile ? PRIORITY.failed : PRIORITY[view.tone];
}
