/** Shows the facts of a row: each in an element of its own, which does not wrap. */

import { setText } from "../shared/dom.js";

/** Update the facts of a line, and only those that have changed. @param {HTMLElement} line @param {string[]} facts */
export function showFacts(line, facts) {
  while (line.childElementCount > facts.length) {
    line.lastChild?.remove(); // the space
    line.lastElementChild?.remove();
  }
  while (line.childElementCount < facts.length) {
    const fact = document.createElement("span");
    fact.className = "fact";
    line.append(fact, " ");
  }
  facts.forEach((fact, index) => setText(line.children[index], fact));
}
