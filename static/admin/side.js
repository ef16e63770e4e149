/** What stands beside the admin page's list: failures by their reason, workers with what they have, web processes. */

import { byId, setHidden, setText } from "../dom.js";
import { stageWords } from "../words.js";
import { button, make } from "./rows.js";
import { ageWords, codeWords, countWords } from "./words.js";

const SHOWN = 5;

/** Groups of failures. One is drawn anew only when something about it has changed: its buttons are to be pressed. */
export class Failures {
  #retry;
  #groups = /** @type {Map<string, {element: HTMLElement, told: string, ages: [Element, number][]}>} */ (new Map());

  /** @param {(uploadId: string) => Promise<any>} retry   Answers with nothing when it is refused. */
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
    groups.forEach((group, place) => {
      const drawn = this.#drawn(keys[place], group);
      for (const [element, at] of drawn.ages) setText(element, ageWords((now - at) / 1000));
      if (list.children[place] !== drawn.element) list.insertBefore(drawn.element, list.children[place] ?? null);
    });
    setHidden(byId("failures-empty"), groups.length > 0);
  }

  /** @param {string} key @param {any} group */
  #drawn(key, group) {
    const told = JSON.stringify(group);
    const before = this.#groups.get(key);
    if (before?.told === told) return before;
    const ages = /** @type {[Element, number][]} */ ([]);
    const element = make("li", "group", ...this.#parts(group, ages));
    before?.element.replaceWith(element);
    const drawn = { element, told, ages };
    this.#groups.set(key, drawn);
    return drawn;
  }

  /** @param {any} group @param {[Element, number][]} ages */
  #parts({ code, step, retryable, uploads }, ages) {
    const count = make("span", "count", String(uploads.length));
    const head = make("div", "group-head", make("h3", "", codeWords(code)), count);
    const where = make("p", "where", make("code", "", code), ` in ${step}`);
    const items = uploads.slice(0, SHOWN).map((/** @type {any} */ upload) => this.#item(upload, retryable, ages));
    const list = make("ul", "failed", ...items);
    const rest = uploads.length - items.length;
    if (rest > 0) list.append(make("li", "rest", `and ${countWords(rest, "other")}`));
    return [head, where, make("p", "reason", uploads[0].message), list, ...this.#all(retryable, uploads)];
  }

  /** @param {any} upload @param {boolean} retryable @param {[Element, number][]} ages */
  #item({ uploadId, filename, owner, at }, retryable, ages) {
    const age = make("span", "age");
    ages.push([age, Date.parse(at)]);
    const name = make("div", "name", filename);
    name.title = filename;
    const item = make("li", "", make("div", "who", name, make("div", "facts", `${owner} · `, age)));
    if (retryable) item.append(this.#button("Retry", `Retry ${filename}`, [uploadId]));
    return item;
  }

  /** @param {boolean} retryable @param {any[]} uploads */
  #all(retryable, uploads) {
    if (!retryable || uploads.length < 2) return [];
    const ids = uploads.map(({ uploadId }) => uploadId);
    return [make("p", "all", this.#button(`Retry all ${ids.length}`, `Retry all ${ids.length}`, ids))];
  }

  /** @param {string} words @param {string} name @param {string[]} uploadIds */
  #button(words, name, uploadIds) {
    const pressed = button(words);
    pressed.setAttribute("aria-label", name);
    pressed.addEventListener("click", async () => {
      if (pressed.getAttribute("aria-disabled")) return;
      pressed.setAttribute("aria-disabled", "true");
      for (const uploadId of uploadIds) {
        if (!(await this.#retry(uploadId))) break; // what is wrong has been said
      }
      pressed.removeAttribute("aria-disabled");
    });
    return pressed;
  }
}

/** @param {any[]} processes @param {number} now   The server's time in ms. */
export function showWorkers(processes, now) {
  setHidden(byId("processes-empty"), processes.length > 0);
  byId("processes").replaceChildren(...processes.map((one) => workerProcess(one, now)));
}

/** @param {any[]} web */
export function showWeb(web) {
  byId("web").replaceChildren(
    ...web.map(({ process, sockets, streams }) =>
      make("li", "process", processHead(process, `${countWords(sockets, "socket")}, ${countWords(streams, "stream")}`)),
    ),
  );
}

/** @param {any} process @param {number} now */
function workerProcess({ process, workers, holds }, now) {
  const facts = workers ? `${holds.length} of ${workers} busy` : "not heard of lately";
  const item = make("li", "process", processHead(process, facts));
  if (!workers) item.dataset.state = "silent";
  if (holds.length) item.append(make("ul", "holds", ...holds.map((/** @type {any} */ one) => hold(one, now))));
  return item;
}

/** @param {string} process @param {string} facts */
function processHead(process, facts) {
  return make("div", "process-head", make("span", "name", process), make("span", "facts", facts));
}

/** @param {any} hold @param {number} now */
function hold({ filename, stage, progress, attempt, since, expiresAt }, now) {
  const name = make("span", "name", filename);
  name.title = filename;
  const left = (Date.parse(expiresAt) - now) / 1000;
  const facts = [`for ${ageWords((now - Date.parse(since)) / 1000)}`];
  if (attempt > 1) facts.push(`attempt ${attempt}`);
  if (left <= 0) facts.push("lease lapsed");
  const fill = make("div", "fill");
  fill.style.inlineSize = `${progress}%`;
  const bar = make("div", "bar", fill);
  return make(
    "li",
    "hold",
    make("div", "hold-head", name, make("span", "percent", `${Math.floor(progress)}%`)),
    bar,
    make("p", "facts", `${stageWords(stage)} · ${facts.join(" · ")}`),
  );
}
