/** Immutable copies of uploads and connections, as the components of frameworks need them. */

/** @typedef {import("../client/aggregate.js").Aggregate} Aggregate */
/** @typedef {import("../sending/transfer-meter.js").Transfer} Transfer */
/** @typedef {import("../client/connection.js").ConnectionState} ConnectionState */
/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../protocol/errors.js").RoomcastError} RoomcastError */
/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../protocol/messages.js").Playable} Playable */
/** @typedef {import("../protocol/messages.js").Status} Status */

/**
 * @typedef {object} UploadSnapshot
 * @property {Upload | null} upload          Null while there is none.
 * @property {string | null} id
 * @property {File | null} file
 * @property {Message | null} state          The latest message.
 * @property {Status | null} status          That of `state`.
 * @property {number} progress               That of `state`: 0–100, overall.
 * @property {Playable | null} playable      That of `state`: what can be played before the end.
 * @property {RoomcastError | null} error    An error of this client; errors of the processing are in `state.error`.
 * @property {"no" | "waiting" | "now" | "interrupted" | "paused"} sending
 * @property {Transfer | null} transfer      How far the bytes of the file are, while they are sent or received.
 * @property {boolean} needsFile
 * @property {boolean} pausable
 *
 * @typedef {object} UploadsSnapshot
 * @property {readonly UploadSnapshot[]} uploads   Oldest first.
 * @property {Aggregate} aggregate
 * @property {ConnectionState} connection
 */

/** @type {UploadSnapshot} */
export const NO_UPLOAD = Object.freeze({
  upload: null,
  id: null,
  file: null,
  state: null,
  status: null,
  progress: 0,
  playable: null,
  error: null,
  sending: "no",
  transfer: null,
  needsFile: false,
  pausable: false,
});

/** @type {UploadsSnapshot} */
export const NO_UPLOADS = Object.freeze({
  uploads: [],
  aggregate: {
    total: 0,
    active: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    progress: 0,
    bytesReceived: 0,
    bytesExpected: 0,
    eta: null,
    status: null,
  },
  connection: "reconnecting",
});

/** @type {WeakMap<Upload, UploadSnapshot>} */ const uploadSnapshots = new WeakMap();
/** @type {WeakMap<Roomcast, UploadsSnapshot>} */ const uploadsSnapshots = new WeakMap();

/** Return a copy of the upload; the same one as before if nothing has changed. @param {Upload | null} upload */
export function snapshotOf(upload) {
  if (!upload) return NO_UPLOAD;
  const { id, file, state, error, sending, transfer, needsFile, pausable } = upload;
  const progress = state?.progress ?? 0;
  const status = state?.status ?? null;
  const playable = state?.playable ?? null;
  const snapshot = { upload, id, file, state, status, progress, playable, error, sending, transfer, needsFile, pausable };
  return unlessEqual(uploadSnapshots, upload, Object.freeze(snapshot));
}

/** Return a copy of the connection and its uploads; the same one if nothing has changed.
 * @param {Roomcast | null} roomcast */
export function uploadsSnapshotOf(roomcast) {
  if (!roomcast) return NO_UPLOADS;
  const before = uploadsSnapshots.get(roomcast)?.uploads ?? [];
  const now = roomcast.uploads.map(snapshotOf);
  const equal = now.length === before.length && now.every((snapshot, index) => snapshot === before[index]);
  const snapshot = { uploads: equal ? before : now, aggregate: roomcast.aggregate, connection: roomcast.state };
  return unlessEqual(uploadsSnapshots, roomcast, Object.freeze(snapshot));
}

/**
 * Call `listener` after every change. Returns the call that ends it.
 *
 * @param {Upload | Roomcast | null} source @param {() => void} listener @returns {() => void}
 */
export function subscribe(source, listener) {
  const events = ["change", "statechange"];
  for (const event of events) source?.addEventListener(event, listener);
  return () => {
    for (const event of events) source?.removeEventListener(event, listener);
  };
}

/** Start uploads. @param {Roomcast | null} roomcast @param {Iterable<File>} files @param {UploadOptions} [options] */
export function sendFiles(roomcast, files, options) {
  if (!roomcast) throw new Error("There is no connection yet. Send files in an event handler.");
  return [...files].map((file) => roomcast.upload(file, options));
}

/** @typedef {NonNullable<Parameters<Roomcast["upload"]>[1]>} UploadOptions */

/**
 * Store and return a snapshot, or return the stored one if it has the same values.
 *
 * @template {object} K
 * @template {object} V
 * @param {WeakMap<K, V>} stored @param {K} source @param {V} snapshot @returns {V}
 */
function unlessEqual(stored, source, snapshot) {
  const before = stored.get(source);
  const names = /** @type {(keyof V)[]} */ (Object.keys(snapshot));
  if (before && names.every((name) => before[name] === snapshot[name])) return before;
  stored.set(source, snapshot);
  return snapshot;
}
