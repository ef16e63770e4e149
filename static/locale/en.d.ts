/** The English texts of the elements and of the demo page. Pure. */
import { Formats } from "./format.js";
export type Aggregate = import("../client/aggregate.js").Aggregate;
export type Stage = import("../protocol/messages.js").Stage;
export type Locale = import("./create-locale.js").Locale;
export type Texts = typeof EN_TEXTS;
export declare const EN_TEXTS: {
    /** The language's tag, for the `lang` attribute. */
    language: string;
    /** @type {"ltr" | "rtl"} */ direction: "ltr" | "rtl";
    /** How numbers, sizes and times are written. */
    format: Formats;
    heading: string;
    untitled: string;
    cancel: string;
    cancelling: string;
    cancelAll: string;
    pause: string;
    resume: string;
    retry: string;
    choose: string;
    delete: string;
    deleting: string;
    dismiss: string;
    copyId: string;
    copied: string;
    hideFinished: string;
    collapse: string;
    expand: string;
    close: string;
    showFewer: string;
    pauseAll: string;
    resumeAll: string;
    retryFailed: string;
    undo: string;
    download: string;
    showResult: string;
    hideResult: string;
    sendingStep: string;
    compressingStep: string;
    storingStep: string;
    overallProgress: string;
    reconnecting: string;
    uploadsContinue: string;
    notUploaded: string;
    interrupted: string;
    failed: string;
    completed: string;
    cancelled: string;
    paused: string;
    pausedByAdmin: string;
    waiting: string;
    loading: string;
    needsToken: string;
    tokenRefused: string;
    needsFile: string;
    dropFiles: string;
    or: string;
    chooseFiles: string;
    emptyFile: string;
    notAccepted: string;
    notMedia: string;
    original: string;
    result: string;
    downloads: string;
    openResult: string;
    copyLink: string;
    copyEmbedCode: string;
    linkCopied: string;
    embedCodeCopied: string;
    copyYourself: string;
    noLastingLink: string;
    /** Between the parts of a sentence. */
    comma: string;
    /** The titles of the stages. @type {Record<Stage, string>} */
    stages: Record<Stage, string>;
    /** What the outputs are. @type {Record<string, string>} */
    outputKinds: Record<string, string>;
    /** The sentences for errors, by their code. English has none, because those of the server and the client are English.
     * @type {Record<string, string>} */
    errors: Record<string, string>;
    /** A title as it is written inside of a sentence. @param {string} title */
    insideSentence: (title: string) => string;
    /** @param {string} amount @param {string} total   Sizes or times. */
    ofTotal: (amount: string, total: string) => string;
    /** @param {number} count   Of hidden rows. */
    showMore: (count: number) => string;
    secondLeft: string;
    /** @param {string} time */
    timeLeft: (time: string) => string;
    /** @param {number} position   1 is next. */
    queuePosition: (position: number) => string;
    /** @param {string} speed   Relative to real time. */
    compressionSpeed: (speed: string) => string;
    /** @param {string} count */
    framesPerSecond: (count: string) => string;
    /** @param {string} size   Of the result. */
    expectedSize: (size: string) => string;
    /** @param {string} time   Of the compression. */
    expectedTime: (time: string) => string;
    /** @param {string} percent   Of the file. */
    percentSent: (percent: string) => string;
    waitingForConnection: string;
    /** @param {string} amount   What the server has of a file while sending is interrupted. */
    kept: (amount: string) => string;
    /** @param {string} time */
    retryIn: (time: string) => string;
    /** Offers to read the file again that was being sent before a reload. */
    continueSending: string;
    /** Beside `continueSending`. @param {string} percent @param {string} rest   A size. */
    continueForRest: (percent: string, rest: string) => string;
    /** @param {string} percent @param {string} filename @param {string} rest   A size. */
    chooseForRest: (percent: string, filename: string, rest: string) => string;
    /** The numbers of rows, by what they do. */
    rowCounts: {
        sending: (count: number) => string;
        compressing: (count: number) => string;
        storing: (count: number) => string;
        waiting: (count: number) => string;
        needsAction: (count: number) => string;
        done: (count: number) => string;
        failed: (count: number) => string;
        cancelled: (count: number) => string;
    };
    /** Instead of the number of the attempt, when a person has started the upload over. */
    startedAgain: string;
    /** What helps after an error, by its code. @type {Record<string, string>} */
    advice: Record<string, string>;
    /** @param {number} attempt */
    attemptNumber: (attempt: number) => string;
    /** @param {string} text   A title. */
    asSentence: (text: string) => string;
    fileUnreadable: string;
    /** @param {string} filename */
    fileMissing: (filename: string) => string;
    /** Shown while a cancellation of several uploads can be undone. @param {number} count */
    cancellingSoon: (count: number) => string;
    /** Shown while a deletion can be undone. @param {string} filename */
    deletingSoon: (filename: string) => string;
    /** @param {number} size   The size of the expected file in bytes. */
    wrongFile: (size: number) => string;
    /** @param {number} size @param {number} limit   In bytes. */
    tooLarge: (size: number, limit: number) => string;
    /** @param {number} seconds @param {number} limit   In seconds. */
    tooLong: (seconds: number, limit: number) => string;
    /** @param {number} pixels @param {number} limit */
    tooManyPixels: (pixels: number, limit: number) => string;
    /** @param {string} template @param {string} kind   The files that the template is for: `video` or `image`. */
    wrongForTemplate: (template: string, kind: string) => string;
    /** The dialog's title. @param {Aggregate} aggregate @returns {string} */
    dialogTitle({ total, active, completed, failed }: Aggregate): string;
    /** The progress of all uploads. @param {Aggregate} aggregate @returns {string} */
    summary({ total, active, failed, progress }: Aggregate): string;
    /** @param {string} percent */
    smaller: (percent: string) => string;
    /** @param {string} percent */
    larger: (percent: string) => string;
    sameSize: string;
    /** What of a damaged source file could not be decoded. @param {string} times   Such as 0:40–0:48. */
    undecodable: (times: string) => string;
    /** How much of an incomplete source file could be read. @param {string} length @param {string} declaredLength */
    incomplete: (length: string, declaredLength: string) => string;
    /** @param {string} moment */
    linkCopiedUntil: (moment: string) => string;
    /** @param {string} moment */
    validUntil: (moment: string) => string;
    storedUnchanged: string;
    /** @param {string} metric @param {string} score */
    measuredQuality: (metric: string, score: string) => string;
    /** @param {string} filename */
    poster: (filename: string) => string;
    /** The label of the player or of the result image. @param {string} filename */
    compressed: (filename: string) => string;
    watch: string;
    closePlayer: string;
    quality: string;
    automatic: string;
    /** The automatic choice, and what it has chosen. @param {string} quality   Such as 720p. */
    automaticQuality: (quality: string) => string;
    /** Below the player of a film that is still being compressed. */
    filmGrows: string;
    filmWaits: string;
    filmComplete: string;
    filmUnplayable: string;
    filmCancelled: string;
    filmFailed: string;
    /** The announcement of a further quality to screen readers. @param {string} quality */
    qualityReady: (quality: string) => string;
    /** @param {string} filename */
    scenes: (filename: string) => string;
    /** The announcement of an upload's state to screen readers. @param {string} filename @param {string} text */
    announced: (filename: string, text: string) => string;
    /** The announcement of a failure to screen readers. @param {string} filename @param {string} reason   A sentence. */
    announcedFailure: (filename: string, reason: string) => string;
    /** The announcement of a file that was not uploaded. @param {string} filename @param {string} reason   A sentence. */
    rejected: (filename: string, reason: string) => string;
    /** The texts of the places where files are given. */
    intake: {
        chooseFolder: string;
        takePhoto: string;
        recordVideo: string;
        skip: string;
        sendAgain: string;
        /** The name of a picture from the clipboard, without its suffix. @param {string} time   Such as 2026-11-28 14.05.33. */
        pastedPicture: (time: string) => string;
        /** The question before a file is sent that is in the list. @param {string} filename */
        sendAgainQuestion: (filename: string) => string;
        /** The question before several such files are sent. @param {number} count   At least two. */
        sendSeveralAgainQuestion: (count: number) => string;
        /** @param {number} count @param {string} names */
        hiddenFilesSkipped: (count: number, names: string) => string;
        /** Files in a folder of another type. @param {number} count @param {string} names */
        otherFilesSkipped: (count: number, names: string) => string;
        /** At the end of a list of names. @param {number} count */
        moreNames: (count: number) => string;
        /** @param {string} folder */
        emptyFolder: (folder: string) => string;
        /** @param {string} folder @param {number} limit */
        folderTooLarge: (folder: string, limit: number) => string;
        /** @param {string} folder @param {number} limit */
        folderTooDeep: (folder: string, limit: number) => string;
        /** @param {string} name   Of a file or a folder. */
        unreadable: (name: string) => string;
        /** What is shown while files are dragged over the page. @param {number} count   Of files; zero if it is unknown. */
        dropToSend: (count: number) => string;
        /** What is accepted. @param {string} formats   Names of formats. @param {string} limit   A size. */
        accepted: (formats: string, limit: string) => string;
        /** What is accepted where every format is. @param {string} limit   A size. */
        acceptedUpTo: (limit: string) => string;
    };
    /** The texts of the demo page; those in its HTML are the same. */
    page: {
        heading: string;
        introduction: string;
        language: string;
        reference: string;
        admin: string;
        connecting: string;
        live: string;
        polling: string;
        tokenMissing: string;
        tokenMissingNote: string;
        tokenRefused: string;
        tokenRefusedNote: string;
        pollingNote: string;
        reconnecting: string;
        reconnectingNote: string;
        offline: string;
        offlineNote: string;
        token: string;
        tokenHint: string;
        useToken: string;
        newUploads: string;
        fileTypes: string;
        template: string;
        /** The title of a template, with what it accepts. @param {{title: string, kind: string}} template */
        templateTitle: ({ title, kind }: {
            title: string;
            kind: string;
        }) => string;
        /** The titles of built-in templates, by their name. @type {Record<string, string>} */
        builtInTemplates: Record<string, string>;
        notifyMe: string;
        notificationsOn: string;
        notificationsBlocked: string;
        /** The page's title while uploads are active. @param {string} percent */
        titleActive: (percent: string) => string;
        /** The page's title when uploads have ended. @param {string} result   Such as “3 done”. */
        titleEnded: (result: string) => string;
        /** @param {number} count   Of uploads. */
        done: (count: number) => string;
        /** @param {number} count   Of uploads. */
        failed: (count: number) => string;
        /** @param {number} count   Of uploads that were hidden. */
        showHidden: (count: number) => string;
        /** @param {number} count   Of uploads. */
        noLongerStored: (count: number) => string;
    };
};
/** The texts of the elements in English. */
export declare const en: import("./create-locale.js").Locale;
