/** Derives the charts and their tables from the server's history. Pure. */

import { en } from "../../locale/en.js";
import { formatCode, formatElapsed } from "../common/format.js";

/**
 * @typedef {object} Times   In seconds.
 * @property {number} count
 * @property {number} mean
 * @property {number} p50
 * @property {number} p95
 *
 * @typedef {object} Bucket
 * @property {string} at
 * @property {number} received
 * @property {number} completed
 * @property {number} failed
 * @property {number} cancelled
 * @property {number} bytesIn
 * @property {number} bytesOut
 * @property {Times | null} wait
 * @property {Times | null} run
 * @property {Record<string, number>} failures
 *
 * @typedef {object} History   What `GET /api/admin/history` answers.
 * @property {"hour" | "day"} window
 * @property {number} bucketSeconds
 * @property {string} now
 * @property {Bucket[]} buckets
 *
 * @typedef {object} Series
 * @property {string} label
 * @property {string} color              The custom property that has it.
 * @property {number[]} [dash]           In pixels; absent for a solid line.
 * @property {(number | null)[]} values   One for each bucket; null where there is none.
 *
 * @typedef {object} Chart
 * @property {string} title
 * @property {string} summary
 * @property {"bars" | "lines"} type
 * @property {(value: number) => string} format
 * @property {Series[]} series
 */

const MAX_CODES = 4; // with a series of their own
const FAILURE_COLORS = ["--bad", "--warn", "--accent", "--good"];

/** Return the charts of a history. @param {History} history @returns {Chart[]} */
export function chartsOf({ buckets }) {
  const total = (/** @type {"completed" | "failed" | "cancelled" | "bytesIn" | "bytesOut"} */ name) =>
    buckets.reduce((sum, bucket) => sum + bucket[name], 0);
  const counts = (/** @type {"completed" | "failed" | "cancelled"} */ name) => buckets.map((bucket) => bucket[name]);
  const bytes = `${en.bytes(total("bytesIn"))} received, ${en.bytes(total("bytesOut"))} stored`;
  return [
    {
      title: "Finished uploads",
      summary: `${total("completed")} completed, ${total("cancelled")} cancelled; ${bytes}`,
      type: "bars",
      format: String,
      series: [
        { label: "Completed", color: "--good", values: counts("completed") },
        { label: "Cancelled", color: "--lamp-off", values: counts("cancelled") },
      ],
    },
    timesChart("Time in the queue", buckets, "wait"),
    timesChart("Time in a worker", buckets, "run"),
    failuresChart(buckets, total("failed")),
  ];
}

/** Return the rows of a chart's table: the buckets in which there is something. @param {Chart} chart @param {Bucket[]} buckets */
export function tableRows({ series, format }, buckets) {
  return buckets.flatMap(({ at }, index) => {
    const values = series.map(({ values }) => values[index]);
    if (!values.some(Boolean)) return [];
    return [{ at, cells: values.map((value) => (value === null ? "none" : format(value))) }];
  });
}

/** Return the first value of each stacked series: the values of the series below it, added up. @param {Series[]} series */
export function stacked(series) {
  const sums = (series[0]?.values ?? []).map(() => 0);
  return series.map(({ values }) => values.map((value, index) => (sums[index] += value ?? 0)));
}

/** @param {string} title @param {Bucket[]} buckets @param {"wait" | "run"} name @returns {Chart} */
function timesChart(title, buckets, name) {
  const times = buckets.map((bucket) => bucket[name]);
  const counted = /** @type {Times[]} */ (times.filter(Boolean));
  const count = counted.reduce((sum, one) => sum + one.count, 0);
  const mean = counted.reduce((sum, one) => sum + one.mean * one.count, 0) / count;
  return {
    title,
    summary: count ? `${formatElapsed(mean)} on average` : "No uploads",
    type: "lines",
    format: formatElapsed,
    series: [
      { label: "Median", color: "--accent", values: times.map((one) => one?.p50 ?? null) },
      { label: "95th percentile", color: "--warn", dash: [4, 3], values: times.map((one) => one?.p95 ?? null) },
    ],
  };
}

/** @param {Bucket[]} buckets @param {number} total @returns {Chart} */
function failuresChart(buckets, total) {
  /** @type {Map<string, number>} */ const counts = new Map();
  for (const { failures } of buckets) {
    for (const [code, count] of Object.entries(failures)) counts.set(code, (counts.get(code) ?? 0) + count);
  }
  const codes = [...counts.keys()].sort((one, other) => (counts.get(other) ?? 0) - (counts.get(one) ?? 0));
  const shown = codes.slice(0, MAX_CODES);
  /** @type {Series[]} */
  const series = shown.map((code, index) => ({
    label: formatCode(code),
    color: FAILURE_COLORS[index],
    values: buckets.map(({ failures }) => failures[code] ?? 0),
  }));
  if (codes.length > MAX_CODES) {
    const rest = codes.slice(MAX_CODES);
    const values = buckets.map(({ failures }) => rest.reduce((sum, code) => sum + (failures[code] ?? 0), 0));
    series.push({ label: "Other codes", color: "--lamp-off", values });
  }
  const words = shown.map((code) => `${formatCode(code)} ${counts.get(code)}`).join(", ");
  return { title: "Failures", summary: total ? `${total} failed: ${words}` : "No failures", type: "bars", format: String, series };
}
