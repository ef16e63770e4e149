/** The page of one upload: what its watchers saw, its stages, attempts, events and log lines. */

import { en } from "../../locale/en.js";
import { setHidden, setText } from "../../shared/dom.js";
import { uploadPath } from "../common/calls.js";
import { Age, elementOf, factsOf, linkOf, showName } from "../common/nodes.js";
import { listFragment } from "../common/route.js";
import { UploadActions, isTerminal, outputItem } from "../uploads/upload-row.js";
import { EventList, showAttempts, showLines, showStages } from "./sections.js";
import { ReplayPlayer } from "./replay.js";
import { SegmentsPanel, oneRunReason } from "./segments.js";

/** @typedef {import("../../protocol/errors.js").RoomcastError} RoomcastError */
/** @typedef {import("../../protocol/messages.js").Message} Message */
/** @typedef {import("../common/calls.js").Calls} Calls */
/** @typedef {import("../uploads/upload-row.js").Actions} Actions */
/** @typedef {import("./segments.js").FilmSegments} FilmSegments */
/** @typedef {import("./timeline.js").UploadLog} UploadLog */

const REFRESH_MS = 2_000; // while the upload is active, because its log lines are written without an event

const MISSING = new Map([
  ["NOT_FOUND", "There is no upload with this id, or it has been removed."],
  ["DELETED", "This upload was deleted, and its log with it."],
]);

export class UploadPage {
  element = elementOf("article", "detail");
  #uploadId;
  #calls;
  #now;
  #actions;
  #heading = elementOf("h2", "name", "Upload");
  #facts = elementOf("div", "");
  #buttons = elementOf("div", "detail-buttons");
  #note = elementOf("p", "empty", "Loading…");
  #content = elementOf("div", "detail-content");
  #player;
  #events;
  #stages = elementOf("ol", "stages");
  #attempts = elementOf("ul", "attempts");
  #lines = elementOf("ol", "lines");
  #outputs = elementOf("ul", "outputs");
  #results = sectionOf("Results", this.#outputs);
  #segmentsPanel = new SegmentsPanel();
  #oneRun = elementOf("p", "one-run");
  #segments = sectionOf("Segments", this.#segmentsPanel.element, this.#oneRun);
  #age = new Age();
  /** @type {UploadActions | null} */ #uploadActions = null;
  /** @type {UploadLog | null} */ #log = null;
  #shownVersion = "";
  #requested = false;
  #loading = false;
  #stopped = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;

  /**
   * @param {string} uploadId
   * @param {Calls} calls
   * @param {Actions} actions
   * @param {string} back        The fragment of the list that was shown before.
   * @param {() => number} now   Returns the server's time in ms.
   */
  constructor(uploadId, calls, actions, back, now) {
    this.#uploadId = uploadId;
    this.#calls = calls;
    this.#actions = actions;
    this.#now = now;
    this.#player = new ReplayPlayer((url) => calls.http.absoluteUrl(url));
    this.#events = new EventList(this.#player);
    this.#heading.tabIndex = -1;
    this.#note.setAttribute("role", "status");
    const scrollable = /** @type {[HTMLElement, string][]} */ ([
      [this.#stages, "Time per stage"], [this.#attempts, "Attempts"], [this.#lines, "Log lines"],
    ]);
    for (const [list, name] of scrollable) {
      list.tabIndex = 0;
      list.setAttribute("aria-label", name);
      list.setAttribute("role", "list");
    }
    this.#content.append(
      elementOf("div", "detail-main", sectionOf("What watchers saw", this.#player.element), this.#results),
      elementOf("div", "detail-side", sectionOf("Time per stage", this.#stages), sectionOf("Attempts", this.#attempts)),
      this.#segments,
      sectionOf("Events", this.#events.element),
      sectionOf("Log", this.#lines),
    );
    setHidden(this.#content, true);
    setHidden(this.#segments, true);
    const id = factsOf("", elementOf("code", "", uploadId));
    const title = elementOf("div", "detail-title", elementOf("div", "name-line", this.#heading), this.#facts, id);
    this.element.append(
      elementOf("p", "back", linkOf(back, "", "All uploads")),
      elementOf("div", "detail-top", title, this.#buttons),
      this.#note,
      this.#content,
    );
  }

  /** Show the upload until `stop`, and move the focus to its heading. */
  start() {
    this.#timer = setInterval(() => this.#log && !isTerminal(this.#log.upload) && this.refresh(), REFRESH_MS);
    this.#heading.focus({ preventScroll: true });
    scrollTo(0, 0);
    this.refresh();
  }

  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#player.stop();
    this.element.remove();
  }

  /** Note the uploads of a snapshot, which show whether this one has changed. @param {{uploadId: string, updatedAt: string}[]} uploads */
  update(uploads) {
    const found = uploads.find(({ uploadId }) => uploadId === this.#uploadId);
    if (found && JSON.stringify(found) !== this.#shownVersion) {
      this.#shownVersion = JSON.stringify(found);
      this.refresh();
    }
    if (this.#log) this.#age.render(this.#now());
  }

  /** Fetch the log and the present state; once more at the end, if this is called meanwhile. */
  refresh() {
    this.#requested = true;
    if (!this.#loading) void this.#load();
  }

  async #load() {
    this.#loading = true;
    while (this.#requested && !this.#stopped) {
      this.#requested = false;
      const path = `api/admin/uploads/${encodeURIComponent(this.#uploadId)}`;
      const [log, present, segments] = await Promise.all([
        this.#calls.attempt("GET", `${path}/log`),
        this.#calls.attempt("GET", uploadPath(this.#uploadId)),
        this.#calls.attempt("GET", `${path}/segments`),
      ]);
      if (this.#stopped) break;
      if (log.response) {
        this.#show(log.response, present.response);
        this.#showSegments(segments.response?.film ?? null, log.response);
      }
      if (log.error) this.#showError(log.error);
    }
    this.#loading = false;
  }

  /** @param {UploadLog} log @param {Message | undefined} present   Has the ticks after the last event. */
  #show(log, present) {
    const { upload, events, stages, attempts, lines, firstSeq } = log;
    const first = !this.#log;
    this.#log = log;
    setText(this.#note, "");
    setHidden(this.#note, true);
    setHidden(this.#content, false);
    showName(this.#heading, upload.filename);
    document.title = `${upload.filename} · Roomcast admin`;
    if (first) this.#showFacts(upload);
    this.#age.at = upload.createdAt;
    this.#age.render(this.#now());
    this.#uploadActions ??= new UploadActions(upload, this.#reloading());
    if (first) this.#buttons.append(this.#uploadActions.element);
    this.#uploadActions.render(upload);
    this.#player.update(events, present);
    this.#events.show(events, firstSeq);
    showStages(this.#stages, stages);
    showAttempts(this.#attempts, attempts);
    showLines(this.#lines, lines);
    const outputs = present?.element?.outputs ?? [];
    setHidden(this.#results, outputs.length === 0);
    if (this.#outputs.childElementCount !== outputs.length) this.#outputs.replaceChildren(...outputs.map(outputItem));
  }

  /** @param {FilmSegments | null} film @param {UploadLog} log */
  #showSegments(film, { lines }) {
    const reason = film ? "" : oneRunReason(lines);
    if (film) this.#segmentsPanel.show(film);
    setHidden(this.#segmentsPanel.element, film === null);
    setText(this.#oneRun, reason);
    setHidden(this.#segments, film === null && !reason);
  }

  /** @param {UploadLog["upload"]} upload */
  #showFacts({ owner, template, bytesExpected, bytesReceived }) {
    const user = linkOf(listFragment({ owner }), "", owner);
    user.dir = "auto";
    const size = en.bytes(bytesExpected ?? bytesReceived);
    const created = elementOf("span", "", this.#age.element, " ago");
    this.#facts.replaceChildren(factsOf("", user, linkOf(listFragment({ template }), "", template), size, created));
  }

  /** Return the actions of the page, after which the log is fetched again. @returns {Actions} */
  #reloading() {
    const { cancel, retry, delete: remove, element } = this.#actions;
    const then = (/** @type {Actions["cancel"]} */ action) => async (/** @type {string} */ uploadId) => {
      await action(uploadId);
      this.refresh();
    };
    return { cancel: then(cancel), retry: then(retry), delete: then(remove), element };
  }

  /** @param {RoomcastError} error */
  #showError(error) {
    const missing = MISSING.get(error.code);
    setText(this.#note, missing ?? en.error(error));
    setHidden(this.#note, false);
    if (!missing) return;
    clearInterval(this.#timer);
    setHidden(this.#content, true);
    setHidden(this.#buttons, true);
  }
}

/** @param {string} title @param {HTMLElement[]} contents */
function sectionOf(title, ...contents) {
  const heading = elementOf("h3", "", title);
  const section = elementOf("section", "panel", elementOf("div", "panel-head", heading), ...contents);
  heading.id = `section-${title.toLowerCase().replaceAll(" ", "-")}`;
  section.setAttribute("aria-labelledby", heading.id);
  return section;
}
