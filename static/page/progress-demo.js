/** The demo page: connects the file picker, the list of uploads, the connection banner and the token form. */

import { connect } from "../client/connection.js";
import "../elements/upload-progress-list.js";
import { fetchConfig, rejectionReason } from "../intake/checks.js";
import { byId, setHidden, setText } from "../shared/dom.js";
import { saveToken, savedToken } from "../shared/storage.js";
import { UploadHistory } from "./history.js";
import { acceptFiles } from "./file-picker.js";
import { PageLanguage } from "./language.js";

/** @typedef {import("../elements/upload-progress-list.js").UploadProgressList} UploadProgressList */
/** @typedef {import("../intake/checks.js").Config} Config */
/** @typedef {import("../intake/checks.js").Template} Template */

const BANNER_DELAY_MS = 700; // shorter interruptions are not reported
const URL_REFRESH_MS = 5 * 60_000;

const language = new PageLanguage(/** @type {HTMLSelectElement} */ (byId("language")));
const roomcast = connect({ token: initialToken() });
const history = new UploadHistory(roomcast, () => language.locale);
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
language.addEventListener("change", showTexts);
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
  setText(byId("note"), files.length ? "" : language.locale.folder);
  const template = config.templates?.find(({ name }) => name === templateSelect.value);
  for (const file of files) {
    const reason = rejectionReason(file, config, template, language.locale);
    if (reason) list.refuse(file, reason);
    else roomcast.upload(file, { type: template?.name });
  }
}

async function configure() {
  config = await fetchConfig(roomcast);
  const { templates = [] } = config;
  setHidden(byId("template-row"), templates.length < 2);
  templateSelect.replaceChildren(...templates.map(({ name }) => new Option(name, name)));
  if (templates.some(({ name }) => name === "auto")) templateSelect.value = "auto";
  showConfig();
}

function showConfig() {
  const { maxUploadBytes, templates = [] } = config;
  const { bytes, page } = language.locale;
  setText(byId("limits"), maxUploadBytes ? page.fileTypesUpTo(bytes(maxUploadBytes)) : page.fileTypes);
  for (const [index, { name, kind }] of templates.entries()) {
    setText(templateSelect.options[index], templateLabel(name, kind));
  }
}

/** @param {string} name @param {Template["kind"]} kind */
function templateLabel(name, kind) {
  const { page } = language.locale;
  if (kind === "file") return page.templateForFiles(name);
  if (name === "auto") return page.templateForMedia(name);
  if (kind === "auto" || kind === name) return name;
  return kind === "video" ? page.templateForVideos(name) : page.templateForImages(name);
}

/** Show the texts that are not in the page's HTML in another language. */
function showTexts() {
  showConfig();
  showConnectionState();
  showHistory();
}

function scheduleConnectionState() {
  clearTimeout(bannerTimer);
  if (roomcast.state === "online") showConnectionState();
  else bannerTimer = setTimeout(showConnectionState, BANNER_DELAY_MS);
}

function showConnectionState() {
  const state = roomcast.state === "reconnecting" && !navigator.onLine ? "offline" : roomcast.state;
  const { page } = language.locale;
  const [label, banner] = {
    online: [page.live, ""],
    streaming: [page.live, ""],
    polling: [page.polling, page.pollingNote],
    reconnecting: [page.reconnecting, page.reconnectingNote],
    offline: [page.offline, page.offlineNote],
  }[state];
  byId("connection").dataset.state = state;
  setText(byId("connection-text"), label);
  setText(byId("banner"), banner);
}

function showTitle() {
  const { active, progress } = list.aggregate;
  const title = active ? `${language.locale.format.percent(progress)} · Roomcast` : "Roomcast";
  if (document.title !== title) document.title = title;
}

function showHistory() {
  const { hiddenCount, goneCount } = history;
  setHidden(showHidden, hiddenCount === 0);
  setText(showHidden, language.locale.page.showHidden(hiddenCount));
  if (goneCount > 0) setText(byId("note"), language.locale.page.noLongerStored(goneCount));
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
  setText(byId("note"), language.locale.page.tokenNeeded);
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
