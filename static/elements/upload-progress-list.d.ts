/** The element `<upload-progress-list>`; see `upload-progress-list.js` in the parent folder. */
import { SharedConnections } from "./connected-element.js";
import { ListOptions } from "./list-options.js";
export type Aggregate = import("../client/aggregate.js").Aggregate;
export type Roomcast = import("../client/connection.js").Roomcast;
export type Upload = import("../client/upload.js").Upload;
/** The connections of all lists and drop zones of the page that were given none. */
export declare const connections: SharedConnections;
export declare class UploadProgressList extends ListOptions {
    #private;
    constructor();
    /** The combined progress of the uploads that are active together. @returns {Aggregate} */
    get aggregate(): Aggregate;
    /** How many files were refused together with the uploads of `aggregate`. */
    get refused(): number;
    /** Show a file that is not uploaded, and the reason. @param {File} file @param {string} reason */
    refuse(file: File, reason: string): void;
    /** Open the dialog again. */
    show(): void;
    /** Close the dialog. The uploads continue. */
    close(): void;
    /** Cancel all uploads that can be cancelled. */
    cancelAll(): void;
    /** @param {string} name */
    attributeChangedCallback(name: string): void;
    /** @protected */
    protected attach(): undefined;
    /** @protected */
    protected detach(): void;
    /** @protected */
    protected localize(): void;
    /** @protected */
    protected summary(): string;
    /** @protected */
    protected render(): void;
}
