/** The upload list's attributes as properties. */
export declare class ListOptions extends HTMLElement {
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
    /** Whether completed rows show what came out. */
    get results(): boolean;
    set results(shown: boolean);
    /** The server's URL; empty for the one that this module came from. */
    get server(): string;
    set server(url: string);
    /** What was set before the element was defined hides the property. @param {string} name */
    upgrade(name: string): void;
}
