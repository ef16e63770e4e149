/** The panel of the templates: how many uploads wait for each, and which are paused. */

import { byId, setHidden, setText } from "../../shared/dom.js";
import { formatAge, formatCount } from "../common/format.js";
import { elementOf, linkOf, updateItems } from "../common/nodes.js";
import { listFragment } from "../common/route.js";
import { PauseButton } from "./workers.js";

/** @typedef {import("./workers.js").Pause} Pause */
/** @typedef {import("./workers.js").SetPause} SetPause */

export class Templates {
  #setPause;
  #items = /** @type {Map<string, TemplateItem>} */ (new Map());

  /** @param {SetPause} setPause */
  constructor(setPause) {
    this.#setPause = setPause;
  }

  /** @param {any} overview @param {number} now   The server's time in ms. */
  show({ templates, paused, queue }, now) {
    setHidden(byId("templates-panel"), templates.length === 0);
    updateItems(
      byId("templates"),
      this.#items,
      /** @type {string[]} */ (templates),
      (name) => name,
      (name) => new TemplateItem(name, this.#setPause),
    );
    for (const name of templates) {
      const pause = paused.find((/** @type {Pause} */ one) => one.type === "template" && one.name === name);
      this.#items.get(name)?.render(queue.byTemplate[name] ?? 0, pause, now);
    }
  }
}

class TemplateItem {
  #facts = elementOf("span", "facts");
  #state = elementOf("p", "paused");
  #button;

  /** @param {string} name @param {SetPause} setPause */
  constructor(name, setPause) {
    this.#button = new PauseButton(setPause, "template", name, name);
    const link = linkOf(listFragment({ template: name }), "process-name", name);
    const head = elementOf("div", "process-head", link, this.#facts, this.#button.element);
    this.element = elementOf("li", "process", head, this.#state);
  }

  /** @param {number} waiting @param {Pause | undefined} pause @param {number} now */
  render(waiting, pause, now) {
    const count = pause?.uploads ?? waiting;
    setText(this.#facts, count ? `${count} waiting` : "");
    this.#button.render(pause !== undefined);
    setHidden(this.#state, !pause);
    if (!pause) return;
    const since = formatAge((now - Date.parse(pause.since)) / 1000);
    setText(this.#state, `Paused by ${pause.by} ${since} ago. ${formatCount(pause.uploads, "upload waits", "uploads wait")}.`);
  }
}
