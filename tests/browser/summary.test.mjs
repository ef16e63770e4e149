import assert from "node:assert/strict";
import { test } from "node:test";

import { summaryOf } from "../../static/client/summary.js";

const row = (tone, stage, more = {}) => ({ tone, stage, progress: 0, transfer: null, size: 100, ...more });

test("each row counts once, by what it does", () => {
  const { counts, total, active } = summaryOf([
    row("busy", "receiving"), row("busy", null),
    ...["fetching", "probing", "compressing", "thumbnails"].map((stage) => row("busy", stage)),
    row("busy", "storing"), row("busy", "cleaning"),
    row("waiting", "queued"), row("waiting", null), row("waiting", "receiving", { needsAction: true }),
    row("done", "done"), row("failed", "failed"), row("failed", null), row("cancelled", "cancelled"),
  ]);
  assert.deepEqual(counts, {
    sending: 2, compressing: 4, storing: 2, waiting: 2, needsAction: 1, done: 1, failed: 2, cancelled: 1,
  });
  assert.deepEqual([total, active], [15, 11]);
});

test("no rows have no progress", () => {
  const { total, active, progress } = summaryOf([]);
  assert.deepEqual([total, active, progress], [0, 0, 0]);
});

test("progress is weighted by size and leaves out what will not be completed", () => {
  const rows = [
    row("busy", "compressing", { progress: 50, size: 300 }), row("done", "done", { progress: 99, size: 100 }),
    row("failed", "failed", { size: 9_000 }), row("cancelled", "cancelled", { size: 9_000 }),
  ];
  assert.equal(summaryOf(rows).progress, 62.5);
  assert.equal(summaryOf([...rows.slice(0, 2), row("waiting", null, { size: null })]).progress, (15_000 + 10_000) / 600);
  assert.equal(summaryOf([row("done", "done", { size: 0 })]).progress, 100);
});
