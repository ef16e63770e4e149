/** All English texts of the elements. Pure. */

import {
  formatBytes,
  formatDuration,
  formatEta,
  formatOrdinal,
  formatReceived,
  formatRoughBytes,
  formatSpeed,
} from "./format.js";

/** @typedef {import("../client/aggregate.js").Aggregate} Aggregate */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../protocol/messages.js").Element} Element */
/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../protocol/messages.js").Output} Output */
/** @typedef {import("../protocol/messages.js").Stage} Stage */

/** @type {Record<Stage, string>} */
const STAGES = {
  receiving: "Receiving",
  queued: "Waiting for a worker",
  fetching: "Fetching the file",
  probing: "Analyzing the file",
  compressing: "Compressing",
  thumbnails: "Creating previews",
  storing: "Storing the result",
  cleaning: "Removing temporary files",
  done: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
  deleted: "Deleted",
};

/** @type {Record<string, string>} */
const KINDS = { video: "Video", audio: "Audio", image: "Image", poster: "Poster", thumbnail: "Image", file: "File" };
const FORMATS = new Map([["image/webp", "WebP"], ["video/webm", "WebM"], ["audio/mp4", "M4A"]]);

/**
 * The texts of the elements. Set the `locale` property of an element to replace all or some of them.
 *
 * @typedef {typeof ENGLISH} Locale
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
  delete: "Delete",
  deleting: "Deleting…",
  dismiss: "Dismiss",
  copyId: "Copy the upload ID",
  copied: "Copied",
  hideFinished: "Hide finished",
  collapse: "Collapse",
  expand: "Expand",
  close: "Close",
  showFewer: "Show fewer",
  pauseAll: "Pause all",
  resumeAll: "Resume all",
  retryFailed: "Retry failed",
  undo: "Undo",
  download: "Download",
  showResult: "Show result",
  sent: "sent",
  sendingStep: "Sending",
  compressingStep: "Compressing",
  storingStep: "Storing",
  overallProgress: "Progress of all uploads",
  reconnecting: "The connection was lost. Reconnecting…",
  uploadsContinue: "The uploads continue.",

  notUploaded: "Not uploaded",
  interrupted: "Upload interrupted",
  failed: "Failed",
  completed: "Completed",
  cancelled: "Cancelled",
  paused: "Paused",
  waiting: "Waiting to be sent",
  loading: "Loading",
  needsToken: "Waiting for an access token",
  needsFile: "File needed",

  dropFiles: "Drop files here",
  or: "or",
  chooseFiles: "Choose files",
  emptyFile: "The file is empty.",
  folder: "Folders cannot be uploaded. Open the folder and choose the files in it.",
  notAccepted: "Files of this type are not accepted here.",
  notMedia: "The file is not a video, an image or an audio file.",

  original: "Original",
  result: "Result",
  downloads: "Downloads",

  bytes: formatBytes,
  received: formatReceived,
  eta: formatEta,

  /** @param {number} count   Of hidden rows. */
  showMore: (count) => `Show ${count} more`,

  /** The title of a stage. @param {Stage} stage */
  stage: (stage) => STAGES[stage] ?? stage,

  /** The name of an upload. @param {Upload} upload @returns {string} */
  filename: ({ file, state }) => file?.name ?? state?.filename ?? "Upload",

  /** The facts after a stage's title: received bytes, queue position, speed, remaining time. Unknown ones are omitted.
   * @param {Message} state @returns {string[]} */
  progressFacts({ stage, speed, fps, eta, forecast, queuePosition, bytesReceived, bytesExpected }) {
    const facts = [];
    if (stage === "receiving" && bytesReceived) facts.push(formatReceived(bytesReceived, bytesExpected));
    if (stage === "queued" && queuePosition) facts.push(formatQueuePosition(queuePosition));
    if (speed) facts.push(`${formatSpeed(speed)} speed`);
    if (fps) facts.push(`${Math.round(fps)} fps`);
    const hasEta = eta !== null && eta !== undefined;
    if (hasEta) facts.push(formatEta(eta));
    if (stage !== "compressing" || !forecast) return facts;
    const { bytes, seconds } = forecast;
    const time = seconds < 57.5 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
    return [...facts, `expected size ${formatRoughBytes(bytes)}`, ...(hasEta ? [] : [`expected time ${time}`])];
  },

  /** @param {number} attempt @param {Message} state */
  attempt: (attempt, { message }) => `Attempt ${attempt}. ${message}`,

  /** @param {{code: string, message: string}} error */
  error: ({ message }) => message,

  /** @param {string} filename */
  fileMissing: (filename) => `The server does not have the complete file. Choose ${filename} again to continue.`,

  /** @param {number} percent   0–100. */
  percent: (percent) => `${percent}%`,

  /** Shown while a cancellation of several uploads can be undone. @param {number} count */
  cancellingSoon: (count) => (count === 1 ? "The upload is about to be cancelled." : `${count} uploads are about to be cancelled.`),

  /** Shown while a deletion can be undone. @param {string} filename */
  deletingSoon: (filename) => `${filename} and its results are about to be deleted.`,

  /** The question before an upload is deleted. @param {string} filename */
  confirmDelete: (filename) => `Delete ${filename} and its results?`,

  /** @param {number} bytes   The size of the expected file. */
  wrongFile: (bytes) => `This is a different file. The size of the expected file is ${formatBytes(bytes)}.`,

  /** @param {number} bytes @param {number} limit   In bytes. */
  tooLarge: (bytes, limit) =>
    `The file has ${formatBytes(bytes)}. This server accepts files of up to ${formatBytes(limit)}.`,

  /** @param {string} template @param {string} kind   The files that the template is for: `video` or `image`. */
  wrongForTemplate: (template, kind) =>
    `The template “${template}” accepts ${kind === "video" ? "videos" : "images"} only.`,

  /** The dialog's title. @param {Aggregate} aggregate */
  dialogTitle({ total, active, completed, failed }) {
    if (total === 0) return ENGLISH.heading;
    if (active) return `Uploading ${total - active + 1} of ${total}`;
    const uploads = total === 1 ? "upload" : "uploads";
    return failed ? `${completed} of ${total} ${uploads} completed` : `${total} ${uploads} completed`;
  },

  /** The progress and remaining time below the dialog's title. @param {Aggregate} aggregate */
  dialogProgress: ({ progress, eta }) => `${Math.floor(progress)}%${eta === null ? "" : ` · ${formatEta(eta)}`}`,

  /** The progress of all uploads. @param {Aggregate} aggregate */
  summary({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) return `${total - active} of ${total} finished, ${Math.floor(progress)}%`;
    if (total === 1) return failed ? "Failed" : "Finished";
    return `All ${total} finished${failed ? `, ${failed} failed` : ""}`;
  },

  /** How much smaller the result is than the original. @param {number} percent */
  saved(percent) {
    const rounded = Math.round(percent);
    if (rounded >= 1) return `${rounded}% smaller`;
    return rounded <= -1 ? `${-rounded}% larger` : "About the same size";
  },

  /** How much of an incomplete source file could be read. @param {Element} element */
  partialNote({ partial }) {
    if (!partial) return "";
    const [seconds, declaredSeconds] = [partial.seconds, partial.declaredSeconds].map(formatLength);
    return `The file is incomplete. Only ${seconds} of ${declaredSeconds} could be read.`;
  },

  /** A remark about the quality of the result. @param {Element} element */
  resultNote({ copied, quality }) {
    if (copied) return "The file was already small, so it was stored unchanged.";
    return quality ? `${quality.metric.toUpperCase()} ${quality.score}, measured on samples` : "";
  },

  /** What an output is. @param {Output} output @returns {string} */
  outputTitle: (output) => `${KINDS[output.kind] ?? output.name}, ${ENGLISH.outputFormat(output)}`,

  /** The file format of an output. @param {Output} output @returns {string} */
  outputFormat: ({ mime }) => FORMATS.get(mime) ?? mime.split("/").pop()?.toUpperCase() ?? mime,

  /** The dimensions, duration and size of an output. @param {Output} output */
  outputFacts({ width, height, duration, size }) {
    const dimensions = width && height ? `${width} × ${height}` : null;
    return [dimensions, duration ? formatDuration(duration) : null, formatBytes(size)].filter(Boolean).join(" · ");
  },

  /** @param {string} filename */
  poster: (filename) => `Poster of ${filename}`,

  /** The label of the player or of the result image. @param {string} filename */
  compressed: (filename) => `${filename}, compressed`,

  /** @param {string} filename */
  scenes: (filename) => `Scenes of ${filename}`,

  /** A position in a video; both in seconds. @param {number} seconds @param {number} duration */
  position: (seconds, duration) => `${formatDuration(seconds)} of ${formatDuration(duration)}`,

  /** The text value of a progress bar. @param {number} percent @param {string} title @param {string[]} facts */
  progressValue: (percent, title, facts) => [`${percent}%`, title.toLowerCase(), ...facts].join(", "),

  /** The announcement of an upload's state to screen readers. @param {string} filename @param {Message} state */
  announcement(filename, state) {
    if (state.status === "completed") {
      const { saved } = state.element ?? {};
      return `${filename}: completed${saved ? `, ${ENGLISH.saved(saved.percent)}` : ""}.`;
    }
    if (state.stage === "failed") return `${filename}: failed. ${state.error?.message ?? state.message}`;
    const attempt = state.attempt > 1 ? `attempt ${state.attempt}, ` : "";
    return `${filename}: ${attempt}${ENGLISH.stage(state.stage).toLowerCase()}.`;
  },

  /** The announcement of a file that was not uploaded. @param {string} filename @param {string} reason */
  rejected: (filename, reason) => `${filename}: not uploaded. ${reason}`,
};

/** @param {number} position   1 is next. */
function formatQueuePosition(position) {
  return position <= 1 ? "next in the queue" : `${formatOrdinal(position)} in the queue`;
}

/** @param {number} seconds */
function formatLength(seconds) {
  return seconds < 60 ? `${Number(seconds.toFixed(1))} s` : formatDuration(seconds);
}
