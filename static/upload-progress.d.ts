/**
 * `<upload-progress>`: one upload, by its id.
 *
 * ```html
 * <script type="module" src="/static/upload-progress.js"></script>
 * <upload-progress upload-id="upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5" results></upload-progress>
 * ```
 *
 * Attributes, each also a property in camel case:
 *
 * - `upload-id`    the upload; without one there is nothing to see.
 * - `server`       the server's URL; by default the one that this module came from.
 * - `results`      once it is completed, what came out is shown: player, scenes, savings, downloads.
 *
 * The elements of a page that were given no `roomcast` share one connection to each server. Where the server wants a
 * token: `element.roomcast.token = …`.
 *
 * Events, all bubbling and composed, with the `Upload` as `detail`: `upload-completed`, `upload-error` (it failed, or
 * cannot be watched) and `upload-cancelled`. An upload that has ended already is told of as soon as that is known.
 *
 * Parts and custom properties are those of `<upload-progress-list>`'s rows.
 */
import { ElementOptions } from "./element-options.js";
export type Words = import("./list-words.js").Words;
export type Roomcast = import("./roomcast.js").Roomcast;
export type Upload = import("./roomcast.js").Upload;
export declare class UploadProgress extends ElementOptions {
    #private;
    static observedAttributes: string[];
    constructor();
    /** The upload's id; empty for none. */
    get uploadId(): string;
    set uploadId(uploadId: string);
    /** The connection over which the upload is watched. @returns {Roomcast} */
    get roomcast(): Roomcast;
    /** @param {Roomcast | null} roomcast */
    set roomcast(roomcast: Roomcast | null);
    /** Its words, should they not be English, or not these: any of `ENGLISH` in `list-words.js`. @returns {Words} */
    get words(): Words;
    /** @param {Partial<Words>} words */
    set words(words: Partial<Words>);
    /** The upload, while it is shown. @returns {Upload | null} */
    get upload(): Upload | null;
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** @param {string} name @param {string | null} before @param {string | null} now */
    attributeChangedCallback(name: string, before: string | null, now: string | null): void;
}
