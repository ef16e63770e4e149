import assert from "node:assert/strict";
import { test } from "node:test";

import { en } from "../../static/locale/en.js";

const { bytes, duration, eta, outputFacts, outputTitle, partialNote, progressFacts, received, resultNote, saved } = en;

const nothing = { speed: null, eta: null, queuePosition: null };
const state = { stage: "compressing", ...nothing, bytesReceived: 9, bytesExpected: 9 };

test("bytes uses at most three digits and a suitable unit", () => {
  const sizes = [0, 1, 999, 48_210, 999_499, 999_500, 2_147_483_648];
  const expected = ["0 bytes", "1 byte", "999 bytes", "48.2 kB", "999 kB", "1.00 MB", "2.15 GB"];
  assert.deepEqual(sizes.map(bytes), expected);
});

test("received never shows more than the expected bytes", () => {
  assert.equal(received(500, 1000), "0.50 of 1.00 kB");
  assert.equal(received(154_200_000, 197_000_000), "154 of 197 MB");
  assert.equal(received(1200, 1000), "1.00 of 1.00 kB");
  assert.equal(received(500, null), "500 bytes");
});

test("a transfer is shown by its bytes, its speed and the remaining time, as far as they are known", () => {
  const transfer = { sent: 154_200_000, total: 197_000_000, percent: 78.3, bytesPerSecond: 3_140_000, secondsLeft: 13.6 };
  assert.deepEqual(en.transferFacts(transfer), ["154 of 197 MB", "3.1 MB/s", "about 15 s left"]);
  const unknown = { ...transfer, total: null, percent: null, bytesPerSecond: 0, secondsLeft: null };
  assert.deepEqual(en.transferFacts(unknown), ["154 MB"]);
  assert.deepEqual(en.transferFacts({ ...unknown, sent: 0 }), []);
});

test("an interrupted transfer is shown by what is kept, and a missing rest by its size", () => {
  const transfer = { sent: 15_700_000, total: 83_200_000, percent: 18.9, bytesPerSecond: null, secondsLeft: null };
  assert.deepEqual(en.interruptionFacts(transfer, 7.2), ["15.7 of 83.2 MB kept", "trying again in 8 s"]);
  assert.deepEqual(en.interruptionFacts({ ...transfer, sent: 0 }, null), []);
  assert.equal(
    en.restMissing("mid.mp4", { ...transfer, sent: 77_900_000, percent: 93.6 }),
    "93% has arrived. Choose mid.mp4 again to send the last 5.30 MB.",
  );
  assert.match(en.restMissing("mid.mp4", { ...transfer, sent: 0 }), /does not have the complete file/);
});

test("rowSummary names what the rows do, and nothing that no row does", () => {
  const none = { sending: 0, compressing: 0, storing: 0, needsAction: 0, waiting: 0, done: 0, failed: 0, cancelled: 0 };
  assert.equal(en.rowSummary({ counts: none }), "");
  assert.equal(en.rowSummary({ counts: { ...none, compressing: 1, done: 4 } }), "1 compressing, 4 done");
  assert.equal(en.rowSummary({ counts: { ...none, needsAction: 1, cancelled: 2 } }), "1 needs its file, 2 cancelled");
});

test("an error says what helps, where that is known", () => {
  assert.match(en.failure({ code: "UNREADABLE_MEDIA", message: "It is broken." }), /^It is broken\. It may be damaged/);
  assert.equal(en.failure({ code: "FORBIDDEN", message: "No." }), "No.");
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
  assert.deepEqual(progressFacts({ ...state, stage: "receiving" }), ["9 of 9 bytes"]);
});

test("progressFacts shows the forecast as a range while there is one", () => {
  const sizes = (...range) => progressFacts({ ...state, forecast: { bytes: range[0], bytesLow: range[0], bytesHigh: range[1], seconds: 1 } })[0];
  assert.match(sizes(10_400_000, 14_900_000), /^expected size 10\s?[–-]\s?15 MB$/);
  assert.match(sizes(950_000, 1_240_000), /^expected size 0\.95\s?[–-]\s?1\.2 MB$/);
  assert.equal(sizes(10_400_000, 10_410_000), "expected size 10 MB");
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
  const missing = [[40, 48], [3600, 3608]];
  assert.equal(
    partialNote({ partial: { seconds: 16, declaredSeconds: 16, missing } }),
    "The file is damaged. These times could not be read: 0:40–0:48, 1:00:00–1:00:08.",
  );
  const short = [[8.2, 8.28]];
  assert.match(partialNote({ partial: { seconds: 16, declaredSeconds: 16, missing: short } }), /: 0:08–0:09\.$/);
  const many = Array.from({ length: 99 }, (_, second) => [second, second + 0.5]);
  assert.match(partialNote({ partial: { seconds: 50, declaredSeconds: 99, missing: many } }), /, 0:07–0:08, …\.$/);
  const lastFrame = { seconds: 3.92, declaredSeconds: 8, missing: [[3.92, 3.96]] };
  assert.equal(partialNote({ partial: lastFrame }), "The file is incomplete. Only 3.9 s of 8 s could be read.");
  assert.equal(
    partialNote({ partial: { seconds: 20, declaredSeconds: 60, missing: [[4, 12]] } }),
    "The file is incomplete. Only 20 s of 1:00 could be read. The file is damaged. These times could not be read: 0:04–0:12.",
  );
  assert.equal(partialNote({}), "");
  assert.equal(resultNote({}), "");
  assert.match(resultNote({ copied: true }), /stored unchanged/);
  const quality = { metric: "vmaf", target: 93, score: 93.4, crf: 24 };
  assert.equal(resultNote({ quality }), "VMAF 93.4, measured on samples");
});

test("saved shows a larger result as larger", () => {
  assert.deepEqual([87.2, 0.6, -7].map(saved), ["87% smaller", "1% smaller", "7% larger"]);
  assert.equal(saved(99.9), "99% smaller", "some bytes remain");
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
