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
export type Roomcast = import("../client/connection.js").Roomcast;
export type Upload = import("../client/upload.js").Upload;
export type UploadOptions = import("./snapshots.js").UploadOptions;
export type UploadSnapshot = import("./snapshots.js").UploadSnapshot;
export type UploadsSnapshot = import("./snapshots.js").UploadsSnapshot;
export type Refs<T extends object> = {
    readonly [Name in keyof T]: import("vue").ComputedRef<T[Name]>;
};
export type UploadActions = {
    /**
     * Starts an upload, which is then followed.
     */
    send: (file: File, options?: UploadOptions) => Upload;
    pause: () => void;
    resume: () => void;
    /**
     * Resolves when the work has stopped.
     */
    cancel: () => Promise<void>;
    retry: () => Promise<void>;
};
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
export declare function createRoomcast({ token, roomcast, ...options }?: {
    url?: string | URL;
    token?: import("vue").MaybeRefOrGetter<string | undefined>;
    io?: Function;
    tus?: object;
    roomcast?: Roomcast;
}): import("vue").Plugin;
/** Return the application's connection; null on a server. @returns {Roomcast | null} */
export declare function useRoomcast(): Roomcast | null;
/**
 * Return all uploads of the connection, their aggregate, the state of the connection, and `send`.
 *
 * @returns {Refs<UploadsSnapshot> & {send: (files: Iterable<File>, options?: UploadOptions) => Upload[]}}
 */
export declare function useUploads(): Refs<UploadsSnapshot> & {
    send: (files: Iterable<File>, options?: UploadOptions) => Upload[];
};
/**
 * Return one upload and what can be done with it.
 *
 * @param {import("vue").MaybeRefOrGetter<string | Upload | null | undefined>} [target]   An id, which is watched until
 *   the component is unmounted; or an `Upload`; without one, the upload that `send` starts.
 * @returns {Refs<UploadSnapshot> & UploadActions}
 */
export declare function useUpload(target?: import("vue").MaybeRefOrGetter<string | Upload | null | undefined>): Refs<UploadSnapshot> & UploadActions;
