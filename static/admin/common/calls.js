/** Calls the server for the admin page, and shows the errors of the calls. */

import { asRoomcastError } from "../../protocol/errors.js";
import { setText } from "../../shared/dom.js";

/** @typedef {import("../../protocol/http.js").Http} Http */
/** @typedef {import("../../protocol/errors.js").RoomcastError} RoomcastError */

export class Calls {
  #http;
  #note;

  /** @param {Http} http @param {HTMLElement} note   Where an error is shown, as an alert. */
  constructor(http, note) {
    this.#http = http;
    this.#note = note;
  }

  get http() {
    return this.#http;
  }

  /**
   * Call the server; show its error, if there is one.
   *
   * @param {string} method @param {string} path @param {object} [body]
   * @returns {Promise<any>} the response, or undefined after an error
   */
  async perform(method, path, body) {
    const { error, response } = await this.attempt(method, path, body);
    setText(this.#note, error?.message ?? "");
    return response;
  }

  /**
   * Call the server and return its error as a value. Nothing is shown.
   *
   * @param {string} method @param {string} path @param {object} [body]
   * @returns {Promise<{response?: any, error?: RoomcastError}>}
   */
  async attempt(method, path, body) {
    try {
      return { response: await this.#http.request(method, path, body) };
    } catch (cause) {
      return { error: asRoomcastError(cause) };
    }
  }
}

/** Return the path of an upload in the server's API. @param {string} uploadId */
export function uploadPath(uploadId) {
  return `api/uploads/${encodeURIComponent(uploadId)}`;
}
