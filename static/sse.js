/** Server-sent events out of the text of a stream, as it comes, after the HTML standard. Pure. */

/**
 * @typedef {object} ServerSentEvent
 * @property {string} name
 * @property {string} data
 */

/** Takes text in pieces of any length. What it says of positions is not looked at: our messages carry their own. */
export class EventParser {
  #rest = "";
  #name = "";
  /** @type {string[]} */ #data = [];

  /**
   * The events that are whole with this piece.
   *
   * @param {string} text
   * @returns {ServerSentEvent[]}
   */
  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/); // the other half of a final \r may be still to come
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#take(line));
  }

  /** @param {string} line @returns {ServerSentEvent[]} */
  #take(line) {
    if (line === "") return this.#dispatch();
    const [, field, value] = /** @type {RegExpExecArray} */ (/^([^:]*)(?:: ?(.*))?$/s.exec(line));
    if (field === "event") this.#name = value ?? "";
    if (field === "data") this.#data.push(value ?? "");
    return [];
  }

  #dispatch() {
    const event = { name: this.#name || "message", data: this.#data.join("\n") };
    const whole = this.#data.length > 0;
    this.#name = "";
    this.#data = [];
    return whole ? [event] : [];
  }
}
