/** The side panels of the admin page: failures grouped by reason, workers with their uploads, web processes. */

import { ENGLISH } from "../locale/en.js";
import { byId, setHidden, setText } from "../shared/dom.js";
import { formatAge, formatCode, formatCount } from "./format.js";
import { buttonOf, elementOf } from "./upload-row.js";

const MAX_UPLOADS = 5; // per group

/** The groups of failures. A group is rendered again only when it has changed, so that its buttons can be pressed. */
export class FailureGroups {
  #retry;
  #groups = /** @type {Map<string, {element: HTMLElement, json: string, ages: [Element, number][]}>} */ (new Map());

  /** @param {(uploadId: string) => Promise<any>} retry   Resolves with undefined if it was refused. */
  constructor(retry) {
    this.#retry = retry;
  }

  /** @param {any[]} groups @param {number} now   The server's time in ms. */
  show(groups, now) {
    const list = byId("failures");
    const keys = groups.map(({ code, step, retryable }) => `${code} ${step} ${retryable}`);
    for (const [key, { element }] of this.#groups) {
      if (keys.includes(key)) continue;
      element.remove();
      this.#groups.delete(key);
    }
    groups.forEach((group, index) => {
      const rendered = this.#render(keys[index], group);
      for (const [element, at] of rendered.ages) setText(element, formatAge((now - at) / 1000));
      const current = list.children[index] ?? null;
      if (current !== rendered.element) list.insertBefore(rendered.element, current);
    });
    setHidden(byId("failures-empty"), groups.length > 0);
  }

  /** @param {string} key @param {any} group */
  #render(key, group) {
    const json = JSON.stringify(group);
    const previous = this.#groups.get(key);
    if (previous?.json === json) return previous;
    const ages = /** @type {[Element, number][]} */ ([]);
    const element = elementOf("li", "group", ...this.#contents(group, ages));
    previous?.element.replaceWith(element);
    const rendered = { element, json, ages };
    this.#groups.set(key, rendered);
    return rendered;
  }

  /** @param {any} group @param {[Element, number][]} ages */
  #contents({ code, step, retryable, uploads }, ages) {
    const count = elementOf("span", "count", String(uploads.length));
    const head = elementOf("div", "group-head", elementOf("h3", "", formatCode(code)), count);
    const failedStep = elementOf("p", "failed-step", elementOf("code", "", code), ` in ${step}`);
    const items = uploads.slice(0, MAX_UPLOADS).map((/** @type {any} */ upload) => this.#item(upload, retryable, ages));
    const list = elementOf("ul", "failed", ...items);
    const rest = uploads.length - items.length;
    if (rest > 0) list.append(elementOf("li", "rest", `and ${rest} more`));
    const reason = elementOf("p", "reason", uploads[0].message);
    return [head, failedStep, reason, list, ...this.#retryAll(retryable, uploads)];
  }

  /** @param {any} upload @param {boolean} retryable @param {[Element, number][]} ages */
  #item({ uploadId, filename, owner, at }, retryable, ages) {
    const age = elementOf("span", "age");
    ages.push([age, Date.parse(at)]);
    const name = elementOf("div", "name", filename);
    name.title = filename;
    const item = elementOf("li", "", elementOf("div", "who", name, elementOf("div", "facts", `${owner} · `, age)));
    if (retryable) item.append(this.#button("Retry", `Retry ${filename}`, [uploadId]));
    return item;
  }

  /** @param {boolean} retryable @param {any[]} uploads */
  #retryAll(retryable, uploads) {
    if (!retryable || uploads.length < 2) return [];
    const ids = uploads.map(({ uploadId }) => uploadId);
    return [elementOf("p", "all", this.#button(`Retry all ${ids.length}`, `Retry all ${ids.length}`, ids))];
  }

  /** @param {string} label @param {string} accessibleName @param {string[]} uploadIds */
  #button(label, accessibleName, uploadIds) {
    const button = buttonOf(label);
    button.setAttribute("aria-label", accessibleName);
    button.addEventListener("click", async () => {
      if (button.getAttribute("aria-disabled")) return;
      button.setAttribute("aria-disabled", "true");
      for (const uploadId of uploadIds) {
        if (!(await this.#retry(uploadId))) break; // the error is shown above the list
      }
      button.removeAttribute("aria-disabled");
    });
    return button;
  }
}

/** @param {any[]} processes @param {number} now   The server's time in ms. */
export function showWorkers(processes, now) {
  setHidden(byId("processes-empty"), processes.length > 0);
  byId("processes").replaceChildren(...processes.map((process) => workerProcess(process, now)));
}

/** @param {any[]} processes */
export function showWebProcesses(processes) {
  byId("web").replaceChildren(
    ...processes.map(({ process, sockets, streams }) => {
      const facts = `${formatCount(sockets, "socket")}, ${formatCount(streams, "stream")}`;
      return elementOf("li", "process", processHead(process, facts));
    }),
  );
}

/** @param {any} process @param {number} now */
function workerProcess({ process, workers, leases }, now) {
  const facts = workers ? `${leases.length} of ${workers} busy` : "not responding";
  const item = elementOf("li", "process", processHead(process, facts));
  if (!workers) item.dataset.state = "silent";
  const items = leases.map((/** @type {any} */ lease) => leaseItem(lease, now));
  if (items.length) item.append(elementOf("ul", "leases", ...items));
  return item;
}

/** @param {string} process @param {string} facts */
function processHead(process, facts) {
  return elementOf("div", "process-head", elementOf("span", "name", process), elementOf("span", "facts", facts));
}

/** Return the item of an upload that a worker processes under a lease. @param {any} lease @param {number} now */
function leaseItem({ filename, stage, progress, attempt, since, expiresAt }, now) {
  const name = elementOf("span", "name", filename);
  name.title = filename;
  const left = (Date.parse(expiresAt) - now) / 1000;
  const facts = [ENGLISH.stage(stage), `for ${formatAge((now - Date.parse(since)) / 1000)}`];
  if (attempt > 1) facts.push(`attempt ${attempt}`);
  if (left <= 0) facts.push("lease expired");
  const fill = elementOf("div", "fill");
  fill.style.inlineSize = `${progress}%`;
  const percent = elementOf("span", "percent", `${Math.floor(progress)}%`);
  return elementOf(
    "li",
    "lease",
    elementOf("div", "lease-head", name, percent),
    elementOf("div", "bar", fill),
    elementOf("p", "facts", facts.join(" · ")),
  );
}
