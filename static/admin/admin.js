/** The admin page: connects the snapshots, the routes, the board, the page of an upload and the token form. */

import { Http } from "../protocol/http.js";
import { byId, setHidden, setText } from "../shared/dom.js";
import { defaultServer } from "../shared/server.js";
import { saveToken, savedToken } from "../shared/storage.js";
import { HistoryPanel } from "./charts/history-panel.js";
import { Calls, uploadPath } from "./common/calls.js";
import { Navigation } from "./common/navigation.js";
import { listFragment } from "./common/route.js";
import { followSnapshots } from "./common/snapshots.js";
import { FailureGroups } from "./panels/failures.js";
import { showHeadline } from "./panels/headline.js";
import { Rooms } from "./panels/rooms.js";
import { Templates } from "./panels/templates.js";
import { WorkerProcesses, showWebProcesses } from "./panels/workers.js";
import { BulkRun } from "./uploads/bulk.js";
import { Filters } from "./uploads/filters.js";
import { UploadList } from "./uploads/upload-list.js";

/** @typedef {import("./common/route.js").Route} Route */
/** @typedef {import("./detail/upload-page.js").UploadPage} UploadPage */
/** @typedef {import("./panels/workers.js").SetPause} SetPause */
/** @typedef {import("./uploads/bulk.js").BulkAction} BulkAction */
/** @typedef {import("./uploads/upload-row.js").Actions} Actions */

const RENDER_MS = 1_000;
const CONNECTION_TEXTS = {
  connecting: "Connecting",
  online: "Live",
  reconnecting: "Reconnecting",
  locked: "Not signed in",
};

const http = new Http(defaultServer(), savedToken(), () => {});
const calls = new Calls(http, byId("note"));
/** @type {Actions} */
const actions = {
  cancel: (uploadId) => calls.perform("POST", `${uploadPath(uploadId)}/cancel`),
  delete: (uploadId) => calls.perform("DELETE", uploadPath(uploadId)),
  retry: (uploadId) => calls.perform("POST", `${uploadPath(uploadId)}/retry`),
  element: async (uploadId) => (await calls.perform("GET", uploadPath(uploadId)))?.element,
};
/** @type {SetPause} */
const setPause = async (verb, type, name) => {
  const answer = await calls.perform("POST", `api/admin/${verb}`, { type, name });
  if (answer) void refreshOverview();
};

/** @type {any} */ let latest;
let clockOffset = 0; // the server's clock minus ours, in ms
const serverNow = () => Date.now() + clockOffset;

const navigation = new Navigation((route) => void showRoute(route));
const filters = new Filters(navigation);
const list = new UploadList((query) => calls.perform("GET", `api/admin/uploads?${query}`), actions, serverNow);
const failureGroups = new FailureGroups(actions.retry);
const workers = new WorkerProcesses(setPause);
const templates = new Templates(setPause);
const rooms = new Rooms(calls, serverNow);
const history = new HistoryPanel(calls);
/** @type {UploadPage | null} */ let page = null;
let listShown = "#/"; // the list that an upload's page leads back to
let routes = 0;

byId("token-form").addEventListener("submit", applyToken);
for (const action of /** @type {BulkAction[]} */ (["cancel", "retry", "delete"])) {
  byId(`bulk-${action}`).addEventListener("click", () => void new BulkRun(calls, action, filters.filter, serverNow()).ask());
}
setInterval(() => latest && render(), RENDER_MS);
navigation.show();
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

/** @param {any} snapshot   The server's `Board`. */
function showSnapshot(snapshot) {
  const first = !latest;
  latest = snapshot;
  clockOffset = Date.parse(snapshot.overview.now) - Date.now();
  showConnectionState("online");
  setHidden(byId("content"), false);
  render();
  if (first) navigation.show(); // what was not fetched before there was a token
}

async function refreshOverview() {
  const { response } = await calls.attempt("GET", "api/admin/overview");
  if (!response || !latest) return;
  latest = { ...latest, overview: response };
  render();
}

function render() {
  const { overview, uploads } = latest;
  const now = serverNow();
  page?.update(uploads);
  if (page) return;
  showHeadline(overview);
  failureGroups.show(overview.failures.groups, now);
  workers.show(overview.workers.processes, overview.paused, now);
  templates.show(overview, now);
  showWebProcesses(overview.web);
  list.update(uploads);
}

/** @param {Route} route */
async function showRoute(route) {
  const shown = (routes += 1);
  const hadPage = page !== null;
  page?.stop();
  page = null;
  setHidden(byId("board"), route.view !== "list");
  setText(byId("note"), "");
  if (route.view === "list") {
    document.title = "Roomcast admin";
    listShown = listFragment(route.filter);
    filters.show(route.filter);
    list.apply(route.filter);
    if (!latest) return;
    render();
    void list.refresh();
    void history.refresh();
    void rooms.refresh();
    if (hadPage) byId("uploads-heading").focus();
    return;
  }
  if (!latest) return;
  const { UploadPage } = await import("./detail/upload-page.js");
  if (shown !== routes) return;
  page = new UploadPage(route.uploadId, calls, actions, listShown, serverNow);
  byId("content").append(page.element);
  page.start();
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
