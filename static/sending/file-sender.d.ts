/** Sends the bytes of one upload's file, and after an interruption the rest of them as soon as that is possible. */
import { TransferMeter } from "./transfer-meter.js";
export type DirectTarget = import("./direct-upload.js").DirectTarget;
export type Message = import("../protocol/messages.js").Message;
export type ResumableSender = (signal: AbortSignal, onProgress: (sent: number) => void) => Promise<void>;
export type SenderHost = {
    /**
     * Null: not supported.
     */
    resumableSender: (file: File, uploadId: string) => Promise<ResumableSender | null>;
    request: (method: string, path: string, body?: File | object, signal?: AbortSignal) => Promise<any>;
};
export type SentUpload = {
    id: string | null;
    path: string;
    file: File | null;
    state: Message | null;
    /**
     * Fetches `state`.
     */
    refresh: () => Promise<boolean>;
};
export declare class FileSender {
    #private;
    /** Whether no bytes that were sent are lost when sending stops. */ resumable: boolean;
    meter: TransferMeter;
    /**
     * @param {SenderHost} host
     * @param {SentUpload} upload
     * @param {(sending: "now" | "interrupted") => void} report   Called when sending is interrupted, and goes on.
     */
    constructor(host: SenderHost, upload: SentUpload, report: (sending: "now" | "interrupted") => void);
    /** When an interrupted transfer is tried again, in milliseconds since 1970; null while it is not interrupted. */
    get retryAt(): number | null;
    /**
     * Send the file. Resolves with the server's answer; rejects when it refuses the file, when aborted, or with the code
     * `FILE_UNREADABLE`.
     *
     * @param {DirectTarget | null} target   The bucket that takes the file, if it is not sent to the server.
     * @param {AbortSignal} signal
     * @returns {Promise<any>}
     */
    send(target: DirectTarget | null, signal: AbortSignal): Promise<any>;
    /** Interrupt sending, because the browser has lost the network. */
    networkLost(): void;
    /** Remember that the connection was lost. */
    connectionLost(): void;
    /** Go on at once with what was interrupted by the loss of the connection, or has not moved since. */
    connectionRestored(): void;
}
