/** The sections of an upload's page: its stages, attempts, events and log lines. */

import { setHidden, setText } from "../../shared/dom.js";
import { elementOf, factsOf, updateItems } from "../common/nodes.js";
import { actorText, changeText, detailsText, outcomeText, stageBars, timeText } from "./timeline.js";

/** @typedef {import("./replay.js").ReplayPlayer} ReplayPlayer */
/** @typedef {import("./timeline.js").LogAttempt} LogAttempt */
/** @typedef {import("./timeline.js").LogEvent} LogEvent */
/** @typedef {import("./timeline.js").LogLine} LogLine */
/** @typedef {import("./timeline.js").LogStage} LogStage */

/** Show how long each stage took, as bars on one time axis. @param {HTMLElement} list @param {LogStage[]} stages */
export function showStages(list, stages) {
  const items = stageBars(stages).map(({ stage, title, elapsed, start, width }) => {
    const fill = elementOf("div", "fill");
    fill.style.marginInlineStart = `${start}%`;
    fill.style.inlineSize = `${width}%`;
    const bar = elementOf("div", "bar time", fill);
    const state = stage.ended ? "" : " so far";
    const head = elementOf("div", "stage-head", elementOf("span", "", title), elementOf("span", "facts", `${elapsed}${state}`));
    const item = elementOf("li", "", head, bar);
    item.dataset.stage = stage.stage;
    return item;
  });
  if (!items.length) items.push(elementOf("li", "muted", "No stage has started."));
  list.replaceChildren(...items);
}

/** @param {HTMLElement} list @param {LogAttempt[]} attempts */
export function showAttempts(list, attempts) {
  const items = attempts.map((attempt) => {
    const title = elementOf("p", "", `Attempt ${attempt.attempt}: ${outcomeText(attempt)}.`);
    const contents = [title, factsOf("", attempt.process ?? "in no worker process", timeText(attempt.startedAt))];
    if (attempt.error) contents.push(elementOf("p", "reason", attempt.error.message));
    return elementOf("li", "", ...contents);
  });
  if (!items.length) items.push(elementOf("li", "muted", "No attempt has started."));
  list.replaceChildren(...items);
}

/** Show the log lines; stay at the end if the end is visible. @param {HTMLElement} list @param {LogLine[]} lines */
export function showLines(list, lines) {
  const key = `${lines.length} ${lines.at(-1)?.at} ${lines.at(-1)?.event}`;
  if (list.dataset.key === key) return;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
  list.dataset.key = key;
  const items = lines.map(({ at, level, event, process, details }) => {
    const time = document.createElement("time");
    time.dateTime = at;
    time.textContent = timeText(at);
    const text = elementOf("span", "line-text", elementOf("strong", "", event), ` ${detailsText(details)}`);
    const item = elementOf("li", "line", time, elementOf("span", "level", level), text, elementOf("span", "facts", process));
    item.dataset.level = level;
    return item;
  });
  if (!items.length) items.push(elementOf("li", "muted", "No log lines."));
  list.replaceChildren(...items);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** The numbered events. Each is a button that shows what watchers saw then. */
export class EventList {
  #player;
  #note = elementOf("p", "muted trimmed");
  #list = elementOf("ol", "events");
  #items = /** @type {Map<string, EventItem>} */ (new Map());
  element = elementOf("div", "", this.#note, this.#list);

  /** @param {ReplayPlayer} player */
  constructor(player) {
    this.#player = player;
    player.addEventListener("select", () => {
      this.#showSelected();
      this.#scrollToSelected();
    });
    setHidden(this.#note, true);
  }

  /** @param {LogEvent[]} events @param {number} firstSeq */
  show(events, firstSeq) {
    setHidden(this.#note, firstSeq <= 1);
    setText(this.#note, `Events before number ${firstSeq} were removed, because there were many.`);
    const started = events.length ? Date.parse(events[0].at) : 0;
    updateItems(
      this.#list,
      this.#items,
      events.map((event, index) => ({ event, index })),
      ({ event }) => `${event.message.epoch} ${event.seq}`,
      ({ event, index }) => new EventItem(event, events[index - 1], started, () => this.#player.select(event.seq)),
    );
    this.#showSelected();
  }

  #showSelected() {
    for (const { button, seq } of this.#items.values()) {
      button.setAttribute("aria-current", seq === this.#player.shownSeq ? "step" : "false");
    }
  }

  /** Scroll the list, and not the page, to the selected event. */
  #scrollToSelected() {
    const selected = this.#list.querySelector('[aria-current="step"]')?.getBoundingClientRect();
    if (!selected) return;
    const { top, bottom } = this.#list.getBoundingClientRect();
    this.#list.scrollTop += Math.min(selected.top - top, 0) + Math.max(selected.bottom - bottom, 0);
  }
}

class EventItem {
  seq;
  button = /** @type {HTMLButtonElement} */ (elementOf("button", "event"));

  /** @param {LogEvent} event @param {LogEvent | undefined} previous @param {number} started @param {() => void} onSelect */
  constructor(event, previous, started, onSelect) {
    this.seq = event.seq;
    this.button.type = "button";
    const after = elementOf("span", "after", `+${((Date.parse(event.at) - started) / 1000).toFixed(1)}\u00a0s`);
    after.title = timeText(event.at);
    this.button.append(
      elementOf("span", "seq", String(event.seq)),
      elementOf("span", "change", changeText(event, previous)),
      elementOf("span", "facts actor", actorText(event.actor)),
      after,
    );
    this.button.addEventListener("click", onSelect);
    this.element = elementOf("li", "", this.button);
    this.element.dataset.stage = event.message.stage;
  }
}
