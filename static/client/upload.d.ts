import { RoomcastError } from "../protocol/errors.js";
export type Message = import("../protocol/messages.js").Message;
export type Transfer = import("../sending/transfer-meter.js").Transfer;
export type ResumableSender = import("../sending/file-sender.js").ResumableSender;
export type UploadHost = {
    /**
     * Waits until the file may be sent.
     */
    acquireSlot: (signal: AbortSignal) => Promise<() => void>;
    /**
     * Joins the room of an upload that now has an id.
     */
    register: (upload: Upload) => Promise<void>;
    isWatched: (uploadId: string) => boolean;
    /**
     * Null: not supported.
     */
    resumableSender: (file: File, uploadId: string) => Promise<ResumableSender | null>;
    join: (upload: Upload) => Promise<void>;
    leave: (upload: Upload) => Promise<void>;
    absoluteUrl: (url: string) => string;
    request: (method: string, path: string, body?: File | object, signal?: AbortSignal) => Promise<any>;
    /**
     *   Calls over the socket if it is connected, else over HTTP.
     */
    call: (event: string, method: string, path: string, uploadId: string) => Promise<{
        state?: Message;
    }>;
};
/**
 * One upload, as this client knows it. Created by `Roomcast.upload` and `Roomcast.watch`.
 *
 * Events: `message` with each message that was applied as `detail`, `event` with each `{name, payload, at}` of the
 * server's application as `detail`, `playable` with what can be played before the end, and `change` after every change.
 */
export declare class Upload extends EventTarget {
    #private;
    /** The id; null until the server has assigned one. @type {string | null} */
    id: string | null;
    /** The file, if this client sends it. @type {File | null} */
    file: File | null;
    /** The latest message; null until there is one. @type {Message | null} */
    state: Message | null;
    /** An error of this client; errors of the processing are in `state.error`. @type {RoomcastError | null} */
    error: RoomcastError | null;
    /**
     * Whether this client is sending the file: not at all, waiting for a slot, now, interrupted until the connection is
     * back, or paused.
     *
     * @type {"no" | "waiting" | "now" | "interrupted" | "paused"}
     */
    sending: "no" | "waiting" | "now" | "interrupted" | "paused";
    /** Whether the server waits for bytes that this client can only send when `send(file)` is called. */
    needsFile: boolean;
    /** Whether the file could not be read any more while it was sent: it was changed, moved or deleted. */
    fileUnreadable: boolean;
    /** Whether `continueSending` can read the file again without a choice, after the person has allowed it. */
    canContinue: boolean;
    /** Whether a join has not been answered yet. */
    joining: boolean;
    /** When the upload was started, or first watched, in milliseconds since 1970. */ addedAt: number;
    /**
     * @param {UploadHost} host
     * @param {{id?: string, file?: File, type?: string, direct?: boolean, metadata?: Record<string, any>, since?: number,
     *          epoch?: string, addedAt?: number, onProgress?: (state: Message) => void}} options
     */
    constructor(host: UploadHost, { id, file, type, direct, metadata, since, epoch, addedAt, onProgress }: {
        id?: string;
        file?: File;
        type?: string;
        direct?: boolean;
        metadata?: Record<string, any>;
        since?: number;
        epoch?: string;
        addedAt?: number;
        onProgress?: (state: Message) => void;
    });
    /** The path of the upload in the server's HTTP API. */
    get path(): string;
    /** The last applied position, as `watch` and `join-upload` accept it. @returns {{since?: number, epoch?: string}} */
    get position(): {
        since?: number;
        epoch?: string;
    };
    /** Whether `pause` is possible: no bytes that were sent may be lost by it. */
    get pausable(): boolean;
    /** How far the bytes of the file are; null unless they are being sent or received. @returns {Transfer | null} */
    get transfer(): Transfer | null;
    /** When an interrupted transfer is tried again, in milliseconds since 1970; null unless `sending` is `interrupted`. */
    get retryAt(): number | null;
    /** Resolves with the completed message; rejects with a `RoomcastError` when the upload fails or is cancelled. */
    get finished(): Promise<import("../protocol/messages.js").Message>;
    /** Reserve an upload, or resume an earlier one of the same file, join its room and send the file. Never rejects. */
    start(): Promise<void>;
    /** Send the bytes that the server waits for. Never rejects. @param {File} file */
    send(file: File): Promise<void>;
    /** Send the rest of the file that was being sent before a reload, if the person allows to read it again. Called in a
     * click; never rejects. @returns {Promise<boolean>} false if it has to be chosen */
    continueSending(): Promise<boolean>;
    /** Stop sending until `resume`, and let other files be sent. Does nothing unless `pausable`. */
    pause(): void;
    /** Continue after `pause`. Does nothing unless paused. */
    resume(): void;
    /** Cancel the upload. Resolves when its work has stopped. @returns {Promise<void>} */
    cancel(): Promise<void>;
    /** Delete the upload with its results; one that has not ended is cancelled first. @returns {Promise<void>} */
    delete(): Promise<void>;
    /**
     * Create a lasting link to the upload's page. Its files are below it, each under the last segment of its key.
     *
     * @param {{scope?: "view" | "control", expires?: string | number}} [options]   `control` also cancels and retries;
     *   `expires` is a time, a duration such as `"7d"`, or a number of seconds. Without it, the link is valid until it is revoked.
     * @returns {Promise<{id: string, url: string, scope: "view" | "control", expires: string | null, createdAt: string}>}
     */
    createLink(options?: {
        scope?: "view" | "control";
        expires?: string | number;
    }): Promise<{
        id: string;
        url: string;
        scope: "view" | "control";
        expires: string | null;
        createdAt: string;
    }>;
    /** Start the upload over, and send the file again if the server no longer has it. @returns {Promise<void>} */
    retry(): Promise<void>;
    /** Fetch the current state. Never rejects. @returns {Promise<boolean>} whether the server answered */
    refresh(): Promise<boolean>;
    /** Join the room again, in case it was closed after the end. @returns {Promise<void>} */
    rejoin(): Promise<void>;
    /** Stop watching; the upload is removed from the connection's `uploads`. @returns {Promise<void>} */
    leave(): Promise<void>;
    /**
     * Apply a message from the room or from a stream, or queue it while a join is being answered.
     *
     * @param {Message} message
     * @param {boolean} [live]   Whether a gap in the events' numbers means that an event was lost, as it does in a room.
     * @returns {boolean} false when an earlier event is missing
     */
    receive(message: Message, live?: boolean): boolean;
    /** Apply the acknowledgement of a join. @param {Message} state @param {Message[]} events */
    joined(state: Message, events: Message[]): void;
    /** Record that this client cannot go on with the upload. @param {RoomcastError} error */
    fail(error: RoomcastError): void;
    /** Interrupt sending, because the browser has lost the network. */
    networkLost(): void;
    /** Remember that the connection was lost. */
    connectionLost(): void;
    /** Go on at once with what the loss of the connection has interrupted. */
    connectionRestored(): void;
}
