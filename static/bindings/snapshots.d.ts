/** Immutable copies of uploads and connections, as the components of frameworks need them. */
export type Aggregate = import("../client/aggregate.js").Aggregate;
export type Transfer = import("../sending/transfer-meter.js").Transfer;
export type ConnectionState = import("../client/connection.js").ConnectionState;
export type Roomcast = import("../client/connection.js").Roomcast;
export type Upload = import("../client/upload.js").Upload;
export type RoomcastError = import("../protocol/errors.js").RoomcastError;
export type Message = import("../protocol/messages.js").Message;
export type Playable = import("../protocol/messages.js").Playable;
export type Status = import("../protocol/messages.js").Status;
export type UploadSnapshot = {
    /**
     * Null while there is none.
     */
    upload: Upload | null;
    id: string | null;
    file: File | null;
    /**
     * The latest message.
     */
    state: Message | null;
    /**
     * That of `state`.
     */
    status: Status | null;
    /**
     * That of `state`: 0–100, overall.
     */
    progress: number;
    /**
     * That of `state`: what can be played before the end.
     */
    playable: Playable | null;
    /**
     * An error of this client; errors of the processing are in `state.error`.
     */
    error: RoomcastError | null;
    sending: "no" | "waiting" | "now" | "interrupted" | "paused";
    /**
     * How far the bytes of the file are, while they are sent or received.
     */
    transfer: Transfer | null;
    needsFile: boolean;
    pausable: boolean;
};
export type UploadsSnapshot = {
    /**
     * Oldest first.
     */
    uploads: readonly UploadSnapshot[];
    aggregate: Aggregate;
    connection: ConnectionState;
};
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
export declare const NO_UPLOAD: UploadSnapshot;
/** @type {UploadsSnapshot} */
export declare const NO_UPLOADS: UploadsSnapshot;
/** Return a copy of the upload; the same one as before if nothing has changed. @param {Upload | null} upload */
export declare function snapshotOf(upload: Upload | null): UploadSnapshot;
/** Return a copy of the connection and its uploads; the same one if nothing has changed.
 * @param {Roomcast | null} roomcast */
export declare function uploadsSnapshotOf(roomcast: Roomcast | null): Readonly<{
    uploads: readonly UploadSnapshot[];
    aggregate: import("../client/aggregate.js").Aggregate;
    connection: import("../client/connection.js").ConnectionState;
}>;
/**
 * Call `listener` after every change. Returns the call that ends it.
 *
 * @param {Upload | Roomcast | null} source @param {() => void} listener @returns {() => void}
 */
export declare function subscribe(source: Upload | Roomcast | null, listener: () => void): () => void;
/** Start uploads. @param {Roomcast | null} roomcast @param {Iterable<File>} files @param {UploadOptions} [options] */
export declare function sendFiles(roomcast: Roomcast | null, files: Iterable<File>, options?: UploadOptions): import("../client/upload.js").Upload[];
export type UploadOptions = NonNullable<Parameters<Roomcast["upload"]>[1]>;
