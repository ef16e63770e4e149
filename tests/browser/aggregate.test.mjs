import assert from "node:assert/strict";
import { test } from "node:test";

import { aggregateOf } from "../../static/client/aggregate.js";

const of = (status, progress, more = {}) => ({ state: { status, progress, ...more }, error: null, file: null });
const sized = (status, progress, bytesExpected, more) => of(status, progress, { bytesExpected, ...more });

test("the aggregate of no uploads is empty", () => {
  assert.deepEqual(aggregateOf([]), {
    total: 0, active: 0, completed: 0, failed: 0, cancelled: 0, progress: 0, bytesReceived: 0, bytesExpected: 0, eta: null,
    status: null,
  });
});

test("progress is weighted by file size", () => {
  assert.equal(aggregateOf([sized("starting", 0, 900), sized("compressing", 80, 100)]).progress, 8);
});

test("an upload of unknown size has the average weight of the others", () => {
  assert.equal(aggregateOf([of("starting", 0), of("compressing", 50)]).progress, 25);
  const mixed = [sized("starting", 0, 100), sized("starting", 0, 300), of("compressing", 60)];
  assert.equal(aggregateOf(mixed).progress, 20);
});

test("a file counts before the first message", () => {
  const { active, bytesExpected, status } = aggregateOf([{ state: null, error: null, file: { size: 7 } }]);
  assert.deepEqual({ active, bytesExpected, status }, { active: 1, bytesExpected: 7, status: "starting" });
});

test("an upload that waits for a token is active, one that this client stopped sending has failed", () => {
  const stuck = (code) => ({ state: null, error: { code }, file: { size: 1 } });
  assert.equal(aggregateOf([stuck("UNAUTHENTICATED")]).active, 1);
  assert.equal(aggregateOf([stuck("NETWORK")]).failed, 1);
});

test("a cancelled or deleted upload has not failed, also if the server never knew it", () => {
  const ended = (stage) => of("error", 40, { stage });
  const unknown = (code) => ({ state: null, error: { code }, file: { size: 1 } });
  const { failed, cancelled, active, status } = aggregateOf([
    ended("failed"), ended("cancelled"), ended("deleted"), unknown("CANCELLED"), unknown("DELETED"),
  ]);
  assert.deepEqual({ failed, cancelled, active, status }, { failed: 1, cancelled: 4, active: 0, status: "error" });
});

test("the status is that of the upload furthest behind, and at the end the outcome", () => {
  const status = (...statuses) => aggregateOf(statuses.map((word) => of(word, 0))).status;
  assert.equal(status("uploading", "compressing", "completed"), "compressing");
  assert.equal(status("uploading", "starting", "error"), "starting");
  assert.equal(status("completed", "error"), "error");
  assert.equal(status("completed", "completed"), "completed");
});

test("the ETA is the longest, and null while one upload has none", () => {
  const lasting = (...etas) => aggregateOf(etas.map((eta) => of("compressing", 50, { eta }))).eta;
  assert.equal(lasting(3, 8), 8);
  assert.equal(lasting(3, null), null);
  assert.equal(aggregateOf([of("compressing", 50, { eta: 3 }), of("completed", 100, { eta: null })]).eta, 3);
});

test("the counts add up, progress never falls, and 100 means that all have completed", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = randoms(seed);
    const uploads = Array.from({ length: 1 + Math.floor(random() * 6) }, () => ({
      state: null, error: null, file: random() < 0.3 ? null : { size: Math.floor(random() * 1e9) },
    }));
    let before = 0;
    for (let step = 0; step < 60; step += 1) {
      moveOne(uploads, random);
      const now = aggregateOf(uploads, before);
      assert.equal(now.active + now.completed + now.failed + now.cancelled, now.total);
      assert.ok(now.progress >= before, `seed ${seed}: ${now.progress} after ${before}`);
      assert.equal(now.progress === 100, uploads.every(({ state }) => state?.status === "completed"));
      assert.equal(now.active === 0, now.status === "completed" || now.status === "error");
      before = now.progress;
    }
  }
});

/** One fact about one upload: forward, ended, started over, given up, or its size told. Completed is for good. */
function moveOne(uploads, random) {
  const upload = uploads[Math.floor(random() * uploads.length)];
  const { state } = upload;
  if (state?.status === "completed") return;
  const progress = Math.min(99, (state?.progress ?? 0) + random() * 40);
  const bytesExpected = state?.bytesExpected ?? (random() < 0.5 ? Math.floor(random() * 1e9) : null);
  const kind = random();
  upload.error = kind > 0.95 ? { code: "NETWORK" } : null;
  if (kind < 0.6) upload.state = { status: progress < 40 ? "starting" : "compressing", progress, bytesExpected };
  else if (kind < 0.8) upload.state = { status: "completed", progress: 100, bytesExpected };
  else if (kind < 0.9) upload.state = { status: "error", stage: kind < 0.85 ? "failed" : "cancelled", progress, bytesExpected };
  else upload.state = { status: "starting", progress: 0, bytesExpected }; // another attempt
}

/** Numbers in [0, 1) that depend on `seed` alone. */
function randoms(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
