import assert from "node:assert/strict";
import test from "node:test";

import { replayed } from "../../static/admin/detail/replay.js";
import {
  actorText, changeText, detailsText, outcomeText, stageBars,
} from "../../static/admin/detail/timeline.js";

const START = Date.parse("2026-01-02T12:00:00Z");
const stage = (name, from, seconds, more) => ({
  stage: name, attempt: 1, seq: 1, startedAt: new Date(START + from * 1000).toISOString(), seconds, ended: true, ...more,
});
const message = (seq, more) => ({
  uploadId: "upload_1", epoch: "e", seq, status: "starting", stage: "receiving", progress: 0, stageProgress: 0, message: "",
  filename: "a.mp4", metadata: {}, bytesReceived: 0, bytesExpected: 9, attempt: 1, updatedAt: "", eta: null, speed: null,
  fps: null, queuePosition: null, ...more,
});
const event = (seq, more) => ({ seq, at: "", actor: null, message: message(seq, more) });
const plain = (text) => text.replaceAll("\u00a0", " ");

test("the bars of the stages share one axis from the first start to the last end", () => {
  const bars = stageBars([stage("receiving", 0, 2), stage("queued", 2, 0), stage("compressing", 2, 6)]);
  assert.deepEqual(bars.map(({ title, start, width }) => [title, start, width]), [
    ["Receiving", 0, 25], ["Waiting for a worker", 25, 0], ["Compressing", 25, 75],
  ]);
  assert.deepEqual(bars.map(({ elapsed }) => plain(elapsed)), ["2.0 s", "0 ms", "6.0 s"]);
  assert.deepEqual(stageBars([]), []);
  assert.deepEqual(stageBars([stage("receiving", 0, 0)]).map(({ start, width }) => [start, width]), [[0, 0]]);
});

test("stages are named with their attempt when there are several", () => {
  const bars = stageBars([stage("probing", 0, 1), stage("probing", 1, 1, { attempt: 2 })]);
  assert.deepEqual(bars.map(({ title }) => title), ["Analyzing the file, attempt 1", "Analyzing the file, attempt 2"]);
});

test("an event says what it changed", () => {
  const first = event(1);
  assert.equal(changeText(first, undefined), "Receiving");
  assert.equal(changeText(event(2, { stage: "queued" }), first), "Waiting for a worker");
  assert.equal(changeText(event(2, { attempt: 2 }), first), "Receiving, attempt 2");
  assert.equal(changeText(event(2, { message: "Paused by an administrator." }), first), "Paused by an administrator.");
  assert.equal(changeText(event(2, { poster: { key: "k" } }), first), "Poster available");
  assert.equal(changeText(event(2, { progress: 7.9 }), first), "Receiving, 7%");
  assert.equal(changeText(event(2, { event: { name: "checked" } }), first), "Event “checked” of the application");
});

test("who wrote an event, how an attempt ended, and the details of a line are texts", () => {
  assert.deepEqual([null, { type: "server", name: "" }, { type: "user", name: "ada" }].map(actorText), [
    "not recorded", "the server", "user ada",
  ]);
  const attempt = { attempt: 1, process: "host.1", startedAt: "", seconds: 2, outcome: "failed", error: { code: "TIMEOUT", message: "" } };
  assert.equal(plain(outcomeText(attempt)), "failed after 2.0 s: TIMEOUT");
  assert.equal(plain(outcomeText({ ...attempt, outcome: "running", error: null })), "running for 2.0 s");
  assert.equal(detailsText({ template: "auto", count: 2, codes: ["a"] }), 'template=auto count=2 codes=["a"]');
  assert.equal(detailsText({}), "");
});

test("a replayed upload has applied exactly the given messages", () => {
  const messages = [
    message(1), message(2, { stage: "queued", progress: 10 }), message(3, { status: "compressing", stage: "compressing", progress: 40 }),
    message(4, { status: "error", stage: "failed", progress: 40, error: { code: "TIMEOUT", message: "Too slow.", step: "compressing", retryable: true } }),
  ];
  const urls = [];
  for (let count = 1; count <= messages.length; count += 1) {
    const upload = replayed(messages.slice(0, count), (url) => (urls.push(url), url));
    assert.equal(upload.state.seq, count);
    assert.equal(upload.state.stage, messages[count - 1].stage);
    assert.equal(upload.needsFile, false);
  }
  const late = replayed([messages[2], messages[1]], (url) => url);
  assert.equal(late.state.stage, "compressing", "a message that was overtaken is dropped, as a client drops it");
});

test("a replayed upload has absolute URLs", () => {
  const poster = { key: "p", url: "/media/p.jpg", name: "poster", kind: "poster" };
  const upload = replayed([message(1, { stage: "compressing", poster })], (url) => `http://host${url}`);
  assert.equal(upload.state.poster.url, "http://host/media/p.jpg");
});
