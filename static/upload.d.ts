import { RoomcastError } from "./failure.js";
export type Message = import("./roomcast.js").Message;
export type SendInPieces = (signal: AbortSignal) => Promise<void>;
export type Ways = {
    turn: (signal: AbortSignal) => Promise<() => void>;
    enter: (upload: Upload) => Promise<void>;
    knows: (uploadId: string) => boolean;
    /**
     * Null where that cannot be done.
     */
    inPieces: (file: File, uploadId: string) => Promise<SendInPieces | null>;
    join: (upload: Upload) => Promise<void>;
    leave: (upload: Upload) => Promise<void>;
    /**
     * A link of the server's, as a whole address.
     */
    address: (link: string) => string;
    request: (method: string, path: string, body?: File | object, signal?: AbortSignal) => Promise<any>;
    control: (event: string, method: string, path: string, uploadId: string) => Promise<{
        state?: Message;
    }>;
};
export type Deferred<T> = {
    promise: Promise<T>;
    resolve: (value: T) => void;
    reject: (reason: RoomcastError) => void;
    settled: boolean;
};
/**
 * One upload, as this client knows it. Made by `Roomcast.upload` and `Roomcast.watch`.
 *
 * Events: `message` with every message that is taken as `detail`, and `change` whenever a property did.
 */
export declare class Upload extends EventTarget {
    #private;
    /** The id; null until the server gave one. @type {string | null} */
    id: string | null;
    /** The file, while this client holds it. @type {File | null} */
    file: File | null;
    /** The latest message taken; null until there is one. @type {Message | null} */
    state: Message | null;
    /** What this client ran into; what the server reports is in `state.error`. @type {RoomcastError | null} */
    error: RoomcastError | null;
    /**
     * Whether bytes are yet to leave this client, and whether they are leaving.
     *
     * @type {"no" | "waiting" | "now" | "paused"}
     */
    sending: "no" | "waiting" | "now" | "paused";
    /** Whether the server waits for bytes that only `send(file)` can bring. */
    needsFile: boolean;
    /** Whether a join is on its way. */
    joining: boolean;
    /**
     * @param {Ways} ways
     * @param {{id?: string, file?: File, type?: string, direct?: boolean, since?: number, epoch?: string,
     *          onProgress?: (state: Message) => void}} options
     */
    constructor(ways: Ways, { id, file, type, direct, since, epoch, onProgress }: {
        id?: string;
        file?: File;
        type?: string;
        direct?: boolean;
        since?: number;
        epoch?: string;
        onProgress?: (state: Message) => void;
    });
    /** Where the server tells of it. */
    get path(): string;
    /** The last position taken, as `watch` and `join-upload` want it. @returns {{since?: number, epoch?: string}} */
    get position(): {
        since?: number;
        epoch?: string;
    };
    /** Whether `pause` can be had: what is sent already must not be lost by it. */
    get pausable(): boolean;
    /** Resolves with the completed message; rejects with a `RoomcastError` when the upload fails or is cancelled. */
    get finished(): Promise<import("./roomcast.js").Message>;
    /** Reserve, unless the file was begun before, join the room, send. Never rejects. */
    start(): Promise<void>;
    /** Bring the bytes that the server waits for. Never rejects. @param {File} file */
    send(file: File): Promise<void>;
    /** Stop sending for a while; what has arrived stays, and others may be sent. Nothing happens unless `pausable`. */
    pause(): void;
    /** Go on after `pause`. Nothing happens otherwise. */
    resume(): void;
    /** Cancel; resolves once the work has really stopped. @returns {Promise<void>} */
    cancel(): Promise<void>;
    /** Start over, sending the bytes again when the server no longer has them. @returns {Promise<void>} */
    retry(): Promise<void>;
    /** Read the state once. Never rejects. @returns {Promise<boolean>} whether the server answered */
    refresh(): Promise<boolean>;
    /** Join the room anew, should it have closed after the end. @returns {Promise<void>} */
    rejoin(): Promise<void>;
    /** Stop watching; it is no longer among the connection's `uploads`. @returns {Promise<void>} */
    leave(): Promise<void>;
    /**
     * What the room says, or a stream.
     *
     * @param {Message} message
     * @param {boolean} [live]   Whether a hole in the events' numbers means that one was lost, as it does in a room.
     * @returns {boolean} false when an event before it is missing
     */
    hear(message: Message, live?: boolean): boolean;
    /** The answer to a join. @param {Message} state @param {Message[]} events */
    joined(state: Message, events: Message[]): void;
    /** This client cannot go on with the upload. @param {RoomcastError} error */
    fail(error: RoomcastError): void;
}
