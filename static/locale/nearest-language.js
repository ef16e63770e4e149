/** Which language an element is in, and when that changes. */

import { matchLanguage } from "./languages.js";

/** @type {Map<Element, () => void>} */
const watched = new Map();
/** @type {WeakSet<Node>} */
const observedRoots = new WeakSet();
/** @type {MutationObserver | undefined} */
let observer;

/**
 * Return the language of an element: that of its `locale` attribute, else of the nearest `lang` attribute, also outside
 * of its shadow tree, else the browser's.
 *
 * @param {Element} element
 */
export function languageOf(element) {
  const tag = element.getAttribute("locale") || nearestLang(element);
  return matchLanguage(tag ? [tag] : navigator.languages);
}

/** Return whether the page says in which direction an element is written, at least as near to it as its language.
 * @param {Element} element @returns {boolean} */
export function hasDirection(element) {
  const nearest = element.closest("[lang], [dir], [locale]");
  if (nearest) return nearest.hasAttribute("dir");
  const root = element.getRootNode();
  return root instanceof ShadowRoot && hasDirection(root.host);
}

/** Call `onChange` when the language or the direction of an element may have changed. @param {Element} element @param {() => void} onChange */
export function watchLanguage(element, onChange) {
  watched.set(element, onChange);
  observer ??= new MutationObserver(() => {
    for (const notify of [...watched.values()]) notify();
  });
  for (const root of rootsOf(element)) {
    if (observedRoots.has(root)) continue;
    observedRoots.add(root);
    observer.observe(root, { subtree: true, attributeFilter: ["dir", "lang", "locale"] });
  }
}

/** @param {Element} element */
export function unwatchLanguage(element) {
  watched.delete(element);
}

/** @param {Element} element @returns {string} empty for none */
function nearestLang(element) {
  const nearest = element.closest("[lang]");
  if (nearest) return nearest.getAttribute("lang") ?? "";
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? nearestLang(root.host) : "";
}

/** Return the root of an element's tree, and those of the trees around it. @param {Element} element @returns {Node[]} */
function rootsOf(element) {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? [root, ...rootsOf(root.host)] : [root];
}
