/** Derives what a row shows from the state of an upload. */

/** @typedef {import("../sending/transfer-meter.js").Transfer} Transfer */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/errors.js").RoomcastError} RoomcastError */

/**
 * @typedef {object} UploadView
 * @property {"waiting" | "busy" | "done" | "failed" | "cancelled"} tone
 * @property {Activity} activity   Selects the icon.
 * @property {string} title
 * @property {string[]} facts      Such as the speed, the remaining time or the saved bytes.
 * @property {string} attempt
 * @property {string} problem
 * @property {Transfer | null} transfer   How far the bytes of the file are, while they are sent or received.
 */

/** @typedef {"" | "waiting" | "receiving" | "reading" | "compressing" | "storing"} Activity */

/** @type {Record<string, Activity>} */
const ACTIVITIES = {
  receiving: "receiving",
  queued: "waiting",
  fetching: "reading",
  probing: "reading",
  compressing: "compressing",
  thumbnails: "compressing",
  storing: "storing",
  cleaning: "storing",
};

/**
 * Return the view of an upload.
 *
 * @param {Upload | null} upload   Null if the file was rejected before the upload started.
 * @param {Locale} locale
 * @param {string} [rejection]     The reason of the rejection.
 * @returns {UploadView}
 */
export function viewOf(upload, locale, rejection = "") {
  if (!upload) return view("failed", locale.notUploaded, { problem: rejection });
  const { state, error } = upload;
  const saved = state?.element?.saved;
  if (state?.status === "completed") {
    return view("done", locale.completed, { facts: saved ? [locale.saved(saved.percent)] : [] });
  }
  if (state?.stage === "cancelled" || state?.stage === "deleted") return view("cancelled", locale.stage(state.stage));
  if (state?.status === "error") {
    return view("failed", locale.failed, { problem: locale.failure(state.error ?? { ...state, code: "INTERNAL" }) });
  }
  if (error) return viewOfClientError(upload, error, locale);
  const { transfer, retryAt } = upload;
  if (upload.needsFile) {
    const { percent, sent, total } = transfer ?? { percent: null, sent: 0, total: null };
    const rest =
      upload.canContinue && percent !== null && total !== null
        ? locale.continueForRest(locale.format.percent(percent), locale.bytes(total - sent))
        : locale.restMissing(locale.filename(upload), transfer);
    const problem = upload.fileUnreadable ? [locale.fileUnreadable, rest].join(" ") : rest;
    return view("waiting", locale.needsFile, { problem, transfer });
  }
  if (upload.sending === "paused") {
    return view("waiting", locale.paused, { facts: transfer ? locale.transferFacts(transfer) : [], transfer });
  }
  if (upload.sending === "interrupted" && transfer) {
    const seconds = retryAt === null || isOffline() ? null : (retryAt - Date.now()) / 1000;
    return view("waiting", locale.waitingForConnection, { facts: locale.interruptionFacts(transfer, seconds), transfer });
  }
  if (upload.sending === "waiting") return view("waiting", locale.waiting);
  if (!state) return view("waiting", upload.sending === "now" ? locale.sendingStep : locale.loading);
  const again = state.retried ? locale.startedAgain : locale.attempt(state.attempt, state);
  const attempt = state.attempt > 1 ? again : "";
  const tone = state.stage === "queued" ? "waiting" : "busy";
  const activity = ACTIVITIES[state.stage] ?? "";
  const facts = transfer ? locale.transferFacts(transfer) : locale.progressFacts(state);
  const sendsNow = upload.sending === "now" && state.stage === "receiving";
  const title = state.paused ? locale.pausedByAdmin : sendsNow ? locale.sendingStep : locale.stage(state.stage);
  return view(tone, title, { facts, attempt, activity, transfer });
}

/** @typedef {"pause" | "resume" | "cancel" | "retry" | "choose" | "delete" | "dismiss"} Action */

/** Return the actions that are possible now. @param {Upload | null} upload @returns {Set<Action>} */
export function actionsOf(upload) {
  if (!upload) return new Set(["dismiss"]);
  const { id, error, state, sending, needsFile, pausable } = upload;
  const settled = isSettled(upload);
  const failure = state?.status === "error" ? state.error : error;
  const active = !settled && (state !== null || sending !== "no") && error?.retryable !== false;
  /** @type {[Action, boolean][]} */
  const actions = [
    ["pause", pausable],
    ["resume", sending === "paused"],
    ["cancel", active && (id !== null || !error)],
    ["retry", Boolean(failure?.retryable) && !needsFile],
    ["choose", needsFile],
    ["delete", settled && state !== null && state.stage !== "deleted"],
    ["dismiss", settled],
  ];
  return new Set(actions.filter(([, possible]) => possible).map(([action]) => action));
}

/**
 * Return whether the upload is terminal, or failed or was rejected before the server knew it.
 *
 * @param {Upload | null} upload
 */
export function isSettled(upload) {
  if (!upload) return true;
  const { id, state, error } = upload;
  if (state) return state.status === "completed" || state.status === "error";
  return error !== null && id === null;
}

/**
 * Return how the upload ended, or null while it is active or has an error that may pass.
 *
 * @param {Upload} upload
 * @returns {"completed" | "error" | "cancelled" | "deleted" | null}
 */
export function outcomeOf({ id, state, error }) {
  if (state?.status === "completed") return "completed";
  if (state?.stage === "cancelled" || state?.stage === "deleted") return state.stage;
  if (state?.status === "error") return "error";
  if (!error || error.code === "UNAUTHENTICATED" || (id !== null && error.retryable)) return null;
  if (error.code === "DELETED") return "deleted";
  return error.code === "CANCELLED" ? "cancelled" : "error";
}

/** @param {Upload} upload @param {RoomcastError} error @param {Locale} locale */
function viewOfClientError({ state }, error, locale) {
  if (error.code === "CANCELLED") return view("cancelled", locale.cancelled);
  if (error.code === "DELETED") return view("cancelled", locale.stage("deleted"));
  if (error.code === "UNAUTHENTICATED") {
    return view("waiting", error.tokenRefused ? locale.tokenRefused : locale.needsToken);
  }
  const title = state ? locale.interrupted : locale.notUploaded;
  return view("failed", error.code === "NETWORK" ? title : locale.failed, { problem: locale.error(error) });
}

/** @param {UploadView["tone"]} tone @param {string} title @param {Partial<UploadView>} [more] @returns {UploadView} */
function view(tone, title, more = {}) {
  return { tone, activity: tone === "waiting" ? "waiting" : "", title, facts: [], attempt: "", problem: "", transfer: null, ...more };
}

/** Return whether the browser knows that it has no network. */
function isOffline() {
  return globalThis.navigator?.onLine === false;
}
