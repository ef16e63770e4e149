/** Moves between the routes of the page: the address bar, the history, and who shows the route. */

import { parseRoute } from "./route.js";

/** @typedef {import("./route.js").Route} Route */

/** Calls `onRoute` with the current route, now and after every change of it. */
export class Navigation {
  #onRoute;

  /** @param {(route: Route) => void} onRoute */
  constructor(onRoute) {
    this.#onRoute = onRoute;
    addEventListener("hashchange", () => this.show());
    addEventListener("popstate", () => this.show());
  }

  /** Show the route that the address bar has. */
  show() {
    this.#onRoute(parseRoute(location.hash));
  }

  /**
   * Go to a fragment.
   *
   * @param {string} fragment
   * @param {{replace?: boolean}} [options]   `replace` adds no entry to the history, such as for each typed letter.
   */
  go(fragment, { replace = false } = {}) {
    if (fragment === (location.hash || "#/")) return;
    history[replace ? "replaceState" : "pushState"](null, "", fragment);
    this.show();
  }
}
