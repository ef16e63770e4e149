/** The demo page: connects the file picker, the list of uploads, the connection banner and the token form. */

import { connect } from "../client/connection.js";
import "../elements/upload-progress-list.js";
import { fetchConfig, rejectionReason } from "../intake/checks.js";
import { formatBytes } from "../locale/format.js";
import { byId, setHidden, setText } from "../shared/dom.js";
import { saveToken, savedToken } from "../shared/storage.js";
import { UploadHistory } from "./history.js";
import { acceptFiles } from "./file-picker.js";

/** @typedef {import("../elements/upload-progress-list.js").UploadProgressList} UploadProgressList */
/** @typedef {import("../intake/checks.js").Config} Config */
/** @typedef {import("../intake/checks.js").Template} Template */

const BANNER_DELAY_MS = 700; // shorter interruptions are not reported
const URL_REFRESH_MS = 5 * 60_000;

const CONNECTION_TEXTS = {
  online: ["Live", ""],
  streaming: ["Live", ""],
  polling: ["Polling", "The live connection is not available. The progress is updated every few seconds."],
  reconnecting: ["Reconnecting", "The connection was lost. Reconnecting… Uploads will continue automatically."],
  offline: ["Offline", "You are offline. Uploads will continue automatically when you are online again."],
};

const roomcast = connect({ token: initialToken() });
const history = new UploadHistory(roomcast);
const list = /** @type {UploadProgressList} */ (byId("uploads"));
const showHidden = byId("show-hidden");
const picker = /** @type {HTMLInputElement} */ (byId("files"));
const templateSelect = /** @type {HTMLSelectElement} */ (byId("template"));
/** @type {Config} */ let config = {};
/** @type {ReturnType<typeof setTimeout> | undefined} */ let bannerTimer;
let urlsRefreshedAt = Date.now();

list.locale = { filename: history.filename };
list.roomcast = roomcast;
showHistory();
void configure();
scheduleConnectionState();
acceptFiles(picker, byId("drop"), uploadFiles);
roomcast.addEventListener("statechange", scheduleConnectionState);
roomcast.addEventListener("unauthenticated", askForToken);
roomcast.addEventListener("change", showTitle);
history.addEventListener("change", showHistory);
list.addEventListener("upload-dismissed", hide);
list.addEventListener("upload-deleted", () => {
  if (document.activeElement === list) moveFocusFromHiddenList();
});
showHidden.addEventListener("click", () => {
  history.showHidden();
  picker.focus();
});
addEventListener("online", scheduleConnectionState);
addEventListener("offline", scheduleConnectionState);
addEventListener("beforeunload", (event) => {
  if (roomcast.uploads.some(({ sending }) => sending !== "no")) event.preventDefault();
});
document.addEventListener("visibilitychange", refreshUrls);
setInterval(refreshUrls, URL_REFRESH_MS);
byId("token-form").addEventListener("submit", applyToken);

/** @param {File[]} files */
function uploadFiles(files) {
  setText(byId("note"), files.length ? "" : "Folders cannot be uploaded. Open the folder and choose the files in it.");
  const template = config.templates?.find(({ name }) => name === templateSelect.value);
  for (const file of files) {
    const reason = rejectionReason(file, config, template);
    if (reason) list.refuse(file, reason);
    else roomcast.upload(file, { type: template?.name });
  }
}

async function configure() {
  config = await fetchConfig(roomcast);
  const { maxUploadBytes, templates = [] } = config;
  const limit = maxUploadBytes ? `, up to ${formatBytes(maxUploadBytes)} each` : "";
  setText(byId("limits"), `Videos, images and audio files${limit}`);
  setHidden(byId("template-row"), templates.length < 2);
  templateSelect.replaceChildren(...templates.map(({ name, kind }) => new Option(templateLabel(name, kind), name)));
  if (templates.some(({ name }) => name === "auto")) templateSelect.value = "auto";
}

/** @param {string} name @param {Template["kind"]} kind */
function templateLabel(name, kind) {
  if (kind === "file") return `${name}: any file, stored unchanged`;
  if (name === "auto") return "auto: videos and images";
  return kind === "auto" || kind === name ? name : `${name}: ${kind === "video" ? "videos" : "images"} only`;
}

function scheduleConnectionState() {
  clearTimeout(bannerTimer);
  if (roomcast.state === "online") showConnectionState();
  else bannerTimer = setTimeout(showConnectionState, BANNER_DELAY_MS);
}

function showConnectionState() {
  const state = roomcast.state === "reconnecting" && !navigator.onLine ? "offline" : roomcast.state;
  const [label, banner] = CONNECTION_TEXTS[state];
  byId("connection").dataset.state = state;
  setText(byId("connection-text"), label);
  setText(byId("banner"), banner);
}

function showTitle() {
  const { active, progress } = list.aggregate;
  const title = active ? `${Math.floor(progress)}% · Roomcast` : "Roomcast";
  if (document.title !== title) document.title = title;
}

function showHistory() {
  const { hiddenCount, goneCount } = history;
  setHidden(showHidden, hiddenCount === 0);
  setText(showHidden, `Show ${hiddenCount} hidden`);
  if (goneCount === 0) return;
  const subject = goneCount === 1 ? "An earlier upload is" : `${goneCount} earlier uploads are`;
  setText(byId("note"), `${subject} no longer stored on the server.`);
}

/** @param {Event} event */
function hide(event) {
  history.hide(/** @type {CustomEvent} */ (event).detail);
  moveFocusFromHiddenList();
}

function moveFocusFromHiddenList() {
  if (!list.matches(":state(filled)")) (history.hiddenCount ? showHidden : picker).focus();
}

/** Fetch completed uploads again, because the URLs of their results expire. */
function refreshUrls() {
  if (document.visibilityState !== "visible" || Date.now() - urlsRefreshedAt < URL_REFRESH_MS) return;
  urlsRefreshedAt = Date.now();
  for (const upload of roomcast.uploads) {
    if (upload.state?.status === "completed") void upload.refresh();
  }
}

function askForToken() {
  const form = byId("token-form");
  if (!form.hidden) return;
  setHidden(form, false);
  setText(byId("note"), "This server requires an access token.");
}

/** @param {Event} event */
function applyToken(event) {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  const token = field.value.trim();
  roomcast.token = token;
  saveToken(token);
  field.value = "";
  setHidden(byId("token-form"), true);
  setText(byId("note"), "");
  picker.focus();
  void configure();
  for (const upload of roomcast.uploads) {
    if (upload.error?.code === "UNAUTHENTICATED") void (upload.id ? upload.refresh() : upload.retry());
  }
}

/** Return the token in the page's URL, else the saved one. It is removed from the URL, which may be shared. */
function initialToken() {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (!token) return savedToken();
  saveToken(token);
  url.searchParams.delete("token");
  window.history.replaceState(window.history.state, "", url);
  return token;
}
