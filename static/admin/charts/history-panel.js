/** The charts of the last hour or day. They are fetched, and uPlot is loaded, only while the panel is open. */

import { byId, setHidden, setText } from "../../shared/dom.js";
import { loadUplot } from "../../shared/lazy-import.js";
import { tryStorage } from "../../shared/storage.js";
import { ChartView } from "./chart.js";
import { chartsOf } from "./series.js";

/** @typedef {import("../common/calls.js").Calls} Calls */
/** @typedef {import("./series.js").History} History */

const REFRESH_MS = { hour: 15_000, day: 60_000 };
const OPEN_KEY = "roomcast.admin.history";

export class HistoryPanel {
  #calls;
  #panel = /** @type {HTMLDetailsElement} */ (byId("history"));
  #window = /** @type {"hour" | "day"} */ ("hour");
  #asTable = false;
  /** @type {Promise<ChartView[]> | null} */ #views = null;
  /** @type {History | null} */ #history = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {Calls} calls */
  constructor(calls) {
    this.#calls = calls;
    const stored = tryStorage(() => localStorage.getItem(OPEN_KEY), null);
    this.#panel.open = stored === null ? matchMedia("(width >= 720px)").matches : stored === "open";
    this.#panel.addEventListener("toggle", () => {
      tryStorage(() => localStorage.setItem(OPEN_KEY, this.#panel.open ? "open" : "closed"), undefined);
      void this.refresh();
    });
    for (const name of /** @type {const} */ (["hour", "day"])) {
      byId(`history-${name}`).addEventListener("click", () => this.#choose(name));
    }
    byId("history-table").addEventListener("click", () => {
      this.#asTable = !this.#asTable;
      byId("history-table").setAttribute("aria-pressed", String(this.#asTable));
      void this.#show();
    });
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", async () => (await this.#views)?.forEach((view) => view.draw()));
    }
    document.addEventListener("visibilitychange", () => void this.refresh());
  }

  /** Fetch the history, if the panel is visible; and again later. */
  async refresh() {
    clearTimeout(this.#timer);
    if (!this.#panel.open || !this.#panel.checkVisibility() || document.visibilityState !== "visible") return;
    const asked = this.#window;
    const { response, error } = await this.#calls.attempt("GET", `api/admin/history?window=${asked}`);
    if (asked !== this.#window) return;
    setText(byId("history-note"), error?.message ?? "");
    setHidden(byId("history-note"), !error);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), REFRESH_MS[asked]);
    if (!response) return;
    this.#history = response;
    await this.#show();
  }

  async #show() {
    if (!this.#history) return;
    this.#views ??= this.#create();
    const views = await this.#views;
    const { buckets } = this.#history;
    chartsOf(this.#history).forEach((chart, index) => views[index].show(chart, buckets, this.#asTable));
  }

  /** Load uPlot and create the charts. Without it, there are only the tables. */
  async #create() {
    const library = await loadUplot();
    const views = [0, 1, 2, 3].map(() => new ChartView(library));
    setHidden(byId("history-table"), !library);
    byId("charts").replaceChildren(...views.map(({ element }) => element));
    return views;
  }

  /** @param {"hour" | "day"} window */
  #choose(window) {
    if (window === this.#window) return;
    this.#window = window;
    for (const name of ["hour", "day"]) byId(`history-${name}`).setAttribute("aria-pressed", String(name === window));
    void this.refresh();
  }
}
