/** Selects the rows of a long list that are shown. Pure. */

/** @typedef {import("./upload-view-model.js").UploadView} UploadView */
/** @typedef {{inUse: boolean, settled: boolean, view: UploadView, upload: {needsFile: boolean} | null}} Row */

const RANKS = { failed: 1, busy: 2, waiting: 3, done: 4, cancelled: 4 };

/**
 * Return up to `limit` rows, in this order of priority: rows that have the focus or the pointer, failed rows and rows
 * that need their file, active rows, waiting rows, settled rows. Within a rank, the oldest active rows and the newest
 * settled rows come first.
 *
 * @template {Row} T
 * @param {T[]} rows         Oldest first.
 * @param {number | null} limit
 * @returns {Set<T>}
 */
export function selectRows(rows, limit) {
  if (limit === null || rows.length <= limit) return new Set(rows);
  const ranked = rows.map((row, index) => ({ row, rank: rankOf(row), order: row.settled ? -index : index }));
  ranked.sort((one, other) => one.rank - other.rank || one.order - other.order);
  return new Set(ranked.slice(0, limit).map(({ row }) => row));
}

/** @param {Row} row */
function rankOf({ inUse, view, upload }) {
  if (inUse) return 0;
  return upload?.needsFile ? RANKS.failed : RANKS[view.tone];
}
