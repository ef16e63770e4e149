/**
 * Roomcast for Vue.
 *
 * ```js
 * createApp(App).use(createRoomcast({ url: "https://media.example" })).mount("#app");
 * ```
 *
 * ```vue
 * <script setup>
 * const { uploads, send } = useUploads();
 * </script>
 * <template>
 *   <input type="file" multiple @change="send($event.target.files)">
 *   <progress v-for="{ upload, progress } in uploads" :value="progress" max="100"></progress>
 * </template>
 * ```
 *
 * On a server there is no connection and there are no uploads.
 */

import { computed, inject, markRaw, onScopeDispose, shallowRef, toValue, watch } from "vue";

import { connect } from "../client/connection.js";
import { leaveShared, watchShared } from "../client/shared-watch.js";
import { NO_UPLOAD, sendFiles, snapshotOf, subscribe, uploadsSnapshotOf } from "./snapshots.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("./snapshots.js").UploadOptions} UploadOptions */
/** @typedef {import("./snapshots.js").UploadSnapshot} UploadSnapshot */
/** @typedef {import("./snapshots.js").UploadsSnapshot} UploadsSnapshot */

/**
 * @template {object} T
 * @typedef {{readonly [Name in keyof T]: import("vue").ComputedRef<T[Name]>}} Refs
 */

/**
 * @typedef {object} UploadActions
 * @property {(file: File, options?: UploadOptions) => Upload} send   Starts an upload, which is then followed.
 * @property {() => void} pause
 * @property {() => void} resume
 * @property {() => Promise<void>} cancel   Resolves when the work has stopped.
 * @property {() => Promise<void>} retry
 */

const KEY = Symbol("roomcast");

/**
 * Return the plugin that connects the components of an application to a server.
 *
 * @param {object} [options]
 * @param {string | URL} [options.url]     The server; by default the page's origin. See `connect`.
 * @param {import("vue").MaybeRefOrGetter<string | undefined>} [options.token]   A new value reconnects as that viewer.
 * @param {Function} [options.io]
 * @param {object} [options.tus]
 * @param {Roomcast} [options.roomcast]    A connection of yours, instead of a new one.
 * @returns {import("vue").Plugin}
 */
export function createRoomcast({ token, roomcast, ...options } = {}) {
  return {
    install(app) {
      const isServer = typeof window === "undefined";
      const own = roomcast || isServer ? null : connect({ ...options, token: toValue(token) });
      const connection = roomcast ?? own;
      app.provide(KEY, connection && markRaw(connection));
      if (!own) return;
      const stop = watch(
        () => toValue(token),
        (value) => (own.token = value),
      );
      app.onUnmount?.(() => {
        stop();
        own.close();
      });
    },
  };
}

/** Return the application's connection; null on a server. @returns {Roomcast | null} */
export function useRoomcast() {
  const roomcast = inject(KEY, undefined);
  if (roomcast === undefined) throw new Error("The application has no connection. Call app.use(createRoomcast()).");
  return /** @type {Roomcast | null} */ (roomcast);
}

/**
 * Return all uploads of the connection, their aggregate, the state of the connection, and `send`.
 *
 * @returns {Refs<UploadsSnapshot> & {send: (files: Iterable<File>, options?: UploadOptions) => Upload[]}}
 */
export function useUploads() {
  const roomcast = useRoomcast();
  const snapshot = shallowRef(uploadsSnapshotOf(roomcast));
  onScopeDispose(subscribe(roomcast, () => (snapshot.value = uploadsSnapshotOf(roomcast))));
  return {
    uploads: computed(() => snapshot.value.uploads),
    aggregate: computed(() => snapshot.value.aggregate),
    connection: computed(() => snapshot.value.connection),
    send: (files, options) => sendFiles(roomcast, files, options),
  };
}

/**
 * Return one upload and what can be done with it.
 *
 * @param {import("vue").MaybeRefOrGetter<string | Upload | null | undefined>} [target]   An id, which is watched until
 *   the component is unmounted; or an `Upload`; without one, the upload that `send` starts.
 * @returns {Refs<UploadSnapshot> & UploadActions}
 */
export function useUpload(target) {
  const roomcast = useRoomcast();
  const started = shallowRef(/** @type {Upload | null} */ (null));
  const snapshot = shallowRef(NO_UPLOAD);
  watch(
    () => toValue(target) ?? started.value,
    (current, _, onCleanup) => {
      const watched = typeof current === "string" && roomcast ? watchShared(roomcast, current) : null;
      const upload = typeof current === "string" ? watched : current;
      const update = () => (snapshot.value = snapshotOf(upload && markRaw(upload)));
      const stop = subscribe(upload, update);
      update();
      onCleanup(() => {
        stop();
        if (watched) leaveShared(watched);
      });
    },
    { immediate: true },
  );
  const refs = Object.keys(NO_UPLOAD).map((name) => [
    name,
    computed(() => snapshot.value[/** @type {keyof UploadSnapshot} */ (name)]),
  ]);
  return {
    .../** @type {Refs<UploadSnapshot>} */ (Object.fromEntries(refs)),
    send(file, options) {
      const [sent] = sendFiles(roomcast, [file], options);
      started.value = markRaw(sent);
      return sent;
    },
    pause: () => snapshot.value.upload?.pause(),
    resume: () => snapshot.value.upload?.resume(),
    cancel: async () => snapshot.value.upload?.cancel(),
    retry: async () => snapshot.value.upload?.retry(),
  };
}
