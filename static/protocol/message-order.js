/**
 * Decides which messages about an upload to apply. Pure: no socket, no clock, no page.
 *
 * A position in an upload's log is (epoch, seq). Events are numbered without gaps; a tick carries the `seq` of the last
 * event before it. The same message may arrive from the room, from a replay and from polling. All sources go through
 * the same rules, so the order of arrival does not matter.
 *
 * @typedef {object} Position
 * @property {string} [epoch]    The incarnation of the log; absent before the first message.
 * @property {number} seq        The last event that was applied.
 * @property {number} attempt    The attempt of that event.
 * @property {number} progress   The progress of the last message that was applied.
 *
 * @typedef {import("./messages.js").Message} Message
 * @typedef {"apply" | "drop" | "gap"} Verdict
 */

/**
 * Return the position of a client that resumes at `seq` with unknown progress.
 *
 * @param {string | undefined} epoch
 * @param {number | undefined} seq
 * @returns {Position}
 */
export function positionAt(epoch, seq) {
  return { epoch, seq: seq ?? 0, attempt: 0, progress: 0 };
}

/**
 * Return the position after `message`.
 *
 * @param {Message} message
 * @returns {Position}
 */
export function positionAfter({ epoch, seq, attempt, progress }) {
  return { epoch, seq, attempt, progress };
}

/**
 * Decide what to do with `message` at `position`: apply it, drop it as stale, or report a gap.
 *
 * `live` is true for messages from the room. There, a missing number means that an event was lost and has to be
 * requested (`gap`). A replay or a poll returns the server's current state and may skip numbers.
 *
 * @param {Position} position
 * @param {Message} message
 * @param {boolean} live
 * @returns {Verdict}
 */
export function judge(position, message, live) {
  if (message.epoch !== position.epoch) return "apply"; // numbers of different epochs cannot be compared
  if (message.seq < position.seq) return "drop";
  if (message.seq === position.seq) return isStale(position, message) ? "drop" : "apply";
  return live && message.seq > position.seq + 1 ? "gap" : "apply";
}

/** Return whether a tick was overtaken by a newer message. @param {Position} position @param {Message} message */
function isStale(position, message) {
  if (message.attempt !== position.attempt) return message.attempt < position.attempt;
  return message.progress < position.progress;
}
