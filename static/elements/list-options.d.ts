/** The attributes of `<upload-progress-list>` as properties. */
import { UploadElement } from "./upload-element.js";
export declare class ListOptions extends UploadElement {
    #private;
    static observedAttributes: string[];
    /** The maximum number of rows shown at once; null for all. @returns {number | null} */
    get maxItems(): number | null;
    set maxItems(count: number | null);
    /** @returns {"list" | "dialog"} */
    get mode(): "list" | "dialog";
    set mode(mode: "list" | "dialog");
    /** Milliseconds until the dialog closes; null for never. @returns {number | null} */
    get autoClose(): number | null;
    set autoClose(milliseconds: number | null);
    /** Milliseconds until a completed row is removed; null for never. @returns {number | null} */
    get autoHide(): number | null;
    set autoHide(milliseconds: number | null);
}
