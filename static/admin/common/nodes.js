/** Creates the elements that the parts of the admin page share. */

import { dividedName } from "../../rows/shortened-name.js";
import { setText } from "../../shared/dom.js";
import { capitalized, formatAge } from "./format.js";

/** Return a new element. @param {string} name @param {string} className @param {(Node | string)[]} children */
export function elementOf(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/**
 * Return a new button. Its accessible name is the label, followed by what it acts on.
 *
 * @param {string} label @param {string} [subject]   Such as a file name; it is not visible.
 */
export function buttonOf(label, subject) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button small";
  button.append(elementOf("span", "label", label));
  if (subject) button.append(elementOf("span", "visually-hidden", ` ${subject}`));
  return button;
}

/** Return a new link to a route of this page. @param {string} href @param {string} className @param {(Node | string)[]} children */
export function linkOf(href, className, ...children) {
  const link = /** @type {HTMLAnchorElement} */ (elementOf("a", className, ...children));
  link.href = href;
  return link;
}

/**
 * Run an action of a button, unless it is running already. Meanwhile the button is disabled, but can have the focus.
 *
 * @param {HTMLButtonElement} button
 * @param {string} pendingLabel   The label until the action is done.
 * @param {() => Promise<unknown>} action
 */
export async function performWith(button, pendingLabel, action) {
  if (button.getAttribute("aria-disabled")) return;
  const label = /** @type {HTMLElement} */ (button.firstElementChild);
  const text = label.textContent ?? "";
  button.setAttribute("aria-disabled", "true");
  label.textContent = pendingLabel;
  try {
    await action();
  } finally {
    label.textContent = text;
    button.removeAttribute("aria-disabled");
  }
}

/**
 * Show a file name in an element: in its own direction, and shortened in the middle, so that the extension stays.
 *
 * @param {HTMLElement} element @param {string} name
 */
export function showName(element, name) {
  if (element.title === name && element.childNodes.length) return;
  element.dir = "auto";
  element.title = name;
  const { start, end } = dividedName(name);
  element.replaceChildren(...(end ? [elementOf("span", "beginning", start), elementOf("span", "end", end)] : [start]));
  if (end && element instanceof HTMLAnchorElement) element.setAttribute("aria-label", name);
  else element.removeAttribute("aria-label");
}

/** Shows how long ago something was, with the time as a tooltip. */
export class Age {
  /** @type {HTMLTimeElement} */ element;
  #at = "";

  /** @param {string} [at] */
  constructor(at) {
    this.element = document.createElement("time");
    this.element.className = "since";
    if (at) this.at = at;
  }

  /** @param {string} at   In ISO 8601. */
  set at(at) {
    if (at === this.#at) return;
    this.#at = at;
    this.element.dateTime = at;
    this.element.title = new Date(at).toLocaleString("en", { dateStyle: "medium", timeStyle: "medium" });
  }

  /** @param {number} now   The server's time in ms. */
  render(now) {
    setText(this.element, formatAge((now - Date.parse(this.#at)) / 1000));
  }
}

/**
 * Update the items of a list, one for each key, in their order. An item that stays is not moved unless it has to be, so
 * that it keeps the focus.
 *
 * @template T
 * @param {Element} list
 * @param {Map<string, {element: HTMLElement}>} items   The items that exist; updated.
 * @param {T[]} entries
 * @param {(entry: T) => string} keyOf
 * @param {(entry: T) => {element: HTMLElement}} create
 */
export function updateItems(list, items, entries, keyOf, create) {
  const keys = new Set(entries.map(keyOf));
  for (const [key, { element }] of items) {
    if (keys.has(key)) continue;
    element.remove();
    items.delete(key);
  }
  entries.forEach((entry, index) => {
    const key = keyOf(entry);
    const item = items.get(key) ?? create(entry);
    items.set(key, item);
    const current = list.children[index] ?? null;
    if (current !== item.element) list.insertBefore(item.element, current);
  });
}

/** Return a list of facts, each of which stays on one line. @param {string} className @param {(string | Node)[]} facts */
export function factsOf(className, ...facts) {
  return elementOf("p", `facts ${className}`, ...facts.filter(Boolean).map((fact) => elementOf("span", "fact", fact)));
}

/** Return a sentence of its parts. @param {string[]} clauses */
export function sentenceOf(...clauses) {
  const text = clauses.filter(Boolean).join(", ");
  return text && `${capitalized(text)}.`;
}
