/**
 * Stores handles of the files that are being sent, so that they need not be chosen again after a reload. Only
 * Chromium has handles that can be stored; elsewhere, nothing is stored and nothing is found.
 */

/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {EventTarget & {id: string | null, state: Message | null, error: object | null}} SentUpload */

/**
 * @typedef {FileSystemFileHandle & {
 *   queryPermission?: (descriptor: {mode: "read"}) => Promise<PermissionState>,
 *   requestPermission?: (descriptor: {mode: "read"}) => Promise<PermissionState>,
 * }} StoredHandle
 */

const DATABASE = "roomcast";
const STORE = "files";
const READ = { mode: /** @type {const} */ ("read") };

/**
 * Store the handle of an upload's file until the server has all bytes. Never rejects.
 *
 * @param {SentUpload} upload   With or without an id yet.
 * @param {FileSystemFileHandle | null | undefined} handle   None: nothing is stored.
 * @returns {Promise<void>}
 */
export async function rememberHandle(upload, handle) {
  if (!handle) return;
  let stored = false;
  const update = () => {
    const { id, state, error } = upload;
    const needed = (!state || state.stage === "receiving") && !(error && id === null);
    if (id !== null && needed && !stored) {
      stored = true;
      void withStore("readwrite", (store) => store.put(handle, id));
    }
    if (needed || !state) return;
    upload.removeEventListener("change", update);
    if (id !== null) void forgetHandle(id);
  };
  upload.addEventListener("change", update);
  update();
}

/** Return the handle of an upload's file, or null. Never rejects. @param {string} uploadId
 * @returns {Promise<StoredHandle | null>} */
export async function handleOf(uploadId) {
  return (await withStore("readonly", (store) => store.get(uploadId))) ?? null;
}

/** Delete the handle of an upload's file. Never rejects. @param {string} uploadId @returns {Promise<void>} */
export async function forgetHandle(uploadId) {
  await withStore("readwrite", (store) => store.delete(uploadId));
}

/**
 * Return the file of a handle, or null if there is none, or it may not be read or is gone. Never rejects.
 *
 * @param {StoredHandle | null} handle
 * @param {{ask: boolean}} options   Whether the person is asked for permission, which needs a click.
 * @returns {Promise<File | null>}
 */
export async function fileOf(handle, { ask }) {
  if (handle === null) return null;
  try {
    const permission = ask ? await handle.requestPermission?.(READ) : await handle.queryPermission?.(READ);
    return permission === undefined || permission === "granted" ? await handle.getFile() : null;
  } catch {
    return null;
  }
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} work
 * @returns {Promise<any>} undefined where the browser stores nothing
 */
async function withStore(mode, work) {
  if (!("indexedDB" in globalThis)) return undefined;
  try {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => void opening.result.createObjectStore(STORE);
    const database = await resultOf(opening);
    try {
      return await resultOf(work(database.transaction(STORE, mode).objectStore(STORE)));
    } finally {
      database.close();
    }
  } catch {
    return undefined; // storage is blocked, or the handle cannot be stored
  }
}

/** @param {IDBRequest} request @returns {Promise<any>} */
function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
