export type Roomcast = import("../client/connection.js").Roomcast;
export type Upload = import("../client/upload.js").Upload;
export type UploadOptions = import("./snapshots.js").UploadOptions;
export type UploadSnapshot = import("./snapshots.js").UploadSnapshot;
export type UploadsSnapshot = import("./snapshots.js").UploadsSnapshot;
export type UploadActions = {
    /**
     * Starts an upload, which the hook then follows.
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
export declare function RoomcastProvider({ url, token, io, tus, roomcast, children }: {
    url?: string | URL;
    token?: string;
    io?: Function;
    tus?: object;
    roomcast?: Roomcast;
    children?: import("react").ReactNode;
}): import("react").FunctionComponentElement<import("react").ProviderProps<import("../client/connection.js").Roomcast | null | undefined>>;
/** Return the provider's connection; null on a server and in the first rendering. @returns {Roomcast | null} */
export declare function useRoomcast(): Roomcast | null;
/**
 * Return all uploads of the connection, their aggregate, the state of the connection, and `send`.
 *
 * @returns {UploadsSnapshot & {send: (files: Iterable<File>, options?: UploadOptions) => Upload[]}}
 */
export declare function useUploads(): UploadsSnapshot & {
    send: (files: Iterable<File>, options?: UploadOptions) => Upload[];
};
/**
 * Return one upload and what can be done with it.
 *
 * @param {string | Upload | null} [target]   An id, which is watched while the component is mounted; or an `Upload`;
 *   without one, the upload that `send` starts.
 * @returns {UploadSnapshot & UploadActions}
 */
export declare function useUpload(target?: string | Upload | null): UploadSnapshot & UploadActions;
