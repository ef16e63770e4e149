/** The segments of a progress bar: sending, compressing, storing. Pure. */

/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {{sent: number, compressed: number, stored: number}} Segments   How far each segment is filled, 0–100. */

const WIDTHS = { sent: 40, compressed: 50, stored: 10 }; // in percent of the bar
const RECEIVED = 10; // the overall progress at which the server has all bytes
const EMPTY = { sent: 0, compressed: 0, stored: 0 };

/**
 * Return how far the segments are filled.
 *
 * @param {Message | null} state
 * @param {number | null} sentPercent   Of the transfer, 0–100, where this client knows it.
 * @param {Segments} [before]           The last result for the same attempt: no segment falls below it.
 * @returns {Segments}
 */
export function segmentsOf(state, sentPercent, before = EMPTY) {
  const progress = state ? (state.status === "completed" ? 100 : Math.min(state.progress, 99)) : 0;
  const receiving = !state || state.stage === "receiving";
  const sent = receiving ? (sentPercent ?? state?.stageProgress ?? 0) : (100 * progress) / RECEIVED;
  const compressed = (100 * (progress - WIDTHS.sent)) / WIDTHS.compressed;
  const stored = (100 * (progress - WIDTHS.sent - WIDTHS.compressed)) / WIDTHS.stored;
  return {
    sent: Math.max(before.sent, within(sent)),
    compressed: Math.max(before.compressed, within(compressed)),
    stored: Math.max(before.stored, within(stored)),
  };
}

/** Return the filled share of the whole bar, 0–100. @param {Segments} segments */
export function filledShare({ sent, compressed, stored }) {
  return (sent * WIDTHS.sent + compressed * WIDTHS.compressed + stored * WIDTHS.stored) / 100;
}

/** @param {number} percent */
function within(percent) {
  return Math.min(100, Math.max(0, percent));
}
