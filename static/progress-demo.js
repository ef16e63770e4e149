/** The demo page: wires files, uploads, the connection's banner and the token field to `roomcast.js`. */

import { byId, setHidden, setText } from "./dom.js";
import { objection, readConfig, takeFiles } from "./intake.js";
import { Recall } from "./recall.js";
import { connect } from "./roomcast.js";
import "./upload-progress-list.js";
import { bytesWords } from "./words.js";

/** @typedef {import("./intake.js").Config} Config */
/** @typedef {import("./intake.js").Template} Template */
/** @typedef {import("./upload-progress-list.js").UploadProgressList} UploadProgressList */

const TOKEN = "roomcast.token";
const BANNER_DELAY_MS = 700; // a blink of the connection is no news
const LINKS_AGE_MS = 5 * 60_000;

const LINK_WORDS = {
  online: ["Live", ""],
  streaming: ["Live", ""],
  polling: ["Polling", "The live connection is down. Progress is being fetched every few seconds instead."],
  reconnecting: ["Reconnecting", "The connection is lost. Trying again; everything catches up by itself."],
  offline: ["Offline", "You are offline. What the server already has goes on, and this page catches up by itself."],
};

const roomcast = connect({ token: takeToken() });
const recall = new Recall(roomcast);
const list = /** @type {UploadProgressList} */ (byId("uploads"));
const showHidden = byId("show-hidden");
const picker = /** @type {HTMLInputElement} */ (byId("files"));
const choice = /** @type {HTMLSelectElement} */ (byId("template"));
/** @type {Config} */ let config = {};
/** @type {ReturnType<typeof setTimeout> | undefined} */ let bannerTimer;
let linksSince = Date.now();

list.words = { filename: recall.filename };
list.roomcast = roomcast;
showRecalled();
void configure();
showLinkSoon();
takeFiles(picker, byId("drop"), take);
roomcast.addEventListener("statechange", showLinkSoon);
roomcast.addEventListener("unauthenticated", askForToken);
roomcast.addEventListener("change", showTitle);
recall.addEventListener("change", showRecalled);
list.addEventListener("upload-dismissed", hide);
showHidden.addEventListener("click", () => {
  recall.showHidden();
  picker.focus();
});
addEventListener("online", showLinkSoon);
addEventListener("offline", showLinkSoon);
addEventListener("beforeunload", (event) => {
  if (roomcast.uploads.some(({ sending }) => sending !== "no")) event.preventDefault();
});
document.addEventListener("visibilitychange", renewLinks);
setInterval(renewLinks, LINKS_AGE_MS);
byId("token-form").addEventListener("submit", useToken);

/** @param {File[]} files */
function take(files) {
  setText(byId("note"), files.length ? "" : "Nothing to send: folders have to be opened first.");
  const template = config.templates?.find(({ name }) => name === choice.value);
  for (const file of files) {
    const refusal = objection(file, config, template);
    if (refusal) list.refuse(file, refusal);
    else roomcast.upload(file, { type: template?.name });
  }
}

async function configure() {
  config = await readConfig(roomcast.token);
  const { maxUploadBytes, templates = [] } = config;
  if (maxUploadBytes) setText(byId("limits"), `Videos, pictures and sound, up to ${bytesWords(maxUploadBytes)} each`);
  setHidden(byId("template-row"), templates.length < 2);
  choice.replaceChildren(...templates.map(({ name, kind }) => new Option(templateWords(name, kind), name)));
  if (templates.some(({ name }) => name === "auto")) choice.value = "auto";
}

/** @param {string} name @param {Template["kind"]} kind */
function templateWords(name, kind) {
  if (kind === "file") return `${name}: any file, stored as it is`;
  if (name === "auto") return "auto: videos and pictures";
  return kind === "auto" || kind === name ? name : `${name}: ${kind} only`;
}

function showLinkSoon() {
  clearTimeout(bannerTimer);
  if (roomcast.state === "online") showLink();
  else bannerTimer = setTimeout(showLink, BANNER_DELAY_MS);
}

function showLink() {
  const state = roomcast.state === "reconnecting" && !navigator.onLine ? "offline" : roomcast.state;
  const [short, long] = LINK_WORDS[state];
  byId("connection").dataset.state = state;
  setText(byId("connection-words"), short);
  setText(byId("banner"), long);
}

function showTitle() {
  const { active, progress } = list.aggregate;
  const title = active ? `${Math.floor(progress)}% · Roomcast` : "Roomcast";
  if (document.title !== title) document.title = title;
}

function showRecalled() {
  setHidden(showHidden, recall.hidden === 0);
  setText(showHidden, `Show ${recall.hidden} hidden`);
  if (recall.lost === 0) return;
  const which = recall.lost === 1 ? "An earlier upload is" : `${recall.lost} earlier uploads are`;
  setText(byId("note"), `${which} no longer kept by the server.`);
}

/** @param {Event} event */
function hide(event) {
  recall.hide(/** @type {CustomEvent} */ (event).detail);
  if (list.matches(":state(filled)")) return;
  (recall.hidden ? showHidden : picker).focus(); // the keyboard's place went with the list
}

/** Ask again for what came out: the links to it expire. */
function renewLinks() {
  if (document.visibilityState !== "visible" || Date.now() - linksSince < LINKS_AGE_MS) return;
  linksSince = Date.now();
  for (const upload of roomcast.uploads) {
    if (upload.state?.status === "completed") void upload.refresh();
  }
}

function askForToken() {
  const form = byId("token-form");
  if (!form.hidden) return;
  setHidden(form, false);
  setText(byId("note"), "This server asks for an access token.");
}

/** @param {Event} event */
function useToken(event) {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  roomcast.token = field.value.trim();
  keepToken(field.value.trim());
  field.value = "";
  setHidden(byId("token-form"), true);
  setText(byId("note"), "");
  picker.focus();
  void configure();
  for (const upload of roomcast.uploads) {
    if (upload.error?.code === "UNAUTHENTICATED") void (upload.id ? upload.refresh() : upload.retry());
  }
}

/** A token in the address is kept for this tab and leaves the address, lest it be copied with it. */
function takeToken() {
  const here = new URL(location.href);
  const given = here.searchParams.get("token");
  if (!given) return keptToken();
  keepToken(given);
  here.searchParams.delete("token");
  history.replaceState(history.state, "", here);
  return given;
}

function keptToken() {
  try {
    return sessionStorage.getItem(TOKEN) ?? undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} token */
function keepToken(token) {
  try {
    sessionStorage.setItem(TOKEN, token);
  } catch {
    // storage is forbidden: the token lives as long as the page does
  }
}
