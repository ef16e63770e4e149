/** What there is to see of an upload, whatever it comes from. Pure. */

/** @typedef {import("./list-words.js").Words} Words */
/** @typedef {import("./roomcast.js").RoomcastError} RoomcastError */
/** @typedef {import("./roomcast.js").Upload} Upload */

/**
 * @typedef {object} Face
 * @property {"waiting" | "busy" | "done" | "failed" | "cancelled"} tone
 * @property {Activity} activity   What its icon shows.
 * @property {string} title
 * @property {string[]} facts    how fast, how long, how large
 * @property {string} attempt
 * @property {string} problem
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
 * @param {Upload | null} upload   Null when its file was refused.
 * @param {Words} words
 * @param {string} [refusal]
 * @returns {Face}
 */
export function faceOf(upload, words, refusal = "") {
  if (!upload) return face("failed", words.notSent, { problem: refusal });
  const { state, error } = upload;
  const saved = state?.element?.saved;
  const facts = saved ? [words.saved(saved.percent)] : [];
  if (state?.status === "completed") return face("done", words.completed, { facts });
  if (state?.stage === "cancelled") return face("cancelled", words.cancelled);
  if (state?.status === "error") {
    return face("failed", words.failed, { problem: words.problem(state.error ?? { ...state, code: "INTERNAL" }) });
  }
  if (error) return stuckFace(upload, error, words);
  if (upload.needsFile) return face("waiting", words.needsFile, { problem: words.missing(words.filename(upload)) });
  if (upload.sending === "paused") return face("waiting", words.paused, { facts: state ? words.pace(state) : [] });
  if (upload.sending === "waiting") return face("waiting", words.waiting);
  if (!state) return face("waiting", upload.sending === "now" ? words.stage("receiving") : words.lookingUp);
  const attempt = state.attempt > 1 ? words.attempt(state.attempt, state) : "";
  const tone = state.stage === "queued" ? "waiting" : "busy";
  const activity = ACTIVITIES[state.stage] ?? "";
  return face(tone, words.stage(state.stage), { facts: words.pace(state), attempt, activity });
}

/** What can be done about it. @param {Upload | null} upload @returns {Set<Action>} */
export function actionsOf(upload) {
  if (!upload) return new Set(["dismiss"]);
  const { id, error, state, sending, needsFile, pausable } = upload;
  const ended = hasEnded(upload);
  const failure = state?.status === "error" ? state.error : error;
  const going = !ended && (state !== null || sending !== "no") && error?.retryable !== false;
  /** @type {[Action, boolean][]} */
  const offered = [
    ["pause", pausable],
    ["resume", sending === "paused"],
    ["cancel", going && (id !== null || !error)],
    ["retry", Boolean(failure?.retryable) && !needsFile],
    ["choose", needsFile],
    ["dismiss", ended],
  ];
  return new Set(offered.filter(([, shown]) => shown).map(([action]) => action));
}

/** @typedef {"pause" | "resume" | "cancel" | "retry" | "choose" | "dismiss"} Action */

/** Whether nothing more will happen by itself. @param {Upload | null} upload */
export function hasEnded(upload) {
  if (!upload) return true;
  const { id, state, error } = upload;
  if (state) return state.status === "completed" || state.status === "error";
  return error !== null && id === null;
}

/**
 * How it ended; null while it has not, or while what it ran into may pass.
 *
 * @param {Upload} upload
 * @returns {"completed" | "error" | "cancelled" | null}
 */
export function outcomeOf({ id, state, error }) {
  if (state?.status === "completed") return "completed";
  if (state?.status === "error") return state.stage === "cancelled" ? "cancelled" : "error";
  if (!error || error.code === "UNAUTHENTICATED" || (id !== null && error.retryable)) return null;
  return error.code === "CANCELLED" ? "cancelled" : "error";
}

/** @param {Upload} upload @param {RoomcastError} error @param {Words} words */
function stuckFace({ state }, error, words) {
  if (error.code === "CANCELLED") return face("cancelled", words.cancelled);
  if (error.code === "UNAUTHENTICATED") return face("waiting", words.needsToken);
  const title = state ? words.stopped : words.notSent;
  return face("failed", error.code === "NETWORK" ? title : words.failed, { problem: words.problem(error) });
}

/** @param {Face["tone"]} tone @param {string} title @param {Partial<Face>} [more] @returns {Face} */
function face(tone, title, { activity = tone === "waiting" ? "waiting" : "", facts = [], attempt = "", problem = "" } = {}) {
  return { tone, activity, title, facts, attempt, problem };
}
