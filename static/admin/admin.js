/** The admin page: connects the snapshots, the numbers, the list of uploads, the side panels and the token form. */

import { asRoomcastError } from "../protocol/errors.js";
import { Http } from "../protocol/http.js";
import { byId, setHidden, setText } from "../shared/dom.js";
import { defaultServer } from "../shared/server.js";
import { saveToken, savedToken } from "../shared/storage.js";
import { formatAge, formatCount } from "./format.js";
import { FailureGroups, showWebProcesses, showWorkers } from "./panels.js";
import { followSnapshots } from "./snapshots.js";
import { UploadList } from "./upload-list.js";

const RENDER_MS = 1_000;
const CONNECTION_TEXTS = {
  connecting: "Connecting",
  online: "Live",
  reconnecting: "Reconnecting",
  locked: "Not signed in",
};

const http = new Http(defaultServer(), savedToken(), () => {});
const list = new UploadList((query) => attempt(() => http.request("GET", `api/admin/uploads?${query}`)), {
  cancel: (uploadId) => attempt(() => http.request("POST", `api/uploads/${uploadId}/cancel`)),
  delete: (uploadId) => attempt(() => http.request("DELETE", `api/uploads/${uploadId}`)),
  retry,
  element: async (uploadId) => (await attempt(() => http.request("GET", `api/uploads/${uploadId}`)))?.element,
});
const failureGroups = new FailureGroups(retry);
/** @type {any} */ let latest;
let clockOffset = 0; // the server's clock minus ours, in ms

byId("token-form").addEventListener("submit", applyToken);
setInterval(() => latest && render(), RENDER_MS);
void follow();

async function follow() {
  showConnectionState("connecting");
  const handlers = { onSnapshot: showSnapshot, onLost: () => showConnectionState("reconnecting") };
  const refusal = await followSnapshots(http, handlers);
  showConnectionState("locked");
  latest = undefined;
  setHidden(byId("content"), true);
  setHidden(byId("token-form"), false);
  setText(byId("token-problem"), http.token || refusal.code === "FORBIDDEN" ? refusal.message : "");
  byId("token").focus();
}

/** @param {any} snapshot   The server's `AdminSnapshot`. */
function showSnapshot(snapshot) {
  latest = snapshot;
  clockOffset = Date.parse(snapshot.overview.now) - Date.now();
  showConnectionState("online");
  setHidden(byId("content"), false);
  render();
}

function render() {
  const { overview, uploads } = latest;
  const now = Date.now() + clockOffset;
  showNumbers(overview);
  failureGroups.show(overview.failures.groups, now);
  showWorkers(overview.workers.processes, now);
  showWebProcesses(overview.web);
  list.update(uploads, now);
}

/** @param {any} overview */
function showNumbers({ queue, workers, web, statuses, failures }) {
  const total = (/** @type {string} */ name) =>
    web.reduce((/** @type {number} */ sum, /** @type {any} */ process) => sum + process[name], 0);
  const queued = Object.entries(queue.byTemplate).map(([name, count]) => `${count} ${name}`);
  if (queue.delayed) queued.push(`${formatCount(queue.delayed, "retry", "retries")} scheduled`);
  const { starting, compressing, uploading } = statuses;
  const active = starting + compressing + uploading - queue.depth - queue.delayed;
  setText(byId("active"), String(active));
  setText(byId("active-sub"), `${Math.max(0, active - workers.busy)} receiving`);
  setText(byId("queued"), String(queue.depth));
  setText(byId("queued-sub"), queued.join(", "));
  setText(byId("oldest"), queue.oldestAge === null ? "none" : formatAge(queue.oldestAge));
  setText(byId("workers"), `${workers.busy} of ${workers.total}`);
  setText(byId("workers-sub"), formatCount(workers.processes.length, "process", "processes"));
  setText(byId("failed"), String(failures.lastHour));
  setText(byId("failed-sub"), `${statuses.completed} completed`);
  setText(byId("sockets"), String(total("sockets")));
  setText(byId("streams"), String(total("streams")));
  setText(byId("sockets-sub"), formatCount(web.length, "web process", "web processes"));
  byId("workers-number").classList.toggle("bad", workers.total === 0);
  byId("failures-number").classList.toggle("bad", failures.lastHour > 0);
}

/** @param {string} uploadId */
function retry(uploadId) {
  return attempt(() => http.request("POST", `api/uploads/${uploadId}/retry`));
}

/**
 * Return the response of a call, or undefined after showing its error above the list.
 *
 * @template T @param {() => Promise<T>} call @returns {Promise<any>}
 */
async function attempt(call) {
  try {
    const response = await call();
    setText(byId("note"), "");
    return response;
  } catch (error) {
    setText(byId("note"), asRoomcastError(error).message);
    return undefined;
  }
}

/** @param {keyof typeof CONNECTION_TEXTS} state */
function showConnectionState(state) {
  byId("connection").dataset.state = state;
  setText(byId("connection-text"), CONNECTION_TEXTS[state]);
  byId("content").classList.toggle("stale", state === "reconnecting");
}

/** @param {Event} event */
function applyToken(event) {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  const token = field.value.trim();
  http.token = token;
  saveToken(token);
  field.value = "";
  setHidden(byId("token-form"), true);
  void follow();
}
