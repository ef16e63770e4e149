export type Roomcast = import("../client/connection.js").Roomcast;
export type Locale = import("../locale/en.js").Locale;
export type Upload = import("../client/upload.js").Upload;
export type ResultRow = {
    upload: Upload | null;
    hasResult: boolean;
    showResult: (result: any) => void;
};
/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../locale/en.js").Locale} Locale */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {{upload: Upload | null, hasResult: boolean, showResult: (result: any) => void}} ResultRow */
/** The base class of the elements: their connection, locale, shadow tree and common attributes. */
export declare class UploadElement extends HTMLElement {
    #private;
    /** @protected */ protected root: ShadowRoot;
    /** Queues an announcement to screen readers. @protected */ protected announce: (about: object, text: string) => void;
    /**
     * @param {object} options
     * @param {HTMLTemplateElement} options.markup
     * @param {readonly string[]} options.properties          The properties of the element's class.
     * @param {Map<string, Roomcast>} options.connections     Connections by origin, for elements without an assigned one.
     */
    constructor({ markup, properties, connections }: {
        markup: HTMLTemplateElement;
        properties: readonly string[];
        connections: Map<string, Roomcast>;
    });
    /** Whether completed rows show their result. */
    get results(): boolean;
    set results(shown: boolean);
    /** The server's URL; empty for the server that this module was loaded from. */
    get server(): string;
    set server(url: string);
    /** The connection whose uploads are shown: the assigned one, or one that is created now. @returns {Roomcast} */
    get roomcast(): Roomcast;
    /** @param {Roomcast | null} roomcast */
    set roomcast(roomcast: Roomcast | null);
    /** The texts of the element: English, or any of `ENGLISH` in `locale/en.js` replaced. @returns {Locale} */
    get locale(): Locale;
    /** @param {Partial<Locale>} locale */
    set locale(locale: Partial<Locale>);
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Whether a connection was assigned. @protected */
    protected get hasAssignedConnection(): boolean;
    /** The assigned connection, or the one that other elements use for the same server. @protected */
    protected get existingConnection(): import("../client/connection.js").Roomcast | null;
    /** Start showing the connection's uploads, after `detach`. @protected */
    protected attach(): void;
    /** Stop showing uploads. @protected */
    protected detach(): void;
    /** Update the shadow tree. @protected */
    protected render(): void;
    /** Called when a connection for elements without an assigned one was created. @protected */
    protected connectionCreated(): void;
    /** Return the announcement that replaces many. @protected */
    protected summary(): string;
    /** Whether the connection has been lost for a while. @protected @param {Roomcast | null} connection */
    protected isStale(connection: Roomcast | null): boolean;
    /** Show the result in a row, if `results` is set. @protected @param {ResultRow} row */
    protected showResult(row: ResultRow): Promise<void>;
    /** Dispatch an event that reaches the page. @protected @param {string} name @param {unknown} [detail] */
    protected emit(name: string, detail?: unknown): void;
    /** Return an element of the shadow tree. @protected @param {string} id @returns {HTMLElement} */
    protected child(id: string): HTMLElement;
}
