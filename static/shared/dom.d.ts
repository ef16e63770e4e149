/** Updates DOM nodes, and only when a value has changed. */
/** @param {Element} element @param {string} text */
export declare function setText(element: Element, text: string): void;
/** @param {HTMLElement} element @param {boolean} hidden */
export declare function setHidden(element: HTMLElement, hidden: boolean): void;
/**
 * Copy an element's text to the clipboard, or select it where the page may not use the clipboard.
 *
 * @param {HTMLElement} element
 * @returns {Promise<boolean>} whether it was copied
 */
export declare function copyText(element: HTMLElement): Promise<boolean>;
/** Return the page's element with an id; throw if there is none. @param {string} id @returns {HTMLElement} */
export declare function byId(id: string): HTMLElement;
/** Return the first descendant with a class, which must exist.
 * @param {HTMLElement} root @param {string} className @returns {HTMLElement} */
export declare function byClass(root: HTMLElement, className: string): HTMLElement;
/** Return a new element from markup with one root. @param {Markup} markup @returns {HTMLElement} */
export declare function instantiate({ content }: Markup): HTMLElement;
/** Markup that is parsed when it is first used, because a server that imports the elements has no document. */
export declare class Markup {
    #private;
    /** @param {string} html */
    constructor(html: string);
    get content(): DocumentFragment;
}
