/**
 * The connection to a server: the socket, its rooms, and the uploads that are watched over it.
 *
 * Each upload's room is joined before the first byte is sent, joined again with the last position after a reconnect,
 * and replaced by an event stream or by polling while there is no socket.
 *
 * @typedef {import("../protocol/messages.js").Message} Message
 * @typedef {import("./aggregate.js").Aggregate} Aggregate
 * @typedef {import("./upload.js").UploadHost} UploadHost
 *
 * @typedef {"online" | "streaming" | "polling" | "reconnecting"} ConnectionState
 *   `online`: the socket is connected. `streaming`: it is not, but event streams are. `polling`: neither is, but the
 *   server answers. `reconnecting`: the server cannot be reached.
 */
export type Message = import("../protocol/messages.js").Message;
export type Aggregate = import("./aggregate.js").Aggregate;
export type UploadHost = import("./upload.js").UploadHost;
export type ConnectionState = "online" | "streaming" | "polling" | "reconnecting";
import { Upload } from "./upload.js";
/**
 * Connect to a Roomcast server. Returns at once; see `state` and the `statechange` event.
 *
 * @param {object} [options]
 * @param {string | URL} [options.url]   The server, with its prefix if it is mounted under one; by default the server
 *   that this module was loaded from. A relative URL is relative to the page.
 * @param {string} [options.token]       A bearer token, if the server requires authentication.
 * @param {Function} [options.io]        The `io` of socket.io-client; by default it is loaded.
 * @param {object} [options.tus]         The module tus-js-client; by default it is loaded when a large file is sent.
 * @returns {Roomcast}
 */
export declare function connect({ url, token, io, tus }?: {
    url?: string | URL;
    token?: string;
    io?: Function;
    tus?: object;
}): Roomcast;
/**
 * A connection to a server, and the uploads that are watched over it.
 *
 * Events:
 * - `statechange`: `state` has changed.
 * - `uploadadded`, `uploadremoved` with the `Upload` as `detail`: `uploads` has changed.
 * - `change`: an upload, the `aggregate` or the set of uploads has changed.
 * - `unauthenticated` with the `RoomcastError` as `detail`: the server requires a valid `token`.
 */
export declare class Roomcast extends EventTarget {
    #private;
    /** Use `connect`. @param {URL} url @param {string} [token] @param {Function} [io] @param {object} [tus] */
    constructor(url: URL, token?: string, io?: Function, tus?: object);
    /** The state of the connection. */
    get state(): ConnectionState;
    /** The URL of the server. */
    get url(): string;
    /** The bearer token; setting it reconnects. */
    get token(): string | undefined;
    set token(token: string | undefined);
    /**
     * The uploads that were started or watched over this connection, oldest first, until their `leave()`.
     *
     * @returns {readonly Upload[]}
     */
    get uploads(): readonly Upload[];
    /** The combined state of `uploads`. @returns {Aggregate} */
    get aggregate(): Aggregate;
    /**
     * Send a file and watch its upload. Three files are sent at a time, the others wait. A file that this browser has
     * sent in part before is resumed; if that upload is already watched, its `Upload` is returned.
     *
     * @param {File} file
     * @param {object} [options]
     * @param {string} [options.type]                           The template; by default the server's.
     * @param {boolean} [options.direct]                        Send the bytes straight to the server's S3 bucket.
     * @param {Record<string, any>} [options.metadata]          At most 4 KiB of JSON, which every message has.
     * @param {(state: Message) => void} [options.onProgress]   Called with every message that is applied.
     * @param {AbortSignal} [options.signal]                    Cancels the upload.
     * @returns {Upload}
     */
    upload(file: File, { type, direct, metadata, onProgress, signal }?: {
        type?: string;
        direct?: boolean;
        metadata?: Record<string, any>;
        onProgress?: (state: Message) => void;
        signal?: AbortSignal;
    }): Upload;
    /**
     * Watch an existing upload. With `since` and `epoch`, the events after that position are replayed first.
     *
     * @param {string} uploadId
     * @param {object} [options]
     * @param {number} [options.since]
     * @param {string} [options.epoch]
     * @param {number} [options.addedAt]   When the upload was added, in milliseconds since 1970; by default now.
     * @param {(state: Message) => void} [options.onProgress]
     * @returns {Upload}
     */
    watch(uploadId: string, { since, epoch, addedAt, onProgress }?: {
        since?: number;
        epoch?: string;
        addedAt?: number;
        onProgress?: (state: Message) => void;
    }): Upload;
    /** Cancel an upload. Resolves when its work has stopped. @param {string} uploadId @returns {Promise<void>} */
    cancel(uploadId: string): Promise<void>;
    /** Start a failed or cancelled upload over. @param {string} uploadId @returns {Promise<void>} */
    retry(uploadId: string): Promise<void>;
    /** Leave all rooms and close the connection. */
    close(): void;
}
