import assert from "node:assert/strict";
import test from "node:test";

import { filmFacts, oneRunReason, problemTexts, runsOf, stateCounts } from "../../static/admin/detail/segments.js";

const film = {
  seconds: 5400, segments: 675, renditions: [], states: "ddirww", done: 3, running: [], failures: [], failure: null,
  missing: [], soundSeconds: 96,
};

test("tasks of the same state that follow each other are one run", () => {
  assert.deepEqual(runsOf("ddirrwwwf").map(({ state, count }) => `${count} ${state}`), [
    "2 done", "1 incomplete", "2 running", "3 waiting", "1 failed",
  ]);
  assert.deepEqual(runsOf(""), []);
  assert.equal(runsOf("d".repeat(2000) + "r" + "w".repeat(900)).length, 3);
});

test("the strip is described by the numbers of its tasks", () => {
  assert.deepEqual(stateCounts("ddirww"), ["2 done", "1 incomplete", "1 running", "2 waiting"]);
});

test("the film as a whole has its facts", () => {
  assert.deepEqual(filmFacts(film), ["3 of 6 tasks done", "675 segments", "1:30:00", "sound 1:36 of 1:30:00"]);
  assert.equal(filmFacts({ ...film, soundSeconds: null }).at(-1), "no sound");
});

test("what failed and what is missing are sentences", () => {
  const failures = [{ task: 6, segment: 5, start: 40, end: 48, attempts: 2 }, { task: 7, segment: 6, start: 48, end: 56, attempts: 1 }];
  assert.deepEqual(problemTexts({ ...film, failure: "It cannot be encoded.", failures, missing: [[40, 48]] }), [
    "It cannot be encoded.",
    "0:40–0:48: 2 attempts have failed.",
    "0:48–0:56: an attempt has failed.",
    "0:40–0:48 could not be decoded.",
  ]);
  assert.deepEqual(problemTexts(film), []);
});

test("the reason for one run is that of the last attempt", () => {
  const line = (event, reason) => ({ at: "", level: "info", event, process: "", details: reason ? { reason } : {} });
  assert.equal(oneRunReason([line("started"), line("film_in_one_run", "Old."), line("film_in_one_run", "It has no keyframes.")]),
    "The film is compressed in one run: It has no keyframes.");
  assert.equal(oneRunReason([line("started")]), "");
});
