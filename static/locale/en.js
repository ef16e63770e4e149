/** The English texts of the elements and of the demo page. Pure. */

import { createLocale } from "./create-locale.js";
import { Formats } from "./format.js";

/** @typedef {import("../client/aggregate.js").Aggregate} Aggregate */
/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../protocol/messages.js").Stage} Stage */
/** @typedef {import("./create-locale.js").Locale} Locale */
/** @typedef {typeof ENGLISH_TEXTS} Texts   What every language has, but the texts that are composed of them. */

const format = new Formats("en", { symbols: { second: "s", minute: "min", hour: "h" } });
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# upload", other: "# uploads" });

export const ENGLISH_TEXTS = {
  /** The language's tag, for the `lang` attribute. */
  language: "en",
  /** @type {"ltr" | "rtl"} */ direction: "ltr",
  /** How numbers, sizes and times are written. */
  format,

  heading: "Uploads",
  untitled: "Upload",
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

  /** Between the parts of a sentence. */
  comma: ", ",

  /** The titles of the stages. @type {Record<Stage, string>} */
  stages: {
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
  },

  /** What the outputs are. @type {Record<string, string>} */
  outputKinds: { video: "Video", audio: "Audio", image: "Image", poster: "Poster", thumbnail: "Image", file: "File" },

  /** The sentences for errors, by their code. English has none, because those of the server and the client are English.
   * @type {Record<string, string>} */
  errors: {},

  /** A title as it is written inside of a sentence. @param {string} title */
  insideSentence: (title) => title.toLowerCase(),

  /** @param {string} amount @param {string} total   Sizes or times. */
  ofTotal: (amount, total) => `${amount} of ${total}`,

  /** @param {number} count   Of hidden rows. */
  showMore: (count) => `Show ${format.number(count)} more`,

  secondLeft: "about a second left",

  /** @param {string} time */
  timeLeft: (time) => `about ${time} left`,

  /** @param {number} position   1 is next. */
  queuePosition: (position) =>
    position <= 1
      ? "next in the queue"
      : `${format.ordinal(position, { one: "#st", two: "#nd", few: "#rd", other: "#th" })} in the queue`,

  /** @param {string} speed   Relative to real time. */
  compressionSpeed: (speed) => `${speed} speed`,

  /** @param {string} count */
  framesPerSecond: (count) => `${count} fps`,

  /** @param {string} size   Of the result. */
  expectedSize: (size) => `expected size ${size}`,

  /** @param {string} time   Of the compression. */
  expectedTime: (time) => `expected time ${time}`,

  /** @param {number} attempt */
  attemptNumber: (attempt) => `Attempt ${format.number(attempt)}`,

  /** @param {number} attempt @param {Message} state */
  attempt: (attempt, { message }) => `Attempt ${format.number(attempt)}. ${message}`,

  /** @param {string} filename */
  fileMissing: (filename) =>
    `The server does not have the complete file. Choose ${isolate(filename)} again to continue.`,

  /** Shown while a cancellation of several uploads can be undone. @param {number} count */
  cancellingSoon: (count) =>
    count === 1 ? "The upload is about to be cancelled." : `${format.number(count)} uploads are about to be cancelled.`,

  /** Shown while a deletion can be undone. @param {string} filename */
  deletingSoon: (filename) => `${isolate(filename)} and its results are about to be deleted.`,

  /** The question before an upload is deleted. @param {string} filename */
  confirmDelete: (filename) => `Delete ${isolate(filename)} and its results?`,

  /** @param {number} size   The size of the expected file in bytes. */
  wrongFile: (size) => `This is a different file. The size of the expected file is ${bytes(size)}.`,

  /** @param {number} size @param {number} limit   In bytes. */
  tooLarge: (size, limit) => `The file has ${bytes(size)}. This server accepts files of up to ${bytes(limit)}.`,

  /** @param {string} template @param {string} kind   The files that the template is for: `video` or `image`. */
  wrongForTemplate: (template, kind) =>
    `The template “${template}” accepts ${kind === "video" ? "videos" : "images"} only.`,

  /** The dialog's title. @param {Aggregate} aggregate @returns {string} */
  dialogTitle({ total, active, completed, failed }) {
    if (total === 0) return "Uploads";
    if (active) return `Uploading ${format.number(total - active + 1)} of ${format.number(total)}`;
    return failed ? `${format.number(completed)} of ${uploads(total)} completed` : `${uploads(total)} completed`;
  },

  /** The progress of all uploads. @param {Aggregate} aggregate @returns {string} */
  summary({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) {
      return `${format.number(total - active)} of ${format.number(total)} finished, ${format.percent(progress)}`;
    }
    if (total === 1) return failed ? "Failed" : "Finished";
    return `All ${format.number(total)} finished${failed ? `, ${format.number(failed)} failed` : ""}`;
  },

  /** @param {string} percent */
  smaller: (percent) => `${percent} smaller`,

  /** @param {string} percent */
  larger: (percent) => `${percent} larger`,

  sameSize: "About the same size",

  /** How much of an incomplete source file could be read. @param {string} length @param {string} declaredLength */
  incomplete: (length, declaredLength) => `The file is incomplete. Only ${length} of ${declaredLength} could be read.`,

  storedUnchanged: "The file was already small, so it was stored unchanged.",

  /** @param {string} metric @param {string} score */
  measuredQuality: (metric, score) => `${metric} ${score}, measured on samples`,

  /** @param {string} filename */
  poster: (filename) => `Poster of ${isolate(filename)}`,

  /** The label of the player or of the result image. @param {string} filename */
  compressed: (filename) => `${isolate(filename)}, compressed`,

  /** @param {string} filename */
  scenes: (filename) => `Scenes of ${isolate(filename)}`,

  /** The announcement of an upload's state to screen readers. @param {string} filename @param {string} text */
  announced: (filename, text) => `${filename}: ${text}.`,

  /** The announcement of a failure to screen readers. @param {string} filename @param {string} reason   A sentence. */
  announcedFailure: (filename, reason) => `${filename}: failed. ${reason}`,

  /** The announcement of a file that was not uploaded. @param {string} filename @param {string} reason   A sentence. */
  rejected: (filename, reason) => `${isolate(filename)}: not uploaded. ${reason}`,

  /** The texts of the demo page; those in its HTML are the same. */
  page: {
    heading: "Upload a video or an image",
    introduction:
      "Each file is compressed on the server. Its progress is shown live, from the first byte to the finished result.",
    language: "Language",

    connecting: "Connecting",
    live: "Live",
    polling: "Polling",
    pollingNote: "The live connection is not available. The progress is updated every few seconds.",
    reconnecting: "Reconnecting",
    reconnectingNote: "The connection was lost. Reconnecting… Uploads will continue automatically.",
    offline: "Offline",
    offlineNote: "You are offline. Uploads will continue automatically when you are online again.",

    token: "Access token",
    tokenHint: "This server requires authentication. The token is stored for this tab only.",
    useToken: "Use token",
    tokenNeeded: "This server requires an access token.",

    newUploads: "New uploads",
    fileTypes: "Videos, images and audio files",
    /** @param {string} limit   A size. */
    fileTypesUpTo: (limit) => `Videos, images and audio files, up to ${limit} each`,
    template: "Template",
    /** @param {string} template */
    templateForFiles: (template) => `${template}: any file, stored unchanged`,
    /** @param {string} template */
    templateForMedia: (template) => `${template}: videos and images`,
    /** @param {string} template */
    templateForVideos: (template) => `${template}: videos only`,
    /** @param {string} template */
    templateForImages: (template) => `${template}: images only`,

    steps: "Steps of the processing",
    received: "Received and checked",
    compressed: "Compressed",
    stored: "Stored",

    /** @param {number} count   Of uploads that were hidden. */
    showHidden: (count) => `Show ${format.number(count)} hidden`,
    /** @param {number} count   Of uploads. */
    noLongerStored: format.plural({
      one: "An earlier upload is no longer stored on the server.",
      other: "# earlier uploads are no longer stored on the server.",
    }),
  },
};

/** The texts of the elements in English. */
export const ENGLISH = createLocale(ENGLISH_TEXTS);
