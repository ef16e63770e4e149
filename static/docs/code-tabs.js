/** Shows the same example in several languages as tabs. The chosen language is stored, and chosen in every group. */

import { copyText } from "../shared/dom.js";
import { tryStorage } from "../shared/storage.js";

/** @typedef {{ language: string, label: string, code: string }} Example */

const LANGUAGE_KEY = "roomcast.docs.language";
// The browser's find reaches a hidden panel and opens it; other browsers hide it completely.
const UNSELECTED = "onbeforematch" in document.documentElement ? "until-found" : "";

let groups = 0;

/**
 * Make tabs of a group's sections, one for each language, and add a button to each example that copies it. Without this
 * call, all sections are shown one below the other.
 *
 * @param {HTMLElement} group It has children `<section data-language>`, each of which begins with a heading.
 */
export function makeTabs(group) {
  const name = `code-${(groups += 1)}`;
  const list = document.createElement("div");
  list.className = "tab-list";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Language");
  for (const panel of panelsOf(group)) {
    const language = panel.dataset.language ?? "";
    const tab = document.createElement("button");
    tab.type = "button";
    tab.dataset.language = language;
    tab.id = `${name}-${language}`;
    tab.textContent = panel.firstElementChild?.textContent ?? language;
    tab.setAttribute("role", "tab");
    panel.id = `${tab.id}-panel`;
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    panel.firstElementChild?.remove();
    for (const example of panel.querySelectorAll("pre")) addCopyButton(example);
    tab.addEventListener("click", () => choose(language));
    panel.addEventListener("beforematch", () => choose(language));
    list.append(tab);
  }
  list.addEventListener("keydown", moveBetweenTabs);
  group.prepend(list);
  select(group, tryStorage(() => localStorage.getItem(LANGUAGE_KEY), null));
}

/** Replace a group's content by examples, as tabs. @param {HTMLElement} group @param {Example[]} examples */
export function showExamples(group, examples) {
  group.classList.add("code-tabs");
  group.replaceChildren(
    ...examples.map(({ language, label, code }) => {
      const panel = document.createElement("section");
      panel.dataset.language = language;
      const heading = document.createElement("h4");
      heading.textContent = label;
      const block = document.createElement("pre");
      block.tabIndex = 0;
      block.textContent = code;
      panel.append(heading, block);
      return panel;
    }),
  );
  makeTabs(group);
}

/** Choose a language in every group that has it, and store the choice. @param {string} language */
function choose(language) {
  tryStorage(() => localStorage.setItem(LANGUAGE_KEY, language), undefined);
  for (const group of document.querySelectorAll(".code-tabs")) select(/** @type {HTMLElement} */ (group), language);
}

/** Select a language's tab; the first one, if the group has no such language and none is selected yet.
 * @param {HTMLElement} group @param {string | null} language */
function select(group, language) {
  const tabs = tabsOf(group);
  const tab = tabs.find((each) => each.dataset.language === language) ?? tabs.find(isSelected) ?? tabs[0];
  for (const each of tabs) {
    each.setAttribute("aria-selected", String(each === tab));
    each.tabIndex = each === tab ? 0 : -1;
  }
  for (const panel of panelsOf(group)) {
    if (panel.dataset.language === tab?.dataset.language) panel.removeAttribute("hidden");
    else panel.setAttribute("hidden", UNSELECTED);
  }
}

/** Select the next or the previous tab by an arrow key, or the first or the last. @param {KeyboardEvent} event */
function moveBetweenTabs(event) {
  const tabs = tabsOf(/** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.currentTarget).parentElement));
  const current = tabs.findIndex(isSelected);
  const next = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const tab = tabs[(next + tabs.length) % tabs.length];
  choose(tab.dataset.language ?? "");
  tab.focus();
}

/** @param {HTMLElement} tab */
function isSelected(tab) {
  return tab.getAttribute("aria-selected") === "true";
}

/** @param {HTMLElement} group @returns {HTMLElement[]} */
function tabsOf(group) {
  return [...group.querySelectorAll(":scope > [role=tablist] > [role=tab]")].map((tab) => /** @type {HTMLElement} */ (tab));
}

/** @param {HTMLElement} group @returns {HTMLElement[]} */
function panelsOf(group) {
  return [...group.querySelectorAll(":scope > section")].map((panel) => /** @type {HTMLElement} */ (panel));
}

/** @param {HTMLElement} example */
function addCopyButton(example) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(example)) ? "Copied" : "Selected";
  });
  const frame = document.createElement("div");
  frame.className = "example";
  example.replaceWith(frame);
  frame.append(example, button);
}
