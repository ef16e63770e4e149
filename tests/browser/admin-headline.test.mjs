import assert from "node:assert/strict";
import test from "node:test";

import { headlineOf } from "../../static/admin/panels/headline.js";

const overview = ({ queue, workers, statuses, paused } = {}) => ({
  queue: { depth: 0, oldestAge: null, delayed: 0, paused: 0, ...queue },
  workers: { total: 2, busy: 0, ...workers },
  statuses: { starting: 0, compressing: 0, uploading: 0, waiting: 0, ...statuses },
  paused: paused ?? [],
});
const plain = ({ text, detail, tone }) => [text, detail.replaceAll("\u00a0", " "), tone];

test("a server without work is idle", () => {
  assert.deepEqual(plain(headlineOf(overview())), ["No active uploads", "", "idle"]);
});

test("the headline counts what is processed, received and waiting", () => {
  const busy = overview({
    queue: { depth: 3, oldestAge: 95, delayed: 1 }, workers: { busy: 2 },
    statuses: { starting: 5, compressing: 1, uploading: 1, waiting: 4 },
  });
  assert.deepEqual(plain(headlineOf(busy)), [
    "2 processing, 1 receiving, 4 waiting", "The oldest has waited 1 min, 1 retry is scheduled.", "busy",
  ]);
});

test("a pause is in the headline, and without workers it is bad news", () => {
  const paused = overview({ queue: { paused: 2 }, statuses: { starting: 2, waiting: 2 }, paused: [{}] });
  assert.deepEqual(plain(headlineOf(paused)), [
    "2 waiting", "2 uploads wait for a paused template, 1 pause is in effect.", "warn",
  ]);
  assert.deepEqual(plain(headlineOf(overview({ workers: { total: 0 } }))), [
    "No active uploads", "No workers are running.", "bad",
  ]);
});
