/** The failures, grouped by their code and step. */

import { byId, setHidden } from "../../shared/dom.js";
import { formatCode } from "../common/format.js";
import { Age, buttonOf, elementOf, linkOf, performWith, showName } from "../common/nodes.js";
import { listFragment, uploadFragment } from "../common/route.js";

/** @typedef {{element: HTMLElement, json: string, ages: Age[]}} RenderedGroup */

const MAX_GROUPS = 10;
const MAX_UPLOADS = 5; // per group

/** The groups of failures. A group is rendered again only when it has changed, so that its buttons can be pressed. */
export class FailureGroups {
  #retry;
  #groups = /** @type {Map<string, RenderedGroup>} */ (new Map());

  /** @param {(uploadId: string) => Promise<any>} retry   Resolves with undefined if it was refused. */
  constructor(retry) {
    this.#retry = retry;
  }

  /** @param {any[]} all @param {number} now   The server's time in ms. */
  show(all, now) {
    const list = byId("failures");
    const groups = all.slice(0, MAX_GROUPS);
    const keys = groups.map(({ code, step, retryable }) => `${code} ${step} ${retryable}`);
    for (const [key, { element }] of this.#groups) {
      if (keys.includes(key)) continue;
      element.remove();
      this.#groups.delete(key);
    }
    groups.forEach((group, index) => {
      const rendered = this.#render(keys[index], group);
      for (const age of rendered.ages) age.render(now);
      const current = list.children[index] ?? null;
      if (current !== rendered.element) list.insertBefore(rendered.element, current);
    });
    const others = all.length - groups.length;
    byId("failures-others-count").textContent = others === 1 ? "and 1 more group" : `and ${others} more groups`;
    setHidden(byId("failures-others"), others === 0);
    setHidden(byId("failures-empty"), groups.length > 0);
  }

  /** @param {string} key @param {any} group */
  #render(key, group) {
    const json = JSON.stringify(group);
    const previous = this.#groups.get(key);
    if (previous?.json === json) return previous;
    const ages = /** @type {Age[]} */ ([]);
    const element = elementOf("li", "group", ...this.#contents(group, ages));
    previous?.element.replaceWith(element);
    const rendered = { element, json, ages };
    this.#groups.set(key, rendered);
    return rendered;
  }

  /** @param {any} group @param {Age[]} ages */
  #contents({ code, step, uploads }, ages) {
    const count = elementOf("span", "count", String(uploads.length));
    const title = elementOf("h3", "", linkOf(listFragment({ state: "failed", code }), "", formatCode(code)));
    const failedStep = elementOf("p", "failed-step", elementOf("code", "", code), ` in ${step}`);
    const [{ message }] = uploads;
    const isShared = uploads.every((/** @type {any} */ upload) => upload.message === message);
    const shown = uploads.slice(0, MAX_UPLOADS);
    const items = shown.map((/** @type {any} */ upload) => this.#item(upload, isShared ? "" : upload.message, ages));
    const list = elementOf("ul", "failed", ...items);
    const rest = uploads.length - items.length;
    if (rest > 0) {
      const link = linkOf(listFragment({ state: "failed", code }), "", `and ${rest} more`);
      list.append(elementOf("li", "rest", link));
    }
    const reason = isShared ? [elementOf("p", "reason", message)] : [];
    return [elementOf("div", "group-head", title, count), failedStep, ...reason, list, ...this.#retryAll(uploads, code)];
  }

  /** @param {any} upload @param {string} message   Its own, where those of the group differ. @param {Age[]} ages */
  #item({ uploadId, filename, owner, at, canRetry }, message, ages) {
    const age = new Age(at);
    ages.push(age);
    const name = linkOf(uploadFragment(uploadId), "name");
    showName(name, filename);
    const user = elementOf("bdi", "", owner);
    const facts = elementOf("p", "facts", elementOf("span", "fact", user), elementOf("span", "fact", age.element));
    const who = elementOf("div", "who", elementOf("div", "name-line", name), facts);
    if (message) who.append(elementOf("p", "reason", message));
    const item = elementOf("li", "", who);
    if (canRetry) item.append(this.#button("Retry", filename, [uploadId]));
    return item;
  }

  /** @param {any[]} uploads @param {string} code */
  #retryAll(uploads, code) {
    const ids = uploads.filter(({ canRetry }) => canRetry).map(({ uploadId }) => uploadId);
    if (ids.length < 2) return [];
    return [elementOf("p", "all", this.#button(`Retry all ${ids.length}`, `with ${formatCode(code)}`, ids))];
  }

  /** @param {string} label @param {string} subject @param {string[]} uploadIds */
  #button(label, subject, uploadIds) {
    const button = buttonOf(label, subject);
    button.addEventListener("click", () =>
      performWith(button, "Retrying…", async () => {
        for (const uploadId of uploadIds) await this.#retry(uploadId); // a refusal is shown, and concerns only this one
      }),
    );
    return button;
  }
}
