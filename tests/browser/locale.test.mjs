import assert from "node:assert/strict";
import { test } from "node:test";

import { ENGLISH } from "../../static/locale/en.js";

const { bytes, duration, eta, outputFacts, outputTitle, partialNote, progressFacts, received, resultNote, saved } = ENGLISH;

const nothing = { speed: null, eta: null, queuePosition: null };
const state = { stage: "compressing", ...nothing, bytesReceived: 9, bytesExpected: 9 };

test("bytes uses at most three digits and a suitable unit", () => {
  const sizes = [0, 1, 999, 48_210, 999_499, 999_500, 2_147_483_648];
  const expected = ["0 bytes", "1 byte", "999 bytes", "48.2 kB", "999 kB", "1.00 MB", "2.15 GB"];
  assert.deepEqual(sizes.map(bytes), expected);
});

test("received never shows more than the expected bytes", () => {
  assert.equal(received(500, 1000), "500 bytes of 1.00 kB");
  assert.equal(received(1200, 1000), "1.00 kB of 1.00 kB");
  assert.equal(received(500, null), "500 bytes");
});

test("eta rounds more, the longer the time is", () => {
  const expected = ["a second", "7 s", "10 s", "1 min", "1 h 0 min", "1 h 30 min"].map((time) => `about ${time} left`);
  assert.deepEqual([0.4, 7.4, 12.4, 58, 3599, 5400].map(eta), expected);
});

test("progressFacts shows the position in the queue", () => {
  const expected = ["next", "2nd", "3rd", "4th", "11th", "22nd"].map((position) => [`${position} in the queue`]);
  const factsAt = (queuePosition) => progressFacts({ ...state, stage: "queued", queuePosition });
  assert.deepEqual([1, 2, 3, 4, 11, 22].map(factsAt), expected);
});

test("duration shows hours only if there are any", () => {
  assert.deepEqual([4, 59.6, 61, 3661].map(duration), ["0:04", "1:00", "1:01", "1:01:01"]);
});

test("progressFacts omits unknown facts", () => {
  assert.deepEqual(progressFacts(state), []);
  const fast = { ...state, speed: 1.84, eta: 0 };
  assert.deepEqual(progressFacts(fast), ["1.8× speed", "about a second left"]);
  assert.deepEqual(progressFacts({ ...state, stage: "queued", queuePosition: 2 }), ["2nd in the queue"]);
  assert.deepEqual(progressFacts({ ...state, stage: "receiving" }), ["9 bytes of 9 bytes"]);
});

test("progressFacts shows the forecast with two digits, and its time only without an ETA", () => {
  const facts = (bytes, seconds, more = {}) => progressFacts({ ...state, forecast: { bytes, seconds }, ...more });
  assert.deepEqual(facts(12_345_678, 61), ["expected size 12 MB", "expected time 1 min"]);
  assert.deepEqual(facts(8_400_000, 3.2), ["expected size 8.4 MB", "expected time 3 s"]);
  assert.deepEqual(facts(1_040_000, 0), ["expected size 1 MB", "expected time 1 s"]);
  assert.deepEqual(facts(1_040_000, 9, { eta: 4 }), ["about 4 s left", "expected size 1 MB"]);
  assert.deepEqual(facts(1_040_000, 9, { stage: "storing" }), []);
});

test("partialNote and resultNote describe incomplete, unchanged and measured results", () => {
  const note = (seconds, declaredSeconds) => partialNote({ partial: { seconds, declaredSeconds } });
  assert.equal(note(3.96, 8), "The file is incomplete. Only 4 s of 8 s could be read.");
  assert.equal(note(63.6, 3700), "The file is incomplete. Only 1:04 of 1:01:40 could be read.");
  assert.equal(partialNote({}), "");
  assert.equal(resultNote({}), "");
  assert.match(resultNote({ copied: true }), /stored unchanged/);
  const quality = { metric: "vmaf", target: 93, score: 93.4, crf: 24 };
  assert.equal(resultNote({ quality }), "VMAF 93.4, measured on samples");
});

test("saved shows a larger result as larger", () => {
  assert.deepEqual([87.2, 0.6, -7].map(saved), ["87% smaller", "1% smaller", "7% larger"]);
  for (const percent of [0.4, 0, -0.4]) assert.equal(saved(percent), "About the same size");
});

test("outputTitle and outputFacts describe an output", () => {
  const measures = { width: 1280, height: 720, duration: 12.4, size: 832_000 };
  const film = { kind: "video", name: "video", mime: "video/mp4", ...measures };
  assert.equal(outputTitle(film), "Video, MP4");
  assert.equal(outputFacts(film), "1280 × 720 · 0:12 · 832 kB");
  assert.equal(outputTitle({ ...film, kind: "thumbnail", mime: "image/webp" }), "Image, WebP");
  assert.equal(outputTitle({ ...film, kind: "audio", mime: "audio/mp4" }), "Audio, M4A");
  assert.equal(outputTitle({ ...film, kind: "captions", name: "captions", mime: "text/vtt" }), "captions, VTT");
});
