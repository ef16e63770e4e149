/** The API reference: Swagger UI shows the Socket.IO and the HTTP API, both with the token of the form. */

import { byId, setHidden, setText } from "../shared/dom.js";
import { defaultServer } from "../shared/server.js";
import { makeTabs } from "./code-tabs.js";
import { listOperations, showOperation } from "./contents.js";
import { httpPlugin } from "./http-api.js";
import { SocketCaller, describeSocketApi, socketPlugin } from "./socket-api.js";

const MAX_EVENTS = 50;

/** @type {string | null} */ let token = null;
/** @type {any[]} */ const viewers = [];
const caller = new SocketCaller(() => token, showEvent);

followColorScheme();
completeExamples();
await showDocuments();

/** Write this server's addresses into the examples, and show one language at a time. */
function completeExamples() {
  const server = defaultServer();
  const socketPath = new URL("socket.io/", server).pathname;
  for (const [name, text] of [["server", server.href], ["origin", server.origin], ["socket-path", socketPath]]) {
    for (const address of document.querySelectorAll(`#start .${name}`)) address.textContent = text;
  }
  for (const group of document.querySelectorAll("#start .code-tabs")) makeTabs(/** @type {HTMLElement} */ (group));
}

async function showDocuments() {
  const [openapi, asyncapi] = await Promise.all(["openapi.json", "asyncapi.json"].map(fetchJson));
  const form = byId("token-form");
  setHidden(form, !openapi.components.securitySchemes);
  form.addEventListener("submit", applyToken);
  const SwaggerUI = /** @type {any} */ (globalThis).SwaggerUIBundle; // of the script in the head, if it is installed
  if (!SwaggerUI) return setHidden(byId("missing"), false);
  const common = {
    tryItOutEnabled: true,
    defaultModelsExpandDepth: 0,
    syntaxHighlight: { theme: "tomorrow-night" }, // whose colours have a contrast of at least 4.5, unlike the default's
    validatorUrl: null,
  };
  const userFetch = caller.fetch.bind(caller);
  const socketApi = describeSocketApi(asyncapi);
  const httpApi = forThisPage(openapi);
  const socket = {
    spec: socketApi,
    dom_id: "#socket-viewer",
    plugins: [socketPlugin],
    supportedSubmitMethods: ["post"],
    requestInterceptor: (/** @type {any} */ request) => Object.assign(request, { userFetch }),
  };
  const http = { spec: httpApi, dom_id: "#http-viewer", docExpansion: "none", plugins: [httpPlugin] };
  viewers.push(SwaggerUI({ ...common, ...socket }), SwaggerUI({ ...common, ...http }));
  if (token) authorize();
  listOperations(socketApi, viewers[0]);
  listOperations(httpApi, viewers[1]);
  addEventListener("hashchange", showOperation);
  showOperation();
}

/** Return the OpenAPI document with this page's own server, ids that may be in the page's URL, and without the HEAD of each GET.
 * @param {any} openapi */
function forThisPage(openapi) {
  for (const methods of Object.values(openapi.paths)) {
    if (methods.get) delete methods.head;
    for (const operation of Object.values(methods)) operation.operationId = operation.operationId.replace(/[^a-z0-9]+/gi, "-");
  }
  return { ...openapi, servers: [{ url: defaultServer().href.replace(/\/$/, "") }] };
}

/** @param {string} name @returns {Promise<any>} */
async function fetchJson(name) {
  return (await fetch(new URL(name, defaultServer()))).json();
}

/** @param {Event} event */
function applyToken(event) {
  event.preventDefault();
  token = /** @type {HTMLInputElement} */ (byId("token")).value.trim() || null;
  caller.close();
  authorize();
  setText(byId("token-status"), token ? "The token is in use." : "No token is in use.");
}

function authorize() {
  const http = viewers[1];
  if (token) http?.preauthorizeApiKey("bearer", token);
  else http?.authActions.logout(["bearer"]);
}

/** List an event that the socket has received, the latest first. @param {string} name @param {unknown} payload */
function showEvent(name, payload) {
  const list = byId("events");
  const entry = document.createElement("li");
  const summary = document.createElement("strong");
  summary.textContent = name;
  const body = document.createElement("pre");
  body.textContent = JSON.stringify(payload);
  entry.append(summary, body);
  list.prepend(entry);
  if (list.children.length > MAX_EVENTS) list.lastElementChild?.remove();
  setHidden(list, false);
  setHidden(byId("no-events"), true);
}

/** Set the class by which Swagger UI is dark. */
function followColorScheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
}
