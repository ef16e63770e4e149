/** The admin page: wires the board's stream, the numbers, the list, what stands beside it, and the token field. */

import { byId, setHidden, setText } from "../dom.js";
import { asRoomcastError } from "../failure.js";
import { Http } from "../http.js";
import { guarded } from "../storage.js";
import { followBoard } from "./board.js";
import { UploadList } from "./list.js";
import { Failures, showWeb, showWorkers } from "./side.js";
import { ageWords, countWords } from "./words.js";

const TOKEN = "roomcast.token"; // the demo page's too
const TICK_MS = 1_000;
const LINK_WORDS = { connecting: "Connecting", online: "Live", reconnecting: "Reconnecting", locked: "Locked" };

const kept = guarded(() => sessionStorage.getItem(TOKEN) ?? undefined, undefined);
const http = new Http(new URL(location.origin), kept, () => {});
const list = new UploadList((query) => attempt(() => http.request("GET", `/api/admin/uploads?${query}`)), {
  cancel: (uploadId) => attempt(() => http.request("DELETE", `/api/uploads/${uploadId}`)),
  retry,
  element: async (uploadId) => (await attempt(() => http.request("GET", `/api/uploads/${uploadId}`)))?.element,
});
const failures = new Failures(retry);
/** @type {any} */ let board;
let ahead = 0; // the server's clock before ours, in ms

byId("token-form").addEventListener("submit", useToken);
setInterval(() => board && show(), TICK_MS);
void follow();

async function follow() {
  showLink("connecting");
  const refusal = await followBoard(http, { onBoard: hear, onLost: () => showLink("reconnecting") });
  showLink("locked");
  board = undefined;
  setHidden(byId("content"), true);
  setHidden(byId("token-form"), false);
  setText(byId("token-problem"), http.token || refusal.code === "FORBIDDEN" ? refusal.message : "");
  byId("token").focus();
}

/** @param {any} told   `admin_shapes.Board` */
function hear(told) {
  board = told;
  ahead = Date.parse(told.overview.now) - Date.now();
  showLink("online");
  setHidden(byId("content"), false);
  show();
}

function show() {
  const { overview, uploads } = board;
  const now = Date.now() + ahead;
  showNumbers(overview);
  failures.show(overview.failures.groups, now);
  showWorkers(overview.workers.processes, now);
  showWeb(overview.web);
  list.hear(uploads, now);
}

/** @param {any} overview */
function showNumbers({ queue, workers, web, statuses, failures: failed }) {
  const sum = (/** @type {string} */ what) => web.map((/** @type {any} */ one) => one[what]).reduce(add, 0);
  const templates = Object.entries(queue.byTemplate).map(([name, count]) => `${count} ${name}`);
  if (queue.delayed) templates.push(`${countWords(queue.delayed, "retry", "retries")} later`);
  const { starting, compressing, uploading } = statuses;
  const active = starting + compressing + uploading - queue.depth - queue.delayed;
  setText(byId("active"), String(active));
  setText(byId("active-sub"), `${Math.max(0, active - workers.busy)} receiving`);
  setText(byId("queued"), String(queue.depth));
  setText(byId("queued-sub"), templates.join(", "));
  setText(byId("oldest"), queue.oldestAge === null ? "none" : ageWords(queue.oldestAge));
  setText(byId("workers"), `${workers.busy} of ${workers.total}`);
  setText(byId("workers-sub"), countWords(workers.processes.length, "process", "processes"));
  setText(byId("failed"), String(failed.lastHour));
  setText(byId("failed-sub"), `${statuses.completed} completed`);
  setText(byId("sockets"), String(sum("sockets")));
  setText(byId("streams"), String(sum("streams")));
  setText(byId("sockets-sub"), countWords(web.length, "web process", "web processes"));
  byId("workers-number").classList.toggle("bad", workers.total === 0);
  byId("failures-number").classList.toggle("bad", failed.lastHour > 0);
}

/** @param {number} one @param {number} other */
function add(one, other) {
  return one + other;
}

/** @param {string} uploadId */
function retry(uploadId) {
  return attempt(() => http.request("POST", `/api/uploads/${uploadId}/retry`));
}

/**
 * A call's answer; what is wrong with it is said above the list.
 *
 * @template T @param {() => Promise<T>} call @returns {Promise<any>}
 */
async function attempt(call) {
  try {
    const answer = await call();
    setText(byId("note"), "");
    return answer;
  } catch (error) {
    setText(byId("note"), asRoomcastError(error).message);
    return undefined;
  }
}

/** @param {keyof typeof LINK_WORDS} state */
function showLink(state) {
  byId("connection").dataset.state = state;
  setText(byId("connection-words"), LINK_WORDS[state]);
  byId("content").classList.toggle("stale", state === "reconnecting");
}

/** @param {Event} event */
function useToken(event) {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  const token = field.value.trim();
  http.token = token;
  guarded(() => sessionStorage.setItem(TOKEN, token), undefined);
  field.value = "";
  setHidden(byId("token-form"), true);
  void follow();
}
