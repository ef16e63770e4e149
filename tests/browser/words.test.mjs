import assert from "node:assert/strict";
import { test } from "node:test";

import {
  bytesWords, durationWords, etaWords, outputFacts, outputTitle, paceWords, partialWords, queueWords, receivedWords,
  resultWords, savedWords,
} from "../../static/words.js";

const nothing = { speed: null, fps: null, eta: null, queuePosition: null };
const state = { stage: "compressing", ...nothing, bytesReceived: 9, bytesExpected: 9 };

test("bytes have three digits at most and the unit that suits them", () => {
  const sizes = [0, 1, 999, 48_210, 999_499, 999_500, 2_147_483_648];
  const said = ["0 bytes", "1 byte", "999 bytes", "48.2 kB", "999 kB", "1.00 MB", "2.15 GB"];
  assert.deepEqual(sizes.map(bytesWords), said);
});

test("what has been received is never more than what was expected", () => {
  assert.equal(receivedWords(500, 1000), "500 bytes of 1.00 kB");
  assert.equal(receivedWords(1200, 1000), "1.00 kB of 1.00 kB");
  assert.equal(receivedWords(500, null), "500 bytes");
});

test("the time left is rounded the more the further off it is", () => {
  const said = ["a second", "7 s", "10 s", "1 min", "1 h 0 min", "1 h 30 min"].map((words) => `about ${words} left`);
  assert.deepEqual([0.4, 7.4, 12.4, 58, 3599, 5400].map(etaWords), said);
});

test("places in the queue", () => {
  const said = ["next", "2nd", "3rd", "4th", "11th", "22nd"].map((place) => `${place} in the queue`);
  assert.deepEqual([1, 2, 3, 4, 11, 22].map(queueWords), said);
});

test("durations", () => {
  assert.deepEqual([4, 59.6, 61, 3661].map(durationWords), ["0:04", "1:00", "1:01", "1:01:01"]);
});

test("only what is known is said", () => {
  assert.deepEqual(paceWords(state), []);
  const fast = { ...state, speed: 1.84, fps: 54.6, eta: 0 };
  assert.deepEqual(paceWords(fast), ["1.8× speed", "55 fps", "about a second left"]);
  assert.deepEqual(paceWords({ ...state, stage: "queued", queuePosition: 2 }), ["2nd in the queue"]);
  assert.deepEqual(paceWords({ ...state, stage: "receiving" }), ["9 bytes of 9 bytes"]);
});

test("a forecast is as rough as it is, and leaves the time to the ETA once there is one", () => {
  const said = (bytes, seconds, more = {}) => paceWords({ ...state, forecast: { bytes, seconds }, ...more });
  assert.deepEqual(said(12_345_678, 61), ["about 12 MB in 1 min expected"]);
  assert.deepEqual(said(8_400_000, 3.2), ["about 8.4 MB in 3 s expected"]);
  assert.deepEqual(said(1_040_000, 0), ["about 1 MB in 1 s expected"]);
  assert.deepEqual(said(1_040_000, 9, { eta: 4 }), ["about 4 s left", "about 1 MB expected"]);
  assert.deepEqual(said(1_040_000, 9, { stage: "storing" }), []);
});

test("what is missing, and what is as it was", () => {
  const cut = (seconds, declaredSeconds) => partialWords({ partial: { seconds, declaredSeconds } });
  assert.equal(cut(3.96, 8), "The file was cut short: 4 s of 8 s could be read.");
  assert.equal(cut(63.6, 3700), "The file was cut short: 1:04 of 1:01:40 could be read.");
  assert.equal(partialWords({}), "");
  assert.equal(resultWords({}), "");
  assert.match(resultWords({ copied: true }), /kept as it was/);
  assert.equal(resultWords({ quality: { metric: "vmaf", target: 93, score: 93.4, crf: 24 } }), "VMAF 93.4, by samples");
});

test("a result that did not get smaller is not said to have", () => {
  assert.deepEqual([87.2, 0.6, -7].map(savedWords), ["87% smaller", "1% smaller", "7% larger"]);
  for (const percent of [0.4, 0, -0.4]) assert.equal(savedWords(percent), "About the same size");
});

test("outputs", () => {
  const measures = { width: 1280, height: 720, duration: 12.4, size: 832_000 };
  const film = { kind: "video", name: "video", mime: "video/mp4", ...measures };
  assert.equal(outputTitle(film), "Video, MP4");
  assert.equal(outputFacts(film), "1280 × 720 · 0:12 · 832 kB");
  assert.equal(outputTitle({ ...film, kind: "thumbnail", mime: "image/webp" }), "Picture, WebP");
  assert.equal(outputTitle({ ...film, kind: "audio", mime: "audio/mp4" }), "Sound, M4A");
  assert.equal(outputTitle({ ...film, kind: "captions", name: "captions", mime: "text/vtt" }), "captions, VTT");
});
