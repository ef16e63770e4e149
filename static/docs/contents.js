/** The list of all operations: a link to each, which opens it in its viewer. */

import { byId, setHidden } from "../shared/dom.js";

/** @typedef {{ viewer: any, tag: string, id: string }} Entry */

/** By the part of the page's URL after `#`. @type {Map<string, Entry>} */
const entries = new Map();

/** Add the operations of a document to the list, by group. @param {any} openapi @param {any} viewer Swagger UI's */
export function listOperations(openapi, viewer) {
  for (const { name: tag } of openapi.tags) {
    const list = document.createElement("ul");
    for (const [path, methods] of Object.entries(openapi.paths)) {
      for (const [method, operation] of Object.entries(/** @type {Record<string, any>} */ (methods))) {
        if (operation.tags[0] !== tag) continue;
        const id = operation.operationId;
        entries.set(id, { viewer, tag, id });
        list.append(entryOf(id, path === `/${id}` ? id : `${method.toUpperCase()} ${path}`, operation.summary));
      }
    }
    const heading = document.createElement("h2");
    heading.textContent = tag;
    byId("contents-lists").append(heading, list);
  }
  setHidden(byId("contents"), false);
}

/** Open the operation that the page's URL names, and scroll to it. */
export async function showOperation() {
  const entry = entries.get(decodeURIComponent(location.hash.slice(1)));
  if (!entry) return;
  const { viewer, tag, id } = entry;
  viewer.layoutActions.show(["operations-tag", tag], true);
  viewer.layoutActions.show(["operations", tag, id], true);
  const shown = await whenPresent(`.opblock[id$="-${CSS.escape(id)}"]`);
  shown.scrollIntoView();
  /** @type {HTMLElement | null} */ (shown.querySelector(".opblock-summary-control"))?.focus({ preventScroll: true });
}

/** @param {string} id @param {string} name @param {string} summary */
function entryOf(id, name, summary) {
  const entry = document.createElement("li");
  const link = document.createElement("a");
  link.href = `#${id}`;
  link.textContent = name;
  link.addEventListener("click", () => {
    if (location.hash === link.hash) showOperation(); // which changes nothing in the URL, so there is no event
  });
  entry.append(link, ` ${summary}`);
  return entry;
}

/** @param {string} selector @returns {Promise<Element>} */
function whenPresent(selector) {
  return new Promise((resolve) => {
    const observer = new MutationObserver(check);
    function check() {
      const found = document.querySelector(selector);
      if (!found) return;
      observer.disconnect();
      resolve(found);
    }
    observer.observe(document.body, { childList: true, subtree: true });
    check();
  });
}
