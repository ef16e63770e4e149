import assert from "node:assert/strict";
import test from "node:test";
import { timeAfterGap } from "../../static/results/gaps.js";

const film = (/** @type {string} */ letters) =>
  [...letters].map((letter, number) => ({ start: 8 * number, end: 8 * number + 8, gap: letter === "x" }));

test("a player that plays what is there stays where it is", () => {
  assert.equal(timeAfterGap([], 0, 1), null);
  assert.equal(timeAfterGap(film("ooo"), 7.9, 8.1), null);
  assert.equal(timeAfterGap(film("oxo"), 7.7, 7.95), null);
  assert.equal(timeAfterGap(film("oxo"), 16, 16.2), null);
});

test("a gap is skipped when the player has entered it or has been put into it", () => {
  assert.equal(timeAfterGap(film("oxo"), 7.9, 8.1), 16);
  assert.equal(timeAfterGap(film("oxo"), 12, 12), 16);
  assert.equal(timeAfterGap(film("oxxxoo"), 7.9, 8.1), 32);
  assert.equal(timeAfterGap(film("xoo"), 0.2, 0.2), 8);
});

test("a player that has come past a gap without pictures goes on where it is, after a seek", () => {
  const time = timeAfterGap(film("oxoo"), 7.9, 17);
  assert.ok(time && time > 17 && time < 17.01);
});

test("a player waits in a gap after which nothing is there yet", () => {
  assert.equal(timeAfterGap(film("ox"), 7.9, 8.1), null);
});

test("a viewer who seeks back before a gap stays there", () => {
  assert.equal(timeAfterGap(film("oxo"), 17, 3), null);
});
