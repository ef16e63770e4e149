/** The upload list's attributes as properties. */
import { ElementOptions } from "./element-options.js";
export declare class ListOptions extends ElementOptions {
    #private;
    static observedAttributes: string[];
    /** How many rows are shown at once; null for all. @returns {number | null} */
    get maxItems(): number | null;
    set maxItems(count: number | null);
    /** @returns {"list" | "dialog"} */
    get mode(): "list" | "dialog";
    set mode(mode: "list" | "dialog");
    /** Milliseconds, or null. @returns {number | null} */
    get autoClose(): number | null;
    set autoClose(milliseconds: number | null);
    /** Milliseconds, or null. @returns {number | null} */
    get autoHide(): number | null;
    set autoHide(milliseconds: number | null);
}
