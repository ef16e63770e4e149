/** What the upload list says, in English. Pure. */

import {
  bytesWords,
  durationWords,
  etaWords,
  formatWords,
  outputFacts,
  outputTitle,
  paceWords,
  partialWords,
  resultWords,
  savedWords,
  stageWords,
} from "./words.js";

/** @typedef {import("./roomcast.js").Aggregate} Aggregate */
/** @typedef {import("./roomcast.js").Message} Message */
/** @typedef {import("./roomcast.js").Upload} Upload */

/**
 * All of it: another language gives its own of these, or some of them.
 *
 * @typedef {typeof ENGLISH} Words
 */
export const ENGLISH = {
  heading: "Uploads",
  cancel: "Cancel",
  cancelling: "Cancelling…",
  cancelAll: "Cancel all",
  pause: "Pause",
  resume: "Resume",
  retry: "Retry",
  choose: "Choose the file again",
  dismiss: "Dismiss",
  copyId: "Copy the upload’s id",
  copied: "Copied",
  hideFinished: "Hide finished",
  collapse: "Collapse",
  expand: "Expand",
  close: "Close",
  fewer: "Show fewer",
  overall: "All uploads of this batch",
  reconnecting: "The connection is lost. Trying again.",
  goOn: "The uploads go on.",

  notSent: "Not sent",
  stopped: "Sending stopped",
  failed: "Failed",
  completed: "Completed",
  cancelled: "Cancelled",
  paused: "Paused",
  waiting: "Waiting to be sent",
  lookingUp: "Looking it up",
  needsToken: "Waiting for a token",
  needsFile: "The file is needed again",

  original: "Original",
  result: "Result",
  downloads: "Downloads",

  stage: stageWords,
  pace: paceWords,
  saved: savedWords,
  bytes: bytesWords,
  format: formatWords,
  outputTitle,
  outputFacts,
  partial: partialWords,
  remark: resultWords,

  /** What an upload is called. @param {Upload} upload @returns {string} */
  filename: ({ file, state }) => file?.name ?? state?.filename ?? "Upload",

  /** @param {number} hidden */
  more: (hidden) => `${hidden} more`,

  /** The dialog's title. @param {Aggregate} aggregate */
  title({ total, active, completed, failed }) {
    if (total === 0) return ENGLISH.heading;
    if (active) return `Uploading ${total - active + 1} of ${total}`;
    const uploads = total === 1 ? "upload" : "uploads";
    return failed ? `${completed} of ${total} ${uploads} completed` : `${total} ${uploads} completed`;
  },

  /** How far all are. @param {Aggregate} aggregate */
  count({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) return `${total - active} of ${total} finished, ${Math.floor(progress)}%`;
    if (total === 1) return failed ? "Failed" : "Finished";
    return `All ${total} finished${failed ? `, ${failed} failed` : ""}`;
  },

  /** How far and how long yet, below the dialog's title. @param {Aggregate} aggregate */
  pending: ({ progress, eta }) => `${Math.floor(progress)}%${eta === null ? "" : ` · ${etaWords(eta)}`}`,

  /** @param {number} attempt @param {Message} state */
  attempt: (attempt, { message }) => `Attempt ${attempt}. ${message}`,

  /** @param {{code: string, message: string}} error */
  problem: ({ message }) => message,

  /** @param {string} filename */
  missing: (filename) => `Neither the server nor this page has the file any more. Choose ${filename} again to send it.`,

  /** @param {number} bytes */
  otherFile: (bytes) => `That is another file: this upload has ${bytesWords(bytes)}.`,

  /** @param {string} filename */
  poster: (filename) => `Poster of ${filename}`,

  /** A player, or the picture that came out. @param {string} filename */
  compressed: (filename) => `${filename}, compressed`,

  /** @param {string} filename */
  scenes: (filename) => `Scenes of ${filename}`,

  /** Where in a film; both in seconds. @param {number} at @param {number} duration */
  moment: (at, duration) => `${durationWords(at)} of ${durationWords(duration)}`,

  /** A bar's value. @param {number} percent @param {string} title @param {string[]} facts */
  value: (percent, title, facts) => [`${percent}%`, title.toLowerCase(), ...facts].join(", "),

  /** One sentence on where an upload now is, for a screen reader. @param {string} filename @param {Message} state */
  news(filename, state) {
    if (state.status === "completed") {
      const { saved } = state.element ?? {};
      return `${filename}: completed${saved ? `, ${savedWords(saved.percent)}` : ""}.`;
    }
    if (state.stage === "failed") return `${filename}: failed. ${state.error?.message ?? state.message}`;
    const again = state.attempt > 1 ? `attempt ${state.attempt}, ` : "";
    return `${filename}: ${again}${stageWords(state.stage).toLowerCase()}.`;
  },

  /** @param {string} filename @param {string} reason */
  refused: (filename, reason) => `${filename}: not sent. ${reason}`,
};
