/** The server's HTTP calls, as one viewer. */

import { told, unreachable } from "./failure.js";

/** @typedef {import("./failure.js").RoomcastError} RoomcastError */

const ANSWER_MS = 25_000; // a cancel is answered only when the work has stopped

export class Http {
  #url;
  #onFailure;
  /** The bearer token. @type {string | undefined} */ token;

  /**
   * @param {URL} url   The server.
   * @param {string | undefined} token
   * @param {(failure: RoomcastError) => void} onFailure   Hears of everything that the server refuses.
   */
  constructor(url, token, onFailure) {
    this.#url = url;
    this.token = token;
    this.#onFailure = onFailure;
  }

  /** @param {string} path */
  address(path) {
    return new URL(path, this.#url);
  }

  /** A link in an answer, as a whole address; what is none stays as it is. @param {string} link */
  link(link) {
    return URL.canParse(link, this.#url) ? this.address(link).href : link;
  }

  /** The headers that tell who is asking. @returns {Record<string, string>} */
  get credentials() {
    return this.token ? { authorization: `Bearer ${this.token}` } : {};
  }

  /**
   * One call that is answered with JSON; a `File` is sent as it is.
   *
   * @param {string} method @param {string} path @param {File | object} [body] @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async request(method, path, body, signal) {
    const isFile = body instanceof Blob;
    const headers = new Headers({ accept: "application/json" });
    if (body) headers.set("content-type", isFile ? body.type || "application/octet-stream" : "application/json");
    const until = isFile ? signal : (signal ?? AbortSignal.timeout(ANSWER_MS));
    const sent = isFile ? body : body && JSON.stringify(body);
    const response = await this.open(path, { method, headers, body: sent, signal: until });
    return response.json().catch((cause) => {
      throw unreachable(cause); // it broke off, or is not our server's
    });
  }

  /**
   * The answer to a call, once its head is here; rejects with a `RoomcastError` when it tells of an error.
   *
   * @param {string} path
   * @param {RequestInit & {headers: Headers}} init
   * @returns {Promise<Response>}
   */
  async open(path, init) {
    for (const [name, value] of Object.entries(this.credentials)) init.headers.set(name, value);
    const response = await fetch(this.address(path), init).catch((cause) => {
      throw unreachable(cause);
    });
    if (response.ok) return response;
    const answer = await response.json().catch(() => null);
    const failure = told(answer?.error, response.status);
    this.#onFailure(failure);
    throw failure;
  }
}
