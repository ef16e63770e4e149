/** Derives what an upload's page shows from the upload's log. Pure. */

import { en } from "../../locale/en.js";
import { formatElapsed } from "../common/format.js";

/** @typedef {import("../../protocol/messages.js").Message} Message */

/**
 * @typedef {object} LogEvent   One numbered event.
 * @property {number} seq
 * @property {string} at
 * @property {{type: "user" | "worker" | "server" | "application", name: string} | null} actor
 * @property {Message} message
 *
 * @typedef {object} LogStage   How long the upload was in a stage.
 * @property {string} stage
 * @property {number} attempt
 * @property {number} seq
 * @property {string} startedAt
 * @property {number} seconds
 * @property {boolean} ended
 *
 * @typedef {object} LogAttempt
 * @property {number} attempt
 * @property {string | null} process
 * @property {string} startedAt
 * @property {number} seconds
 * @property {"running" | "completed" | "failed" | "cancelled" | "retried" | "returned"} outcome
 * @property {{code: string, message: string} | null} error
 *
 * @typedef {object} LogLine
 * @property {string} at
 * @property {string} level
 * @property {string} event
 * @property {string} process
 * @property {Record<string, unknown>} details
 *
 * @typedef {object} UploadLog   What `GET /api/admin/uploads/{id}/log` answers.
 * @property {import("../uploads/upload-row.js").AdminUpload} upload
 * @property {number} firstSeq
 * @property {LogEvent[]} events
 * @property {LogStage[]} stages
 * @property {LogAttempt[]} attempts
 * @property {LogLine[]} lines
 *
 * @typedef {object} StageBar   A stage on the time axis of the whole upload.
 * @property {LogStage} stage
 * @property {string} title
 * @property {string} elapsed
 * @property {number} start    0–100
 * @property {number} width    0–100
 */

const OUTCOMES = {
  running: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  retried: "failed, tried again",
  returned: "given back to the queue",
};

/** Return the bars of the stages. @param {LogStage[]} stages @returns {StageBar[]} */
export function stageBars(stages) {
  const starts = stages.map(({ startedAt }) => Date.parse(startedAt) / 1000);
  const first = Math.min(...starts);
  const end = Math.max(...stages.map(({ seconds }, index) => starts[index] + seconds));
  const scale = 100 / Math.max(end - first, 0.001);
  const hasAttempts = stages.some(({ attempt }) => attempt > 1);
  return stages.map((stage, index) => ({
    stage,
    title: `${en.stage(/** @type {any} */ (stage.stage))}${hasAttempts ? `, attempt ${stage.attempt}` : ""}`,
    elapsed: formatElapsed(stage.seconds),
    start: (starts[index] - first) * scale,
    width: stage.seconds * scale,
  }));
}

/** Return who wrote an event, such as `user alice`. @param {LogEvent["actor"]} actor */
export function actorText(actor) {
  if (!actor) return "not recorded";
  return actor.type === "server" ? "the server" : `${actor.type} ${actor.name}`;
}

/** Return how an attempt ended. @param {LogAttempt} attempt */
export function outcomeText({ outcome, error, seconds }) {
  const elapsed = formatElapsed(seconds);
  const text = `${OUTCOMES[outcome] ?? outcome} ${outcome === "running" ? "for" : "after"} ${elapsed}`;
  return error ? `${text}: ${error.code}` : text;
}

/** Return the details of a log line as `key=value`. @param {Record<string, unknown>} details */
export function detailsText(details) {
  return Object.entries(details)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

/**
 * Return what an event changed, compared with the one before it.
 *
 * @param {LogEvent} event @param {LogEvent | undefined} previous
 */
export function changeText({ message }, previous) {
  const stage = en.stage(message.stage);
  if (message.event) return `Event “${message.event.name}” of the application`;
  if (!previous) return stage;
  const before = previous.message;
  if (message.attempt !== before.attempt) return `${stage}, attempt ${message.attempt}`;
  if (message.stage !== before.stage) return stage;
  if (message.poster && !before.poster) return "Poster available";
  return message.message && message.message !== before.message ? message.message : `${stage}, ${Math.floor(message.progress)}%`;
}

/** Return the time of day, with milliseconds. @param {string} at   In ISO 8601. */
export function timeText(at) {
  const time = new Date(at);
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${time.toLocaleTimeString("en-GB")}.${milliseconds}`;
}
