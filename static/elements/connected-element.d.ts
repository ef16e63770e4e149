export type Roomcast = import("../client/connection.js").Roomcast;
export type Locale = import("../locale/create-locale.js").Locale;
export type Markup = import("../shared/dom.js").Markup;
/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../shared/dom.js").Markup} Markup */
/** `HTMLElement`; on a server, where there is none, a class that is never instantiated. */
declare const Base: typeof HTMLElement;
/** Connections of elements without an assigned one, by the URL of their server, and who waits for one. */
export declare class SharedConnections {
    /** @type {Map<string, Roomcast>} */ byServer: Map<string, Roomcast>;
    /** Called, and emptied, when a connection is created. @type {Set<() => void>} */ waiting: Set<() => void>;
}
/** The base class of all elements: their connection, locale and shadow tree. */
export declare class ConnectedElement extends Base {
    #private;
    /** @protected */ protected root: ShadowRoot;
    /**
     * @param {object} options
     * @param {Markup} options.markup                      The shadow tree; `frame` is shown when the styles are loaded.
     * @param {readonly string[]} options.styles           The style sheets after `base.css`, below `static/`.
     * @param {readonly string[]} options.properties       The properties of the element's class, as they are to be set.
     * @param {SharedConnections} options.connections      Those of elements without an assigned connection.
     */
    constructor({ markup, styles, properties, connections }: {
        markup: Markup;
        styles: readonly string[];
        properties: readonly string[];
        connections: SharedConnections;
    });
    /** The server's URL; empty for the server that this module was loaded from. */
    get server(): string;
    set server(url: string);
    /** The connection of the element: the assigned one, or one that is created now. @returns {Roomcast} */
    get roomcast(): Roomcast;
    /** @param {Roomcast | null} roomcast */
    set roomcast(roomcast: Roomcast | null);
    /** The texts of the element, in its language, with those that were replaced. @returns {Locale} */
    get locale(): Locale;
    /** @param {Partial<Locale> | string | null} texts   What replaces texts; or a language, as in the attribute `locale`. */
    set locale(texts: Partial<Locale> | string | null);
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Whether a connection was assigned. @protected */
    protected get hasAssignedConnection(): boolean;
    /** The assigned connection, or the one that other elements use for the same server. @protected */
    protected get existingConnection(): import("../client/connection.js").Roomcast | null;
    /** Start using the connection, after `detach`. @protected */
    protected attach(): void;
    /** Stop using the connection. @protected */
    protected detach(): void;
    /** Show the texts of the locale, which has changed. @protected */
    protected localize(): void;
    /** Dispatch an event that reaches the page. Returns whether no listener has prevented its default.
     * @protected @param {string} name @param {unknown} [detail] @param {boolean} [cancelable] */
    protected emit(name: string, detail?: unknown, cancelable?: boolean): boolean;
    /** Return an element of the shadow tree. @protected @param {string} id @returns {HTMLElement} */
    protected child(id: string): HTMLElement;
}
/** Define an element, unless another copy of this module has. @param {string} name @param {typeof ConnectedElement} type */
export declare function defineElement(name: string, type: typeof ConnectedElement): void;
export {};
