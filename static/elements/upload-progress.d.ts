/** The element `<upload-progress>`; see `upload-progress.js` in the parent folder. */
import { UploadElement } from "./upload-element.js";
export type Roomcast = import("../client/connection.js").Roomcast;
export type Upload = import("../client/upload.js").Upload;
export declare class UploadProgress extends UploadElement {
    #private;
    static observedAttributes: string[];
    constructor();
    /** The upload's id; empty for none. */
    get uploadId(): string;
    set uploadId(uploadId: string);
    /** The upload that is shown. @returns {Upload | null} */
    get upload(): Upload | null;
    /** @param {string} name @param {string | null} before @param {string | null} now */
    attributeChangedCallback(name: string, before: string | null, now: string | null): void;
    /** @protected */
    protected attach(): void;
    /** @protected */
    protected detach(): void;
    /** @protected */
    protected localize(): void;
    /** @protected */
    protected summary(): string;
    /** @protected */
    protected render(): void;
}
