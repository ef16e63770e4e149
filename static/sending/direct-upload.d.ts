/** Sends a file straight to the server's S3 bucket, as a multipart upload with presigned URLs. */
export type DirectTarget = {
    /**
     * Bytes of every part but the last.
     */
    partSize: number;
    /**
     * The presigned URL of each part.
     */
    partUrls: string[];
    /**
     * Called after each part; the server then reports the progress to the room.
     */
    progressUrl: string;
    /**
     * Called with all parts at the end.
     */
    completeUrl: string;
};
/**
 * Send all parts and complete the upload.
 *
 * @param {File} file
 * @param {DirectTarget} target
 * @param {(method: string, path: string, body?: object, signal?: AbortSignal) => Promise<any>} request
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the server's response to the completion
 */
export declare function sendDirect(file: File, { partSize, partUrls, progressUrl, completeUrl }: DirectTarget, request: (method: string, path: string, body?: object, signal?: AbortSignal) => Promise<any>, signal: AbortSignal): Promise<any>;
