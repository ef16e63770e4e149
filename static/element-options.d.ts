/** What the elements have in common: attributes as properties, where their server is, and how they tell of events. */
export declare class ElementOptions extends HTMLElement {
    /** Whether completed rows show what came out. */
    get results(): boolean;
    set results(shown: boolean);
    /** The server's URL; empty for the one that this module came from. */
    get server(): string;
    set server(url: string);
    /** What was set before the element was defined hides the property. @param {string} name */
    upgrade(name: string): void;
}
/** The origin of an element's server. @param {ElementOptions} element */
export declare function originOf(element: ElementOptions): string;
/** Dispatch an event that pages hear, too. @param {Element} element @param {string} name @param {unknown} [detail] */
export declare function tell(element: Element, name: string, detail?: unknown): void;
