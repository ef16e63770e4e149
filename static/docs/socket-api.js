/** Shows the Socket.IO API in Swagger UI: describes it as OpenAPI, and carries out its calls over a socket. */

import { loadSocketIo } from "../shared/lazy-import.js";
import { defaultServer } from "../shared/server.js";
import { codeComponents } from "./code-component.js";
import { callExamples, eventExamples } from "./examples.js";

const ACK_SECONDS = 30;

/**
 * Describe the calls and events of an AsyncAPI document as operations of OpenAPI: a call is a POST, and an event a GET,
 * which cannot be tried out.
 *
 * Swagger UI shows both documents because the viewers of AsyncAPI were no better: AsyncAPI's React component needs
 * `unsafe-eval` and 246 packages (120 MB) and has no dark mode; Redoc 3 cannot try out anything and sends telemetry.
 *
 * @param {any} asyncapi
 */
export function describeSocketApi(asyncapi) {
  /** @type {Record<string, any>} */ const paths = {};
  for (const [name, operation] of Object.entries(asyncapi.operations)) {
    const messages = operation.messages.map((/** @type {any} */ reference) => resolve(asyncapi, reference));
    const common = { operationId: name, summary: operation.summary.replaceAll(/`([^`]+)`/g, "“$1”") };
    if (operation.action === "send") {
      paths[`/${name}`] = { get: { ...common, tags: ["Events"], responses: { 200: { ...response(messages[0]), description: "Payload" } } } };
    } else if (operation.reply) {
      const [ack, refused] = operation.reply.messages.map((/** @type {any} */ each) => resolve(asyncapi, each));
      const body = { description: messages[0].summary, required: true, content: json(messages[0].payload) };
      const responses = { 200: response(ack), 400: response(refused) };
      paths[`/${name}`] = { post: { ...common, tags: ["Calls"], requestBody: body, responses } };
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "Socket.IO", version: asyncapi.info.version },
    servers: [{ url: location.origin }],
    tags: [{ name: "Calls" }, { name: "Events" }],
    paths,
    components: { schemas: asyncapi.components.schemas },
  };
}

/** @param {any} document @param {{ $ref: string }} reference @returns {any} */
function resolve(document, reference) {
  return reference.$ref.slice(2).split("/").reduce((node, key) => node[key], document);
}

/** @param {any} message */
function response(message) {
  return { description: message.summary, content: json(message.payload, message.examples?.[0].payload) };
}

/** @param {any} schema @param {unknown} [example] */
function json(schema, example) {
  return { "application/json": example === undefined ? { schema } : { schema, example } };
}

/** Swagger UI's plugin that names calls and events as Socket.IO does, and shows their code.
 * @param {any} system */
export function socketPlugin(system) {
  const element = system.React.createElement;
  return {
    wrapComponents: {
      OperationSummaryMethod: (/** @type {any} */ Original) => (/** @type {any} */ props) =>
        element(Original, { ...props, method: props.method === "post" ? "emit" : "on" }),
      OperationSummaryPath: () => (/** @type {any} */ { operationProps }) =>
        element("span", { className: "opblock-summary-path" }, operationProps.get("operationId")),
      ...codeComponents(system, socketExamples),
    },
  };
}

/** Return the code of a call or of an event: a call's with the argument that was sent, or else its example.
 * @param {import("./code-component.js").ShownOperation} operation */
function socketExamples({ path, method, sent, sampleBody }) {
  const name = path.slice(1);
  return method === "get" ? eventExamples(name) : callExamples(name, sent?.get("body") ?? sampleBody ?? "{}");
}

/** Makes calls over one socket, which connects at the first call. */
export class SocketCaller {
  /** @param {() => string | null} token @param {(name: string, payload: unknown) => void} onEvent */
  constructor(token, onEvent) {
    this.token = token;
    this.onEvent = onEvent;
    /** @type {any} */ this.socket = null;
  }

  /** End the connection, so that the next call connects with the token of then. */
  close() {
    this.socket?.disconnect();
    this.socket = null;
  }

  /** Make the call that a request of Swagger UI stands for: `fetch` for its `userFetch`.
   * @param {string} url @param {{ body: string }} request @returns {Promise<Response>} */
  async fetch(url, { body }) {
    try {
      const socket = await this.connected();
      const name = new URL(url).pathname.slice(1);
      const ack = await socket.timeout(ACK_SECONDS * 1000).emitWithAck(name, JSON.parse(body));
      return reply(ack, ack.ok ? 200 : 400, ack.ok ? "Acknowledged" : "Refused");
    } catch (error) {
      const { data, message } = /** @type {any} */ (error);
      return reply(data ?? { message }, 400, "Not connected");
    }
  }

  /** @returns {Promise<any>} */
  async connected() {
    if (this.socket?.connected) return this.socket;
    const io = await loadSocketIo();
    if (!io) throw new Error("The Socket.IO client is not installed on this server.");
    this.close();
    const token = this.token();
    const { origin, pathname } = defaultServer();
    const socket = io(origin, { path: `${pathname}socket.io`, auth: token ? { token } : {}, forceNew: true });
    this.socket = socket;
    socket.onAny(this.onEvent);
    return new Promise((resolve, reject) => {
      socket.once("connect", () => resolve(socket));
      socket.once("connect_error", (/** @type {unknown} */ error) => {
        socket.disconnect();
        reject(error);
      });
    });
  }
}

/** @param {unknown} body @param {number} status @param {string} statusText */
function reply(body, status, statusText) {
  return new Response(JSON.stringify(body), { status, statusText, headers: { "Content-Type": "application/json" } });
}
