/** The controls that filter and sort the list. The filter itself is in the URL. */

import { byId, setHidden } from "../../shared/dom.js";
import { buttonOf, elementOf } from "../common/nodes.js";
import { NO_FILTER, listFragment } from "../common/route.js";

/** @typedef {import("../common/navigation.js").Navigation} Navigation */
/** @typedef {import("../common/route.js").Filter} Filter */

const TYPING_MS = 250; // how long nothing is typed before the text is searched for
const CONTROLS = /** @type {const} */ (["text", "state", "age", "sort"]);
const LINKED = /** @type {const} */ (["template", "owner", "code"]); // set by links only, and removed by a button

export class Filters {
  #filter = /** @type {Filter} */ ({ ...NO_FILTER });
  #navigation;
  #linked = byId("linked-filters");
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #typing;

  /** @param {Navigation} navigation */
  constructor(navigation) {
    this.#navigation = navigation;
    for (const name of ["state", "age", "sort"]) controlOf(name).addEventListener("change", () => this.#go());
    controlOf("text").addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#go({ replace: this.#filter.text !== "" }), TYPING_MS);
    });
    byId("clear-filter").addEventListener("click", () => {
      navigation.go("#/");
      controlOf("text").focus();
    });
  }

  /** The filter that is shown. */
  get filter() {
    return this.#filter;
  }

  /** Show a filter in the controls. @param {Filter} filter */
  show(filter) {
    clearTimeout(this.#typing);
    this.#filter = { ...filter };
    for (const name of CONTROLS) {
      const control = controlOf(name);
      if (control.value !== filter[name]) control.value = filter[name];
    }
    const linked = LINKED.filter((name) => filter[name]);
    this.#linked.replaceChildren(...linked.map((name) => this.#linkedFilter(name)));
    setHidden(this.#linked, linked.length === 0);
    setHidden(byId("clear-filter"), listFragment({ ...filter, sort: "" }) === "#/");
  }

  /** @param {"template" | "owner" | "code"} name */
  #linkedFilter(name) {
    const value = this.#filter[name];
    const button = buttonOf("Remove", `the filter ${name} ${value}`);
    button.addEventListener("click", () => {
      this.#navigation.go(listFragment({ ...this.#filter, [name]: "" }));
      controlOf("text").focus();
    });
    return elementOf("li", "", elementOf("span", "", `${name}: `), valueOf(value), button);
  }

  /** Go to the filter of the controls. @param {{replace?: boolean}} [options] */
  #go(options) {
    clearTimeout(this.#typing);
    const values = Object.fromEntries(CONTROLS.map((name) => [name, controlOf(name).value.trim()]));
    this.#navigation.go(listFragment({ ...this.#filter, ...values }), options);
  }
}

/** @param {string} value */
function valueOf(value) {
  const element = elementOf("strong", "", value);
  element.dir = "auto";
  return element;
}

/** @param {string} name */
function controlOf(name) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (byId(name));
}
