import { ConnectedElement } from "./connected-element.js";
export type Roomcast = import("../client/connection.js").Roomcast;
export type Upload = import("../client/upload.js").Upload;
export type Markup = import("../shared/dom.js").Markup;
export type SharedConnections = import("./connected-element.js").SharedConnections;
export type ResultRow = {
    upload: Upload | null;
    showsResults: boolean;
    needsResult: boolean;
    showResult: (result: any) => void;
    needsFilm: boolean;
    showFilm: (film: any) => void;
};
/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../shared/dom.js").Markup} Markup */
/** @typedef {import("./connected-element.js").SharedConnections} SharedConnections */
/**
 * @typedef {object} ResultRow
 * @property {Upload | null} upload
 * @property {boolean} showsResults
 * @property {boolean} needsResult
 * @property {(result: any) => void} showResult
 * @property {boolean} needsFilm
 * @property {(film: any) => void} showFilm
 */
/** The base class of the elements that show uploads: the results, the announcements, and whether the state is stale. */
export declare class UploadElement extends ConnectedElement {
    #private;
    /** Queues an announcement to screen readers. @protected */ protected announce: (about: object, text: string) => void;
    /**
     * @param {object} options
     * @param {Markup} options.markup
     * @param {readonly string[]} options.properties        The properties of the element's class.
     * @param {SharedConnections} options.connections
     */
    constructor({ markup, properties, connections }: {
        markup: Markup;
        properties: readonly string[];
        connections: SharedConnections;
    });
    /** Whether completed rows show their result. */
    get results(): boolean;
    set results(shown: boolean);
    /** Stop showing uploads. @protected */
    protected detach(): void;
    /** Update the shadow tree. @protected */
    protected render(): void;
    /** Return the announcement that replaces many. @protected */
    protected summary(): string;
    /** Whether the connection has been lost for a while. @protected @param {Roomcast | null} connection */
    protected isStale(connection: Roomcast | null): boolean;
    /** Show the result in a row, once it is open, or the player of its film, if `results` is set.
     * @protected @param {ResultRow} row */
    protected showResult(row: ResultRow): Promise<void>;
}
