/** The panels of the worker processes and of the web processes. */

import { en } from "../../locale/en.js";
import { byId, setHidden, setText } from "../../shared/dom.js";
import { formatAge, formatCount } from "../common/format.js";
import { buttonOf, elementOf, factsOf, linkOf, performWith, showName, updateItems } from "../common/nodes.js";
import { uploadFragment } from "../common/route.js";

/**
 * @typedef {object} Pause   Something that an admin has paused.
 * @property {"template" | "worker"} type
 * @property {string} name   Of a template, of a worker process, or `*` for all worker processes.
 * @property {string} by
 * @property {string} since
 * @property {number} uploads   How many wait because of it.
 *
 * @typedef {(verb: "pause" | "resume", type: "template" | "worker", name: string) => Promise<unknown>} SetPause
 */

/** A button that pauses or resumes. */
export class PauseButton {
  #pause;
  #resume;
  element = elementOf("span", "pause");

  /** @param {SetPause} setPause @param {"template" | "worker"} type @param {string} name @param {string} subject */
  constructor(setPause, type, name, subject) {
    const all = name === "*" ? " all" : "";
    this.#pause = buttonOf(`${type === "worker" ? "Drain" : "Pause"}${all}`, subject);
    this.#resume = buttonOf(`Resume${all}`, subject);
    const pendingLabel = type === "worker" ? "Draining…" : "Pausing…";
    this.#pause.addEventListener("click", () => performWith(this.#pause, pendingLabel, () => setPause("pause", type, name)));
    this.#resume.addEventListener("click", () => performWith(this.#resume, "Resuming…", () => setPause("resume", type, name)));
    this.element.append(this.#pause, this.#resume);
  }

  /** @param {boolean} paused */
  render(paused) {
    const focused = this.element.contains(document.activeElement);
    setHidden(this.#pause, paused);
    setHidden(this.#resume, !paused);
    if (focused) (paused ? this.#resume : this.#pause).focus();
  }
}

/** The worker processes, each with the uploads that it processes. */
export class WorkerProcesses {
  #setPause;
  #all;
  #items = /** @type {Map<string, WorkerItem>} */ (new Map());

  /** @param {SetPause} setPause */
  constructor(setPause) {
    this.#setPause = setPause;
    this.#all = new PauseButton(setPause, "worker", "*", "worker processes");
    byId("workers-all").append(this.#all.element);
  }

  /** @param {any[]} processes @param {Pause[]} paused @param {number} now   The server's time in ms. */
  show(processes, paused, now) {
    const all = paused.find(({ type, name }) => type === "worker" && name === "*");
    setHidden(byId("processes-empty"), processes.length > 0);
    setHidden(byId("workers-all"), processes.length < 2 && !all);
    this.#all.render(all !== undefined);
    updateItems(
      byId("processes"),
      this.#items,
      processes,
      ({ process }) => process,
      ({ process }) => new WorkerItem(process, this.#setPause),
    );
    for (const process of processes) {
      const pause = all ?? paused.find(({ type, name }) => type === "worker" && name === process.process);
      this.#items.get(process.process)?.render(process, pause, all !== undefined, now);
    }
  }
}

class WorkerItem {
  #facts = elementOf("span", "facts");
  #state = elementOf("p", "paused");
  #button;
  #leases = elementOf("ul", "leases");
  #items = /** @type {Map<string, LeaseItem>} */ (new Map());

  /** @param {string} process @param {SetPause} setPause */
  constructor(process, setPause) {
    this.#button = new PauseButton(setPause, "worker", process, process);
    const name = elementOf("span", "process-name", process);
    const head = elementOf("div", "process-head", name, this.#facts, this.#button.element);
    this.element = elementOf("li", "process", head, this.#state, this.#leases);
  }

  /** @param {any} process @param {Pause | undefined} pause @param {boolean} all @param {number} now */
  render({ workers, busy, leases, paused }, pause, all, now) {
    setText(this.#facts, workers ? `${busy} of ${workers} busy` : "not responding");
    this.element.dataset.state = workers ? "" : "silent";
    setHidden(this.#button.element, all || (!workers && !paused));
    this.#button.render(paused);
    const stopped = leases.length ? "Draining: takes no more uploads" : "Drained: takes no uploads";
    setText(this.#state, paused ? `${stopped}${pause ? `, by ${pause.by} ${formatAge((now - Date.parse(pause.since)) / 1000)} ago` : ""}.` : "");
    setHidden(this.#state, !paused);
    setHidden(this.#leases, leases.length === 0);
    updateItems(
      this.#leases,
      this.#items,
      leases,
      keyOfLease,
      (lease) => new LeaseItem(lease),
    );
    for (const lease of leases) this.#items.get(keyOfLease(lease))?.render(lease, now);
  }
}

/** @param {any} lease */
const keyOfLease = ({ uploadId, task }) => (task === null ? uploadId : `${uploadId} ${task}`);

/** The item of an upload or of a task that a worker processes under a lease. */
class LeaseItem {
  #percent = elementOf("span", "percent");
  #fill = elementOf("div", "fill");
  #facts = elementOf("div", "");

  /** @param {any} lease */
  constructor({ uploadId, filename }) {
    const name = linkOf(uploadFragment(uploadId), "name");
    showName(name, filename);
    const head = elementOf("div", "lease-head", elementOf("div", "name-line", name), this.#percent);
    const bar = elementOf("div", "bar", this.#fill);
    this.element = elementOf("li", "lease", head, bar, this.#facts);
  }

  /** @param {any} lease @param {number} now */
  render({ stage, progress, attempt, since, expiresAt, task, waitsForTasks }, now) {
    setText(this.#percent, `${Math.floor(progress)}%`);
    this.#fill.style.inlineSize = `${progress}%`;
    const work = task === null ? en.stage(stage) : `task ${task + 1}`;
    const facts = [waitsForTasks ? "waits for its tasks" : work, `for ${formatAge((now - Date.parse(since)) / 1000)}`];
    if (attempt > 1) facts.push(`attempt ${attempt}`);
    if (Date.parse(expiresAt) <= now) facts.push("lease expired");
    if (this.#facts.dataset.text === facts.join()) return;
    this.#facts.dataset.text = facts.join();
    this.#facts.replaceChildren(factsOf("", ...facts));
  }
}

const webItems = /** @type {Map<string, {element: HTMLElement, facts: HTMLElement}>} */ (new Map());

/** Show the web processes and how many clients each has. @param {any[]} processes */
export function showWebProcesses(processes) {
  const create = (/** @type {any} */ { process }) => {
    const facts = elementOf("span", "facts");
    const head = elementOf("div", "process-head", elementOf("span", "process-name", process), facts);
    return { element: elementOf("li", "process", head), facts };
  };
  updateItems(byId("web"), webItems, processes, ({ process }) => process, create);
  for (const { process, sockets, streams } of processes) {
    const item = webItems.get(process);
    if (item) setText(item.facts, `${formatCount(sockets, "socket")}, ${formatCount(streams, "stream")}`);
  }
}
