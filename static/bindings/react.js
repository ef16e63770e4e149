"use client";
/**
 * Roomcast for React.
 *
 * ```jsx
 * <RoomcastProvider url="https://media.example">
 *   <Uploads />
 * </RoomcastProvider>
 *
 * function Uploads() {
 *   const { uploads, send } = useUploads();
 *   return (
 *     <>
 *       <input type="file" multiple onChange={(event) => send(event.target.files)} />
 *       {uploads.map(({ upload, file, progress }) => <progress key={upload.id ?? file.name} value={progress} max="100" />)}
 *     </>
 *   );
 * }
 * ```
 *
 * On a server, and in the first rendering in the browser, there is no connection and there are no uploads.
 */

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";

import { connect } from "../client/connection.js";
import { leaveShared, watchShared } from "../client/shared-watch.js";
import { NO_UPLOAD, NO_UPLOADS, sendFiles, snapshotOf, subscribe, uploadsSnapshotOf } from "./snapshots.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("./snapshots.js").UploadOptions} UploadOptions */
/** @typedef {import("./snapshots.js").UploadSnapshot} UploadSnapshot */
/** @typedef {import("./snapshots.js").UploadsSnapshot} UploadsSnapshot */

/**
 * @typedef {object} UploadActions
 * @property {(file: File, options?: UploadOptions) => Upload} send   Starts an upload, which the hook then follows.
 * @property {() => void} pause
 * @property {() => void} resume
 * @property {() => Promise<void>} cancel   Resolves when the work has stopped.
 * @property {() => Promise<void>} retry
 */

/** Undefined outside of a provider; null until its connection is made. */
const Context = createContext(/** @type {Roomcast | null | undefined} */ (undefined));

/**
 * Provide a connection to the hooks below it: a new one, which is closed when the provider is unmounted, or `roomcast`.
 *
 * @param {object} props
 * @param {string | URL} [props.url]   The server; by default the page's origin. See `connect`.
 * @param {string} [props.token]       A new value reconnects as that viewer.
 * @param {Function} [props.io]
 * @param {object} [props.tus]
 * @param {Roomcast} [props.roomcast]
 * @param {import("react").ReactNode} [props.children]
 */
export function RoomcastProvider({ url, token, io, tus, roomcast, children }) {
  const [own, setOwn] = useState(/** @type {Roomcast | null} */ (null));
  const server = url?.toString();
  useEffect(() => {
    if (roomcast) return undefined;
    const created = connect({ url: server, token, io, tus });
    setOwn(created);
    return () => {
      setOwn(null);
      created.close();
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the token is set below, without a new connection
  }, [roomcast, server, io, tus]);
  useEffect(() => {
    if (own && own.token !== token) own.token = token;
  }, [own, token]);
  return createElement(Context.Provider, { value: roomcast ?? own }, children);
}

/** Return the provider's connection; null on a server and in the first rendering. @returns {Roomcast | null} */
export function useRoomcast() {
  const roomcast = useContext(Context);
  if (roomcast === undefined) throw new Error("This component has to be inside a <RoomcastProvider>.");
  return roomcast;
}

/**
 * Return all uploads of the connection, their aggregate, the state of the connection, and `send`.
 *
 * @returns {UploadsSnapshot & {send: (files: Iterable<File>, options?: UploadOptions) => Upload[]}}
 */
export function useUploads() {
  const roomcast = useRoomcast();
  const listen = useCallback((/** @type {() => void} */ listener) => subscribe(roomcast, listener), [roomcast]);
  const snapshot = useSyncExternalStore(listen, () => uploadsSnapshotOf(roomcast), () => NO_UPLOADS);
  const send = useCallback(
    (/** @type {Iterable<File>} */ files, /** @type {UploadOptions | undefined} */ options = undefined) =>
      sendFiles(roomcast, files, options),
    [roomcast],
  );
  return useMemo(() => ({ ...snapshot, send }), [snapshot, send]);
}

/**
 * Return one upload and what can be done with it.
 *
 * @param {string | Upload | null} [target]   An id, which is watched while the component is mounted; or an `Upload`;
 *   without one, the upload that `send` starts.
 * @returns {UploadSnapshot & UploadActions}
 */
export function useUpload(target) {
  const roomcast = useRoomcast();
  const [started, setStarted] = useState(/** @type {Upload | null} */ (null));
  const watched = useWatched(roomcast, typeof target === "string" ? target : null);
  const upload = typeof target === "string" ? watched : (target ?? started);
  const listen = useCallback((/** @type {() => void} */ listener) => subscribe(upload, listener), [upload]);
  const snapshot = useSyncExternalStore(listen, () => snapshotOf(upload), () => NO_UPLOAD);
  const actions = useMemo(
    () => ({
      send: (/** @type {File} */ file, /** @type {UploadOptions | undefined} */ options = undefined) => {
        const [sent] = sendFiles(roomcast, [file], options);
        setStarted(sent);
        return sent;
      },
      pause: () => upload?.pause(),
      resume: () => upload?.resume(),
      cancel: async () => upload?.cancel(),
      retry: async () => upload?.retry(),
    }),
    [roomcast, upload],
  );
  return useMemo(() => ({ ...snapshot, ...actions }), [snapshot, actions]);
}

/** @param {Roomcast | null} roomcast @param {string | null} uploadId @returns {Upload | null} */
function useWatched(roomcast, uploadId) {
  const [watched, setWatched] = useState(/** @type {Upload | null} */ (null));
  useEffect(() => {
    if (!roomcast || !uploadId) return undefined;
    const upload = watchShared(roomcast, uploadId);
    setWatched(upload);
    return () => {
      setWatched(null);
      leaveShared(upload);
    };
  }, [roomcast, uploadId]);
  return watched;
}
