/** Draws one chart with uPlot, with a legend, and a table that says the same. */

import { setHidden, setText } from "../../shared/dom.js";
import { elementOf } from "../common/nodes.js";
import { stacked, tableRows } from "./series.js";

/** @typedef {import("./series.js").Bucket} Bucket */
/** @typedef {import("./series.js").Chart} Chart */

const HEIGHT = 132; // of the plot with its axes, in CSS pixels
const COUNT_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];
const TIME_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600,
  7_200, 14_400, 43_200, 86_400,
]; // in seconds, so that the labels have one unit

let tables = 0;

export class ChartView {
  #library;
  #title = elementOf("h3", "");
  #summary = elementOf("p", "facts");
  #plotArea = elementOf("div", "plot");
  #legend = elementOf("ul", "legend");
  #table = elementOf("table", "chart-table");
  #tableBox = elementOf("div", "chart-table-box", this.#table);
  element = elementOf("div", "chart", this.#title, this.#summary, this.#plotArea, this.#legend, this.#tableBox);
  /** @type {any} */ #plot = null;
  /** @type {Chart | null} */ #chart = null;
  /** @type {Bucket[]} */ #buckets = [];
  #resize = new ResizeObserver(() => this.#fit());

  /** @param {any} library   uPlot's class; null if it could not be loaded: then there is only the table. */
  constructor(library) {
    this.#library = library;
    const id = `chart-${(tables += 1)}`;
    this.#title.id = id;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-labelledby", id);
    this.#table.setAttribute("aria-labelledby", id);
    this.#tableBox.tabIndex = 0;
    this.#tableBox.setAttribute("role", "region");
    this.#plotArea.setAttribute("role", "img");
    setHidden(this.#plotArea, !library);
    setHidden(this.#legend, !library);
    if (library) this.#resize.observe(this.#plotArea);
  }

  /** @param {Chart} chart @param {Bucket[]} buckets @param {boolean} asTable */
  show(chart, buckets, asTable) {
    const previous = this.#chart;
    this.#chart = chart;
    this.#buckets = buckets;
    setText(this.#title, chart.title);
    setText(this.#summary, chart.summary);
    this.#tableBox.setAttribute("aria-label", `${chart.title}, table`);
    this.#plotArea.setAttribute("aria-label", `${chart.title}: ${chart.summary}.`);
    setHidden(this.#tableBox, !asTable && this.#library !== null);
    this.#showTable();
    if (!this.#library) return;
    if (this.#plot && labelsOf(previous) === labelsOf(chart)) this.#plot.setData(this.#data());
    else this.draw();
  }

  /** Draw the chart again, with the present colors. */
  draw() {
    if (!this.#library || !this.#chart) return;
    this.#plot?.destroy();
    this.#plot = new this.#library(this.#options(this.#chart), this.#data(), this.#plotArea);
    this.#showLegend(null);
  }

  #fit() {
    const width = Math.floor(this.#plotArea.clientWidth);
    if (this.#plot && width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  /** @param {Chart} chart */
  #options(chart) {
    const color = (/** @type {string} */ name) => colorOf(this.element, name);
    const isBars = chart.type === "bars";
    const bars = this.#library.paths.bars({ size: [0.8, 16], align: 1 });
    const drawn = chart.series.map(({ color: name, dash }) => ({
      stroke: color(name),
      width: isBars ? 0 : 2,
      fill: isBars ? color(name) : undefined,
      dash,
      paths: isBars ? bars : undefined,
      points: { show: !isBars, size: 4, fill: color(name) },
    }));
    const grid = { stroke: color("--line"), width: 1 };
    const axis = { stroke: color("--muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    return {
      width: Math.max(160, Math.floor(this.#plotArea.clientWidth)),
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "history" } },
      scales: { x: { time: true }, y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [0, (max || 1) * 1.1] } },
      series: [{}, ...(isBars ? drawn.reverse() : drawn)],
      axes: [
        { ...axis, grid: { show: false }, size: 22, space: 56, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(clockText) },
        {
          ...axis,
          grid,
          size: 50,
          space: 28,
          values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map((tick) => (tick ? chart.format(tick) : "0")),
          incrs: isBars ? COUNT_STEPS : TIME_STEPS,
        },
      ],
      hooks: { setCursor: [(/** @type {any} */ { cursor }) => this.#showLegend(cursor.idx ?? null)] },
    };
  }

  /** Return the times and the values as uPlot takes them; bars are stacked, and the highest are drawn first. */
  #data() {
    const { series, type } = /** @type {Chart} */ (this.#chart);
    const times = this.#buckets.map(({ at }) => Date.parse(at) / 1000);
    return [times, ...(type === "bars" ? stacked(series).reverse() : series.map(({ values }) => values))];
  }

  /** Show the series, with their values of one bucket. @param {number | null} index */
  #showLegend(index) {
    const { series, format } = /** @type {Chart} */ (this.#chart);
    const items = series.map(({ label, color, dash, values }) => {
      const swatch = elementOf("span", dash ? "swatch dashed" : "swatch");
      swatch.style.setProperty("--color", `var(${color})`);
      const value = index === null ? null : values[index];
      const text = value === null || value === undefined ? "" : ` ${format(value)}`;
      return elementOf("li", "", swatch, label, elementOf("strong", "", text));
    });
    const bucket = index === null ? undefined : this.#buckets[index];
    if (bucket) items.unshift(elementOf("li", "", elementOf("strong", "", clockText(Date.parse(bucket.at) / 1000))));
    this.#legend.replaceChildren(...items);
  }

  #showTable() {
    if (this.#tableBox.hidden) return;
    const chart = /** @type {Chart} */ (this.#chart);
    const rows = tableRows(chart, this.#buckets);
    const head = elementOf("tr", "", headerOf("From", "col"), ...chart.series.map(({ label }) => headerOf(label, "col")));
    const body = rows.map(({ at, cells }) => {
      const header = headerOf(clockText(Date.parse(at) / 1000), "row");
      return elementOf("tr", "", header, ...cells.map((cell) => elementOf("td", "", cell)));
    });
    if (!rows.length) body.push(elementOf("tr", "", elementOf("td", "", "Nothing in this time.")));
    this.#table.replaceChildren(elementOf("thead", "", head), elementOf("tbody", "", ...body));
  }
}

/** @param {string} text @param {string} scope */
function headerOf(text, scope) {
  const header = elementOf("th", "", text);
  header.setAttribute("scope", scope);
  return header;
}

/** @param {Chart | null} chart */
function labelsOf(chart) {
  return JSON.stringify(chart?.series.map(({ label }) => label));
}

/** Return the time of day. @param {number} seconds   A Unix time. */
function clockText(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** Return the present color of a custom property, as a canvas takes it. @param {HTMLElement} element @param {string} name */
function colorOf(element, name) {
  const probe = elementOf("span", "");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
