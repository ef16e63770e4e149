/** The demo page: connects the drop zone, the list of uploads, the connection's state and the token form. */

import { connect } from "../client/connection.js";
import "../elements/upload-progress-list.js";
import { acceptedText, fetchConfig } from "../intake/checks.js";
import { acceptChosen, acceptFromButtons } from "../intake/file-sources.js";
import { readTransfer, withPastedNames } from "../intake/given-files.js";
import { Notices } from "../intake/notices.js";
import { sendFiles } from "../intake/send-files.js";
import { byId, setHidden, setText } from "../shared/dom.js";
import { askForTokens, initialToken } from "./access-token.js";
import { ConnectionStatus } from "./connection-status.js";
import { acceptDrops } from "./drop-overlay.js";
import { faviconOf } from "./favicon.js";
import { UploadHistory } from "./history.js";
import { PageLanguage } from "./language.js";
import { DoneNotification } from "./notification.js";
import { PageTitle } from "./page-title.js";

/** @typedef {import("../elements/upload-progress-list.js").UploadProgressList} UploadProgressList */
/** @typedef {import("../intake/checks.js").Config} Config */
/** @typedef {import("../intake/given-files.js").Given} Given */

const URL_REFRESH_MS = 5 * 60_000;

const language = new PageLanguage(/** @type {HTMLSelectElement} */ (byId("language")));
const locale = () => language.locale;
const roomcast = connect({ token: initialToken() });
const history = new UploadHistory(roomcast, locale);
const status = new ConnectionStatus(roomcast, locale);
const notices = new Notices(byId("notices"), locale);
const list = /** @type {UploadProgressList} */ (byId("uploads"));
const showHidden = byId("show-hidden");
const picker = /** @type {HTMLInputElement} */ (byId("files"));
const templateSelect = /** @type {HTMLSelectElement} */ (byId("template"));
const notification = new DoneNotification(byId("notify"), notices, locale);
const icon = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
const title = new PageTitle(locale, faviconOf(icon), (result) => notification.notify(result));
/** @type {Config} */ let config = {};
/** @type {Promise<Config>} */ let loadedConfig;
let configFailed = false;
let urlsRefreshedAt = Date.now();

list.locale = { filename: history.filename };
list.roomcast = roomcast;
showHistory();
configure();
acceptChosen(picker, send);
acceptFromButtons([byId("folder"), byId("photo"), byId("video")], send);
acceptDrops(byId("overlay"), locale, (transfer) => send(readTransfer(transfer)));
askForTokens(roomcast, status, () => {
  picker.focus();
  configure();
});
addEventListener("paste", paste);
templateSelect.addEventListener("change", showConfig);
roomcast.addEventListener("change", showTitle);
roomcast.addEventListener("statechange", () => {
  if (configFailed && roomcast.state !== "reconnecting") configure();
});
history.addEventListener("change", showHistory);
language.addEventListener("change", showTexts);
list.addEventListener("upload-dismissed", hide);
// Here or in another tab; the list removes the row in a microtask of its own, which is queued before.
roomcast.addEventListener("uploadremoved", () => queueMicrotask(() => {
  if (document.activeElement === list) moveFocusFromHiddenList();
}));
showHidden.addEventListener("click", () => {
  history.showHidden();
  picker.focus();
});
addEventListener("beforeunload", (event) => {
  if (roomcast.uploads.some(({ sending }) => sending !== "no")) event.preventDefault();
});
document.addEventListener("visibilitychange", refreshUrls);
setInterval(refreshUrls, URL_REFRESH_MS);

/** @param {Promise<Given>} given */
async function send(given) {
  const type = config.templates?.length ? templateSelect.value : "";
  await sendFiles(await given, {
    accept: "",
    locale: locale(),
    notices,
    roomcast,
    type,
    config: () => loadedConfig,
    refuse: (file, reason) => list.refuse(file, reason),
  });
}

/** @param {ClipboardEvent} event */
function paste({ clipboardData, target }) {
  const isText = target instanceof Element && target.matches("input:not([type=file]), textarea");
  if (isText || !clipboardData?.types.includes("Files")) return;
  const now = new Date(); // reading may take a while
  const given = readTransfer(clipboardData);
  void send(given.then((read) => withPastedNames(read, locale().intake.pastedPicture, now)));
}

function configure() {
  configFailed = false;
  loadedConfig = fetchConfig(roomcast);
  void loadedConfig.then((loaded) => {
    config = loaded;
    configFailed = !config.templates;
    const { templates = [] } = config;
    const names = templates.map(({ name }) => name);
    setHidden(byId("template-row"), templates.every(({ builtIn }) => builtIn));
    templateSelect.replaceChildren(...names.map((name) => new Option(name, name)));
    templateSelect.value = names.includes("auto") ? "auto" : (names[0] ?? "");
    showConfig();
  });
}

function showConfig() {
  const { templates = [] } = config;
  const { page } = locale();
  for (const [index, template] of templates.entries()) {
    const { name, title, builtIn } = template;
    const own = builtIn ? (page.builtInTemplates[name] ?? title) : page.templateTitle(template);
    setText(templateSelect.options[index], own);
  }
  const chosen = templates.find(({ name }) => name === templateSelect.value);
  setText(byId("limits"), acceptedText(config, chosen, locale()) || page.fileTypes);
  picker.accept = chosen?.kind === "file" ? "" : "video/*,audio/*,image/*";
}

/** Show the texts that are not in the page's HTML in another language. */
function showTexts() {
  showConfig();
  status.show();
  showHistory();
  showTitle();
}

function showTitle() {
  const { aggregate } = list;
  title.update({ ...aggregate, failed: aggregate.failed + list.refused });
  notification.update(aggregate.active > 0);
}

function showHistory() {
  const { hiddenCount, goneCount } = history;
  setHidden(showHidden, hiddenCount === 0);
  setText(showHidden, locale().page.showHidden(hiddenCount));
  if (goneCount > 0) notices.inform(locale().page.noLongerStored(goneCount));
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
