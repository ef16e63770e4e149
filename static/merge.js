/**
 * Which of the messages about an upload to believe. Pure: no socket, no clock, no page.
 *
 * A position in an upload's log is (epoch, seq). Events are numbered without gaps; a tick carries the `seq` of the
 * last event before it. The same message may arrive by the room, by a replay and by polling, so every source is
 * judged by the same rules and the order of arrival stops mattering.
 *
 * @typedef {object} Position
 * @property {string} [epoch]    The incarnation of the log; absent when nothing is known yet.
 * @property {number} seq        The last event that was taken.
 * @property {number} attempt    The attempt it belonged to.
 * @property {number} progress   How full the bar was.
 *
 * @typedef {import("./roomcast.js").Message} Message
 * @typedef {"take" | "drop" | "gap"} Verdict
 */

/**
 * The position of someone who was at `seq` and no longer knows how far the bar had come.
 *
 * @param {string | undefined} epoch
 * @param {number | undefined} seq
 * @returns {Position}
 */
export function positionAt(epoch, seq) {
  return { epoch, seq: seq ?? 0, attempt: 0, progress: 0 };
}

/**
 * The position after `message`.
 *
 * @param {Message} message
 * @returns {Position}
 */
export function positionAfter({ epoch, seq, attempt, progress }) {
  return { epoch, seq, attempt, progress };
}

/**
 * What to do with `message` at `position`.
 *
 * `live` is true for what the room sends: there a hole in the numbers means that an event was lost and must be asked
 * for (`gap`). A replay or a poll is the server's present word and may run ahead.
 *
 * @param {Position} position
 * @param {Message} message
 * @param {boolean} live
 * @returns {Verdict}
 */
export function judge(position, message, live) {
  if (message.epoch !== position.epoch) return "take"; // another life of the log: our numbers mean nothing in it
  if (message.seq < position.seq) return "drop";
  if (message.seq === position.seq) return isStale(position, message) ? "drop" : "take";
  return live && message.seq > position.seq + 1 ? "gap" : "take";
}

/**
 * Whether the upload has ended.
 *
 * @param {Message | null} message
 * @returns {boolean}
 */
export function isFinished(message) {
  return message !== null && (message.status === "completed" || message.status === "error");
}

/** A tick that was overtaken on its way. @param {Position} position @param {Message} message */
function isStale(position, message) {
  if (message.attempt !== position.attempt) return message.attempt < position.attempt;
  return message.progress < position.progress;
}
