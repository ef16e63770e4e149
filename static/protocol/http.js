/** Calls the server's HTTP API. */

import { hintAtCors } from "./cors-hint.js";
import { errorFromResponse, networkError } from "./errors.js";

/** @typedef {import("./errors.js").RoomcastError} RoomcastError */

const TIMEOUT_MS = 25_000; // a cancel is answered only when the work has stopped

export class Http {
  #url;
  #onError;
  /** The bearer token. @type {string | undefined} */ token;

  /**
   * @param {URL} url   The server; its path is the prefix that the server is mounted under.
   * @param {string | undefined} token
   * @param {(error: RoomcastError) => void} onError   Called with every error that the server answers.
   */
  constructor(url, token, onError) {
    this.#url = withSlash(url);
    this.token = token;
    this.#onError = onError;
  }

  /** The URL of the server, with a slash at the end. */
  get serverUrl() {
    return this.#url;
  }

  /**
   * Return a URL on the server: of a path below the server's own, or of a URL that the server has sent.
   *
   * @param {string} path   Such as `api/uploads`; one that begins with a slash belongs to the whole origin.
   */
  url(path) {
    return new URL(path, this.#url);
  }

  /** Make a URL from a response absolute; an invalid one is returned unchanged. @param {string} url */
  absoluteUrl(url) {
    return URL.canParse(url, this.#url) ? this.url(url).href : url;
  }

  /** The headers that authenticate the viewer. @returns {Record<string, string>} */
  get authHeaders() {
    return this.token ? { authorization: `Bearer ${this.token}` } : {};
  }

  /** Record in an `UNAUTHENTICATED` error whether a token was sent. @param {RoomcastError} error */
  withTokenRefusal(error) {
    error.tokenRefused = error.code === "UNAUTHENTICATED" && Boolean(this.token);
    return error;
  }

  /**
   * Send a request and return the JSON of its response. A `File` is sent as it is, any other body as JSON.
   *
   * @param {string} method @param {string} path @param {File | object} [body] @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async request(method, path, body, signal) {
    const isFile = body instanceof Blob;
    const headers = new Headers({ accept: "application/json" });
    if (body) headers.set("content-type", isFile ? body.type || "application/octet-stream" : "application/json");
    const abort = isFile ? signal : (signal ?? AbortSignal.timeout(TIMEOUT_MS));
    const payload = isFile ? body : body && JSON.stringify(body);
    const keepalive = !body && method !== "GET"; // what a person has asked for is done also when the page is left
    const response = await this.open(path, { method, headers, body: payload, signal: abort, keepalive });
    return response.json().catch((cause) => {
      throw networkError(cause); // the body is incomplete, or a proxy answered instead of the server
    });
  }

  /**
   * Send a request and return its response as soon as the headers are there. Rejects with a `RoomcastError` when the
   * status is an error.
   *
   * @param {string} path
   * @param {RequestInit & {headers: Headers}} init
   * @returns {Promise<Response>}
   */
  async open(path, init) {
    for (const [name, value] of Object.entries(this.authHeaders)) init.headers.set(name, value);
    const response = await fetch(this.url(path), init).catch((cause) => {
      if (cause instanceof TypeError) void hintAtCors(this.#url);
      throw networkError(cause);
    });
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    const error = this.withTokenRefusal(errorFromResponse(body?.error, response.status));
    this.#onError(error);
    throw error;
  }
}

/** Return a URL without query and fragment whose path ends with a slash. @param {URL} url */
function withSlash({ origin, pathname }) {
  return new URL(pathname.endsWith("/") ? pathname : `${pathname}/`, origin);
}
