/**
 * Roomcast for the browser: send a file, and hear in its room what becomes of it.
 *
 * ```js
 * import { connect } from "/static/roomcast.js";
 *
 * const roomcast = connect();
 * const upload = roomcast.upload(file, { onProgress: (state) => (bar.value = state.progress) });
 * const { element } = await upload.finished;
 * ```
 *
 * Every upload has one room. It is joined before the first byte leaves, rejoined with the last position after each
 * reconnect, and replaced by a stream, or by polling, while no socket can be had. Whatever the way, an upload's `state`
 * is the latest message of the server and never runs backwards. Files of more than 1 MiB go in pieces: they can be
 * paused, outlast a lost connection, and go on after a reload when the same file is given again. Failures are
 * `RoomcastError`s; no promise is left to reject unheard.
 *
 * @typedef {"starting" | "compressing" | "uploading" | "completed" | "error"} Status
 * @typedef {"receiving" | "queued" | "fetching" | "probing" | "compressing" | "thumbnails" | "storing" | "cleaning"
 *   | "done" | "failed" | "cancelled"} Stage
 *
 * @typedef {object} Output
 * @property {string} name
 * @property {"video" | "audio" | "image" | "thumbnail" | "poster" | "sprite" | "storyboard" | "hls"} kind
 * @property {string} key
 * @property {string} bucket
 * @property {string} url      whole, whatever the server sent
 * @property {string} mime
 * @property {number} size
 * @property {number} [width]
 * @property {number} [height]
 * @property {number} [duration]
 *
 * @typedef {object} Element
 * @property {string} id
 * @property {string} type
 * @property {string} filename
 * @property {string} url
 * @property {Output[]} outputs
 * @property {{size: number}} [original]
 * @property {{bytes: number, percent: number}} [saved]
 * @property {{seconds: number, declaredSeconds: number}} [partial]   The file was cut short: so much could be read.
 * @property {boolean} [copied]                                       It was small already, and is as it was.
 * @property {{metric: "vmaf" | "ssim", target: number, score: number, crf: number}} [quality]   Of samples.
 * @property {{blurhash: string}} [placeholder]
 *
 * @typedef {object} Forecast   What the compression is expected to come to.
 * @property {number} bytes     the result's size
 * @property {number} seconds   that all of it takes
 *
 * @typedef {object} Message   What the server says about an upload, on every surface.
 * @property {string} uploadId
 * @property {number} seq
 * @property {string} epoch
 * @property {Status} status
 * @property {Stage} stage
 * @property {number} progress        0–100, overall
 * @property {number} stageProgress   0–100, of the stage
 * @property {string} message
 * @property {string} filename
 * @property {{path?: string}} metadata   what its client said of the file: the folder of its results
 * @property {number | null} bytesReceived
 * @property {number | null} bytesExpected
 * @property {number} attempt
 * @property {string} updatedAt
 * @property {number | null} eta      seconds
 * @property {number | null} speed
 * @property {number | null} fps
 * @property {number | null} queuePosition
 * @property {Output} [poster]        what can be shown before there is a result
 * @property {Forecast} [forecast]
 * @property {Element} [element]
 * @property {{code: string, message: string, step: string, retryable: boolean}} [error]
 *
 * @typedef {import("./upload.js").Ways} Ways
 * @typedef {import("./aggregate.js").Aggregate} Aggregate
 *
 * @typedef {"online" | "streaming" | "polling" | "reconnecting"} ConnectionState
 *   `online`: the rooms speak. `streaming`: they do not, but streams bring the same. `polling`: neither, but the server
 *   answers. `reconnecting`: nothing is heard of it.
 */
export type Status = "starting" | "compressing" | "uploading" | "completed" | "error";
export type Stage = "receiving" | "queued" | "fetching" | "probing" | "compressing" | "thumbnails" | "storing" | "cleaning" | "done" | "failed" | "cancelled";
export type Output = {
    name: string;
    kind: "video" | "audio" | "image" | "thumbnail" | "poster" | "sprite" | "storyboard" | "hls";
    key: string;
    bucket: string;
    /**
     * whole, whatever the server sent
     */
    url: string;
    mime: string;
    size: number;
    width?: number;
    height?: number;
    duration?: number;
};
export type Element = {
    id: string;
    type: string;
    filename: string;
    url: string;
    outputs: Output[];
    original?: {
        size: number;
    };
    saved?: {
        bytes: number;
        percent: number;
    };
    /**
     * The file was cut short: so much could be read.
     */
    partial?: {
        seconds: number;
        declaredSeconds: number;
    };
    /**
     * It was small already, and is as it was.
     */
    copied?: boolean;
    /**
     * Of samples.
     */
    quality?: {
        metric: "vmaf" | "ssim";
        target: number;
        score: number;
        crf: number;
    };
    placeholder?: {
        blurhash: string;
    };
};
export type Forecast = {
    /**
     * the result's size
     */
    bytes: number;
    /**
     * that all of it takes
     */
    seconds: number;
};
export type Message = {
    uploadId: string;
    seq: number;
    epoch: string;
    status: Status;
    stage: Stage;
    /**
     * 0–100, overall
     */
    progress: number;
    /**
     * 0–100, of the stage
     */
    stageProgress: number;
    message: string;
    filename: string;
    /**
     * what its client said of the file: the folder of its results
     */
    metadata: {
        path?: string;
    };
    bytesReceived: number | null;
    bytesExpected: number | null;
    attempt: number;
    updatedAt: string;
    /**
     * seconds
     */
    eta: number | null;
    speed: number | null;
    fps: number | null;
    queuePosition: number | null;
    /**
     * what can be shown before there is a result
     */
    poster?: Output;
    forecast?: Forecast;
    element?: Element;
    error?: {
        code: string;
        message: string;
        step: string;
        retryable: boolean;
    };
};
export type Ways = import("./upload.js").Ways;
export type Aggregate = import("./aggregate.js").Aggregate;
export type ConnectionState = "online" | "streaming" | "polling" | "reconnecting";
import { RoomcastError } from "./failure.js";
import { Upload } from "./upload.js";
export { RoomcastError, Upload };
/**
 * Connect to a Roomcast server. Returns at once; `state` and its `statechange` event tell how the connection fares.
 *
 * @param {object} [options]
 * @param {string | URL} [options.url]   The server; the page's own origin by default.
 * @param {string} [options.token]       A bearer token, where the server asks for one.
 * @param {Function} [options.io]        socket.io-client's `io`, if you have it; loaded otherwise.
 * @returns {Roomcast}
 */
export declare function connect({ url, token, io }?: {
    url?: string | URL;
    token?: string;
    io?: Function;
}): Roomcast;
/**
 * A connection to a server, and the uploads that are watched over it.
 *
 * Events:
 * - `statechange`: how the connection fares.
 * - `uploadadded`, `uploadremoved` with `detail` the `Upload`: `uploads` is another set now.
 * - `change`: an upload, and with it perhaps the `aggregate`, has moved, or the set has.
 * - `unauthenticated` with `detail` the `RoomcastError`: the server wants a token that it has not got; set `token`.
 */
export declare class Roomcast extends EventTarget {
    #private;
    /** Use `connect`. @param {URL} url @param {string} [token] @param {Function} [io] */
    constructor(url: URL, token?: string, io?: Function);
    /** How the connection fares. */
    get state(): ConnectionState;
    /** The bearer token; setting it connects anew as that viewer. */
    get token(): string | undefined;
    set token(token: string | undefined);
    /**
     * The uploads that were begun or watched over this connection, oldest first, each until its `leave()`.
     *
     * @returns {readonly Upload[]}
     */
    get uploads(): readonly Upload[];
    /** What `uploads` come to together. @returns {Aggregate} */
    get aggregate(): Aggregate;
    /**
     * Send a file and watch it. Few files are sent at once; the others wait their turn. A file of which a part was sent
     * from this browser before goes on as that upload: the `Upload` that is watched already, if there is one.
     *
     * @param {File} file
     * @param {object} [options]
     * @param {string} [options.type]                           The template; the server's default when absent.
     * @param {boolean} [options.direct]                        Send the bytes straight to the server's bucket, in parts.
     * @param {(state: Message) => void} [options.onProgress]   Called with every message that is taken.
     * @param {AbortSignal} [options.signal]                    Cancels the upload.
     * @returns {Upload}
     */
    upload(file: File, { type, direct, onProgress, signal }?: {
        type?: string;
        direct?: boolean;
        onProgress?: (state: Message) => void;
        signal?: AbortSignal;
    }): Upload;
    /**
     * Watch an upload that already exists. With `since` and `epoch`, the events that were missed come first.
     *
     * @param {string} uploadId
     * @param {object} [options]
     * @param {number} [options.since]
     * @param {string} [options.epoch]
     * @param {(state: Message) => void} [options.onProgress]
     * @returns {Upload}
     */
    watch(uploadId: string, { since, epoch, onProgress }?: {
        since?: number;
        epoch?: string;
        onProgress?: (state: Message) => void;
    }): Upload;
    /** Cancel an upload; resolves once its work has really stopped. @param {string} uploadId @returns {Promise<void>} */
    cancel(uploadId: string): Promise<void>;
    /** Start a failed or cancelled upload over. @param {string} uploadId @returns {Promise<void>} */
    retry(uploadId: string): Promise<void>;
    /** Leave every room and stop. */
    close(): void;
}
