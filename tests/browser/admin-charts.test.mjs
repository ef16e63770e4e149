import assert from "node:assert/strict";
import test from "node:test";

import { chartsOf, stacked, tableRows } from "../../static/admin/charts/series.js";

const EMPTY = {
  at: "2026-01-02T12:00:00.000Z", received: 0, completed: 0, failed: 0, cancelled: 0, bytesIn: 0, bytesOut: 0, wait: null,
  run: null, failures: {},
};
const bucket = (more) => ({ ...EMPTY, ...more });
const times = (count, mean, p50, p95) => ({ count, mean, p50, p95 });
const plain = (text) => text.replaceAll("\u00a0", " ");

test("an hour without uploads has four charts that say so", () => {
  const charts = chartsOf({ buckets: [EMPTY, EMPTY] });
  assert.deepEqual(charts.map(({ title }) => title), ["Finished uploads", "Time in the queue", "Time in a worker", "Failures"]);
  assert.deepEqual(charts.map(({ summary }) => plain(summary)), [
    "0 completed, 0 cancelled; 0 bytes received, 0 bytes stored", "No uploads", "No uploads", "No failures",
  ]);
  for (const chart of charts) assert.deepEqual(tableRows(chart, [EMPTY, EMPTY]), []);
});

test("the mean of a time is weighted by the number of uploads", () => {
  const buckets = [bucket({ run: times(1, 10, 10, 10) }), EMPTY, bucket({ run: times(3, 2, 1, 4) })];
  const [, wait, run] = chartsOf({ buckets });
  assert.equal(wait.summary, "No uploads");
  assert.equal(plain(run.summary), "4.0 s on average");
  assert.deepEqual(run.series.map(({ values }) => values), [[10, null, 1], [10, null, 4]]);
  assert.deepEqual(tableRows(run, buckets).map(({ cells }) => cells.map(plain)), [["10 s", "10 s"], ["1.0 s", "4.0 s"]]);
});

test("the frequent codes have a series each, and the others one", () => {
  const failures = { TIMEOUT: 5, TRANSCODE_ERROR: 4, STORAGE_ERROR: 3, WORKER_LOST: 2, INTERNAL: 1, TOO_LARGE: 1 };
  const [, , , chart] = chartsOf({ buckets: [bucket({ failed: 16, failures }), bucket({ failed: 1, failures: { TIMEOUT: 1 } })] });
  assert.deepEqual(chart.series.map(({ label, values }) => [label, ...values]), [
    ["Timeout", 5, 1], ["Transcode error", 4, 0], ["Storage error", 3, 0], ["Worker lost", 2, 0], ["Other codes", 2, 0],
  ]);
  assert.equal(chart.summary, "17 failed: Timeout 6, Transcode error 4, Storage error 3, Worker lost 2");
  assert.equal(new Set(chart.series.map(({ color }) => color)).size, 5);
});

test("cancelled uploads are no failures", () => {
  const [finished, , , failures] = chartsOf({ buckets: [bucket({ completed: 2, cancelled: 3 })] });
  assert.deepEqual(finished.series.map(({ label, values }) => [label, ...values]), [["Completed", 2], ["Cancelled", 3]]);
  assert.equal(failures.summary, "No failures");
});

test("stacked values include those of the series below", () => {
  const of = (...values) => ({ label: "", color: "", values });
  assert.deepEqual(stacked([of(1, null), of(2, 3), of(4, 5)]), [[1, 0], [3, 3], [7, 8]]);
  assert.deepEqual(stacked([]), []);
});
