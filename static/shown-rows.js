/** Which rows of a long list are shown. Pure. */

/** @typedef {import("./upload-face.js").Face} Face */
/** @typedef {{attended: boolean, finished: boolean, face: Face, upload: {needsFile: boolean} | null}} Row */

const RANKS = { failed: 1, busy: 2, waiting: 3, done: 4, cancelled: 4 };

/**
 * Those that somebody is at, that want attention, and that move, before those that wait, and these before what is over.
 * Of several alike, the first to come where they are still to go, and the last where they are done.
 *
 * @template {Row} T
 * @param {T[]} rows         In the order in which they came.
 * @param {number | null} limit
 * @returns {Set<T>}
 */
export function chosen(rows, limit) {
  if (limit === null || rows.length <= limit) return new Set(rows);
  const ranked = rows.map((row, index) => ({ row, rank: rankOf(row), order: row.finished ? -index : index }));
  ranked.sort((one, other) => one.rank - other.rank || one.order - other.order);
  return new Set(ranked.slice(0, limit).map(({ row }) => row));
}

/** @param {Row} row */
function rankOf({ attended, face, upload }) {
  if (attended) return 0;
  return upload?.needsFile ? RANKS.failed : RANKS[face.tone];
}
