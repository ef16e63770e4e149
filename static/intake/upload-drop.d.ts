/** The element `<upload-drop>`; see `upload-drop.js` in the parent folder. */
import { ConnectedElement } from "../elements/connected-element.js";
export type Roomcast = import("../client/connection.js").Roomcast;
export type Upload = import("../client/upload.js").Upload;
export type Target = HTMLElement & {
    roomcast?: Roomcast;
    refuse?: (file: File, reason: string) => void;
};
export declare class UploadDrop extends ConnectedElement {
    #private;
    static observedAttributes: string[];
    constructor();
    /** The id of the list whose connection sends the files, or of another element that has a `roomcast`. */
    get htmlFor(): string;
    set htmlFor(id: string);
    /** The accepted files, as the attribute of a file input names them; empty for all that the server accepts. */
    get accept(): string;
    set accept(accept: string);
    /** The template of the uploads; empty for the server's default. */
    get type(): string;
    set type(type: string);
    /** Whether no files are accepted. */
    get disabled(): boolean;
    set disabled(disabled: boolean);
    /** The connection that sends the files: the assigned one, that of the element that `for` names, else the lists'. @returns {Roomcast} */
    get roomcast(): Roomcast;
    /** @param {Roomcast | null} roomcast */
    set roomcast(roomcast: Roomcast | null);
    /**
     * Send files, as if they had been dropped. Those that would be refused are reported and not sent; of those that are in
     * the list already, the person is asked whether they are sent again.
     *
     * @param {Iterable<File>} files
     * @returns {Promise<Upload[]>} the uploads that were started
     */
    send(files: Iterable<File>): Promise<Upload[]>;
    focus(): void;
    attributeChangedCallback(): void;
    /** @protected */
    protected attach(): void;
    /** @protected */
    protected localize(): void;
}
