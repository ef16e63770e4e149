/** The English texts of the elements and of the demo page. Pure. */

import { createLocale } from "./create-locale.js";
import { Formats } from "./format.js";

/** @typedef {import("../client/aggregate.js").Aggregate} Aggregate */
/** @typedef {import("../protocol/messages.js").Stage} Stage */
/** @typedef {import("./create-locale.js").Locale} Locale */
/** @typedef {typeof EN_TEXTS} Texts   What every language has, but the texts that are composed of them. */

const format = new Formats("en", { symbols: { second: "s", minute: "min", hour: "h" } });
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# upload", other: "# uploads" });
const hiddenFiles = format.plural({ one: "# hidden file was skipped", other: "# hidden files were skipped" });
const otherFiles = format.plural({
  one: "# file that is not a video, an image or an audio file was skipped",
  other: "# files that are not videos, images or audio files were skipped",
});
const dropToSend = format.plural({ one: "Drop to send # file", other: "Drop to send # files" });

export const EN_TEXTS = {
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
  hideResult: "Hide result",
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
  pausedByAdmin: "Paused by an administrator",
  waiting: "Waiting to be sent",
  loading: "Loading",
  needsToken: "Waiting for an access token",
  tokenRefused: "The access token is not valid",
  needsFile: "File needed",

  dropFiles: "Drop files here",
  or: "or",
  chooseFiles: "Choose files",
  emptyFile: "The file is empty.",
  notAccepted: "Files of this type are not accepted here.",
  notMedia: "The file is not a video, an image or an audio file.",

  original: "Original",
  result: "Result",
  downloads: "Downloads",
  openResult: "Open",
  copyLink: "Copy link",
  copyEmbedCode: "Copy embed code",
  linkCopied: "The link was copied. It is valid until the upload is deleted.",
  embedCodeCopied: "The embed code was copied.",
  copyYourself: "The browser does not allow copying. The text is selected: copy it yourself.",
  noLastingLink: "An embed code needs a lasting link, which cannot be created here.",

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

  /** @param {string} percent   Of the file. */
  percentSent: (percent) => `${percent} sent`,

  waitingForConnection: "Waiting for the connection",

  /** @param {string} amount   What the server has of a file while sending is interrupted. */
  kept: (amount) => `${amount} kept`,

  /** @param {string} time */
  retryIn: (time) => `trying again in ${time}`,

  /** Offers to read the file again that was being sent before a reload. */
  continueSending: "Continue",

  /** Beside `continueSending`. @param {string} percent @param {string} rest   A size. */
  continueForRest: (percent, rest) => `${percent} has arrived. Continue to send the last ${rest}.`,

  /** @param {string} percent @param {string} filename @param {string} rest   A size. */
  chooseForRest: (percent, filename, rest) =>
    `${percent} has arrived. Choose ${isolate(filename)} again to send the last ${rest}.`,

  /** The numbers of rows, by what they do. */
  rowCounts: {
    sending: format.plural({ other: "# sending" }),
    compressing: format.plural({ other: "# compressing" }),
    storing: format.plural({ other: "# storing" }),
    waiting: format.plural({ other: "# waiting" }),
    needsAction: format.plural({ one: "# needs its file", other: "# need their file" }),
    done: format.plural({ other: "# done" }),
    failed: format.plural({ other: "# failed" }),
    cancelled: format.plural({ other: "# cancelled" }),
  },

  /** Instead of the number of the attempt, when a person has started the upload over. */
  startedAgain: "Started again",

  /** What helps after an error, by its code. @type {Record<string, string>} */
  advice: {
    UNSUPPORTED_TYPE: "It may be damaged, or its format is unknown here. Try to save it as MP4 or JPEG.",
    UNREADABLE_MEDIA: "It may be damaged or incomplete. Check whether it plays on your device, and try to save it as MP4 or JPEG.",
    TRANSCODE_ERROR: "Try it again, or save the file as MP4 or JPEG first.",
    TOO_LARGE: "Choose a smaller file, or compress it before.",
    STORAGE_ERROR: "Your file is not the cause. Try it again in a few minutes.",
    DISK_FULL: "Your file is not the cause. Try it again later.",
    TIMEOUT: "Try it again, or with a shorter file.",
    STALLED: "Try it again.",
    WORKER_LOST: "Your file is not the cause. Try it again.",
    SOURCE_GONE: "Send the file again.",
    INTERNAL: "If it happens again, send the upload’s ID to the operator.",
  },

  /** @param {number} attempt */
  attemptNumber: (attempt) => `Attempt ${format.number(attempt)}`,

  /** @param {string} text   A title. */
  asSentence: (text) => `${text}.`,

  fileUnreadable: "The file was changed, moved or deleted while it was sent.",

  /** @param {string} filename */
  fileMissing: (filename) =>
    `The server does not have the complete file. Choose ${isolate(filename)} again to continue.`,

  /** Shown while a cancellation of several uploads can be undone. @param {number} count */
  cancellingSoon: format.plural({
    one: "The upload is about to be cancelled.",
    other: "# uploads are about to be cancelled.",
  }),

  /** Shown while a deletion can be undone. @param {string} filename */
  deletingSoon: (filename) => `${isolate(filename)} and its results are about to be deleted.`,

  /** @param {number} size   The size of the expected file in bytes. */
  wrongFile: (size) => `This is a different file. The size of the expected file is ${bytes(size)}.`,

  /** @param {number} size @param {number} limit   In bytes. */
  tooLarge: (size, limit) => `The file has ${bytes(size)}. The limit is ${format.limit(limit)}.`,

  /** @param {number} seconds @param {number} limit   In seconds. */
  tooLong: (seconds, limit) => `The file lasts ${format.clock(seconds)}. The limit is ${format.clock(limit)}.`,

  /** @param {number} pixels @param {number} limit */
  tooManyPixels: (pixels, limit) =>
    `The image has ${format.number(pixels / 1e6)} megapixels. The limit is ${format.number(limit / 1e6)}.`,

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

  /** What of a damaged source file could not be decoded. @param {string} times   Such as 0:40–0:48. */
  undecodable: (times) => `The file is damaged. These times could not be read: ${times}.`,

  /** How much of an incomplete source file could be read. @param {string} length @param {string} declaredLength */
  incomplete: (length, declaredLength) => `The file is incomplete. Only ${length} of ${declaredLength} could be read.`,

  /** @param {string} moment */
  linkCopiedUntil: (moment) => `The link was copied. It is valid until ${moment}.`,

  /** @param {string} moment */
  validUntil: (moment) => `The links to the files are valid until ${moment}.`,

  storedUnchanged: "The file was already small, so it was stored unchanged.",

  /** @param {string} metric @param {string} score */
  measuredQuality: (metric, score) => `${metric} ${score}, measured on samples`,

  /** @param {string} filename */
  poster: (filename) => `Poster of ${isolate(filename)}`,

  /** The label of the player or of the result image. @param {string} filename */
  compressed: (filename) => `${isolate(filename)}, compressed`,

  watch: "Play",
  closePlayer: "Close the player",
  quality: "Quality",
  automatic: "Automatic",

  /** The automatic choice, and what it has chosen. @param {string} quality   Such as 720p. */
  automaticQuality: (quality) => `Automatic (${quality})`,

  /** Below the player of a film that is still being compressed. */
  filmGrows: "You can watch what is compressed so far.",
  filmWaits: "Waiting for the next seconds of the film.",
  filmComplete: "The film is complete.",
  filmUnplayable: "The film cannot be played at the moment. Close the player and try it again, or wait until the film is complete.",
  filmCancelled: "The upload was cancelled, so the film ends here.",
  filmFailed: "The compression has failed, so the film ends here.",

  /** The announcement of a further quality to screen readers. @param {string} quality */
  qualityReady: (quality) => `${quality} can be chosen now.`,

  /** @param {string} filename */
  scenes: (filename) => `Scenes of ${isolate(filename)}`,

  /** The announcement of an upload's state to screen readers. @param {string} filename @param {string} text */
  announced: (filename, text) => `${filename}: ${text}.`,

  /** The announcement of a failure to screen readers. @param {string} filename @param {string} reason   A sentence. */
  announcedFailure: (filename, reason) => `${filename}: failed. ${reason}`,

  /** The announcement of a file that was not uploaded. @param {string} filename @param {string} reason   A sentence. */
  rejected: (filename, reason) => `${isolate(filename)}: not uploaded. ${reason}`,

  /** The texts of the places where files are given. */
  intake: {
    chooseFolder: "Choose a folder",
    takePhoto: "Take a photo",
    recordVideo: "Record a video",
    skip: "Skip",
    sendAgain: "Send again",
    /** The name of a picture from the clipboard, without its suffix. @param {string} time   Such as 2026-11-28 14.05.33. */
    pastedPicture: (time) => `Pasted picture ${time}`,

    /** The question before a file is sent that is in the list. @param {string} filename */
    sendAgainQuestion: (filename) => `${isolate(filename)} is already in the list. Send it again?`,

    /** The question before several such files are sent. @param {number} count   At least two. */
    sendSeveralAgainQuestion: format.plural({ other: "# files are already in the list. Send them again?" }),

    /** @param {number} count @param {string} names */
    hiddenFilesSkipped: (count, names) => `${hiddenFiles(count)}: ${names}.`,

    /** Files in a folder of another type. @param {number} count @param {string} names */
    otherFilesSkipped: (count, names) => `${otherFiles(count)}: ${names}.`,

    /** At the end of a list of names. @param {number} count */
    moreNames: (count) => `${format.number(count)} more`,

    /** @param {string} folder */
    emptyFolder: (folder) => `The folder ${isolate(folder)} has no files.`,

    /** @param {string} folder @param {number} limit */
    folderTooLarge: (folder, limit) =>
      `The folder ${isolate(folder)} has more than ${format.number(limit)} files, so none of them was sent. Send fewer at a time.`,

    /** @param {string} folder @param {number} limit */
    folderTooDeep: (folder, limit) =>
      `The folder ${isolate(folder)} lies more than ${format.number(limit)} folders deep and was skipped.`,

    /** @param {string} name   Of a file or a folder. */
    unreadable: (name) => `${isolate(name)} could not be read.`,

    /** What is shown while files are dragged over the page. @param {number} count   Of files; zero if it is unknown. */
    dropToSend: (count) => (count > 0 ? dropToSend(count) : "Drop to send"),

    /** What is accepted. @param {string} formats   Names of formats. @param {string} limit   A size. */
    accepted: (formats, limit) => `${formats} and more · up to ${limit} each`,

    /** What is accepted where every format is. @param {string} limit   A size. */
    acceptedUpTo: (limit) => `Any file of up to ${limit}`,
  },

  /** The texts of the demo page; those in its HTML are the same. */
  page: {
    heading: "Upload a video or an image",
    introduction:
      "Each file is compressed on the server. Its progress is shown live, from the first byte to the finished result.",
    language: "Language",
    reference: "API reference",
    admin: "Admin page",

    connecting: "Connecting",
    live: "Live",
    polling: "Polling",
    tokenMissing: "Token needed",
    tokenMissingNote: "This server needs an access token. Enter it below to continue.",
    tokenRefused: "Token refused",
    tokenRefusedNote: "The access token is not valid. Check it, or ask for a new one.",
    pollingNote: "The live connection is not available. The progress is updated every few seconds.",
    reconnecting: "Reconnecting",
    reconnectingNote: "The connection was lost. Reconnecting… Uploads will continue automatically.",
    offline: "Offline",
    offlineNote: "You are offline. Uploads will continue automatically when you are online again.",

    token: "Access token",
    tokenHint: "The token is stored for this tab only.",
    useToken: "Use token",

    newUploads: "New uploads",
    fileTypes: "Videos, images and audio files",
    template: "What is it for?",

    /** The title of a template, with what it accepts. @param {{title: string, kind: string}} template */
    templateTitle: ({ title, kind }) =>
      ({ video: `${title} (videos only)`, image: `${title} (images only)`, file: `${title} (any file, stored unchanged)` })[kind] ??
      title,

    /** The titles of built-in templates, by their name. @type {Record<string, string>} */
    builtInTemplates: { auto: "Videos, images and audio files", "hero-video": "Video", image: "Image" },

    notifyMe: "Notify me when done",
    notificationsOn: "You will be notified when the uploads have ended.",
    notificationsBlocked: "This browser blocks notifications of this page. Allow them in the settings of the browser.",

    /** The page's title while uploads are active. @param {string} percent */
    titleActive: (percent) => `${percent} · Roomcast`,

    /** The page's title when uploads have ended. @param {string} result   Such as “3 done”. */
    titleEnded: (result) => `${result} · Roomcast`,

    /** @param {number} count   Of uploads. */
    done: format.plural({ other: "# done" }),

    /** @param {number} count   Of uploads. */
    failed: format.plural({ other: "# failed" }),


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
export const en = createLocale(EN_TEXTS);
