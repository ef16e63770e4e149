import assert from "node:assert/strict";
import { test } from "node:test";

import { RoomcastError } from "../../static/failure.js";
import { Fallback } from "../../static/fallback.js";
import { EventParser } from "../../static/sse.js";
import { follow } from "../../static/stream.js";

const TEXT = [
  "retry: 1000\n\n: keep-alive\n\nid: e:1\nevent: upload-progress\ndata: {\"a\": 1}\n\n",
  "data:one\r\ndata: two\r\n\r\nevent: none\r\rdata\r\rdata: ü\n\nid: e:2\ndata: not whole",
].join("");
const EVENTS = [
  { name: "upload-progress", data: '{"a": 1}' },
  { name: "message", data: "one\ntwo" },
  { name: "message", data: "" },
  { name: "message", data: "ü" },
];

test("events are found however the text is cut", () => {
  assert.deepEqual(new EventParser().feed(TEXT), EVENTS);
  for (let size = 1; size < 12; size += 1) {
    const parser = new EventParser();
    const found = [];
    for (let at = 0; at < TEXT.length; at += size) found.push(...parser.feed(TEXT.slice(at, at + size)));
    assert.deepEqual(found, EVENTS, `in pieces of ${size}`);
  }
});

/** A stream that says what is told it, until it ends. */
function speaker(type = "text/event-stream") {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const say = (seq) => writer.write(new TextEncoder().encode(`data: {"seq": ${seq}}\n\n`));
  return { say, end: () => writer.close(), response: new Response(readable, { headers: { "content-type": type } }) };
}

function watched(number = 1) {
  const heard = [];
  return {
    heard,
    path: `/api/uploads/upload_${number}`,
    position: { since: 4, epoch: "e" },
    refreshed: 0,
    hear: ({ seq }, live) => heard.push([seq, live]),
    refresh() {
      this.refreshed += 1;
      return Promise.resolve(true);
    },
    fail(error) {
      this.error = error;
    },
  };
}

const never = new AbortController().signal;

test("a stream is asked for from where the upload stands, and all that it says is heard", async () => {
  const [upload, { say, end, response }] = [watched(), speaker()];
  const asked = [];
  const http = { open: async (path, { headers }) => (asked.push([path, headers.get("last-event-id")]), response) };
  let signs = 0;
  const followed = follow(http, upload, never, () => (signs += 1));
  await say(5);
  await say(6);
  await end();
  await followed;
  assert.deepEqual(asked, [["/api/uploads/upload_1/events", "e:4"]]);
  assert.deepEqual(upload.heard, [[5, false], [6, false]]);
  assert.ok(signs > 0);
});

test("who stands at the end already looks once", async () => {
  const upload = watched();
  await follow({ open: async () => new Response(null, { status: 204 }) }, upload, never, () => {});
  assert.equal(upload.refreshed, 1);
});

test("what is no stream, or holds no messages, is a lost connection", async () => {
  const network = (error) => error.code === "NETWORK";
  const page = speaker("text/html").response;
  await assert.rejects(follow({ open: async () => page }, watched(), never, () => {}), network);
  const { say, response } = speaker();
  const followed = follow({ open: async () => response }, watched(), never, () => {});
  await Promise.all([say("}"), assert.rejects(followed, network)]);
});

test("a stream that brings nothing is left", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const open = (_, { signal }) => new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new RoomcastError("NETWORK", "left", { retryable: true })));
  });
  const followed = follow({ open }, watched(), never, () => assert.fail("there was no life in it"));
  context.mock.timers.tick(4_000);
  await assert.rejects(followed, /left/);
});

/** A fallback over uploads; each stream that it opened can be told what to say. */
function standingIn(context, uploads, answer) {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const became = [];
  const fallback = new Fallback({ open: answer }, () => uploads, (state) => became.push(state));
  fallback.start();
  const pass = async (milliseconds) => {
    context.mock.timers.tick(milliseconds);
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  };
  return { fallback, became, pass };
}

test("two uploads have a stream, the third is polled until one of those has ended", async (context) => {
  const uploads = [watched(1), watched(2), watched(3)];
  const streams = [];
  const { became, pass } = standingIn(context, uploads, async () => (streams.push(speaker()), streams.at(-1).response));
  await pass(2_999);
  assert.equal(streams.length, 0);
  await pass(1);
  assert.deepEqual([streams.length, uploads.map(({ refreshed }) => refreshed)], [2, [0, 0, 1]]);
  await Promise.all([streams[0].say(5), pass(0)]);
  assert.equal(became.at(-1), "streaming");
  uploads.shift();
  await streams[0].end();
  await pass(0);
  await pass(1_000);
  assert.equal(streams.length, 3);
  assert.deepEqual(uploads.map(({ refreshed }) => refreshed), [0, 1]);
});

test("an upload that is watched no more gives its stream to another", async (context) => {
  const uploads = [watched(1), watched(2), watched(3)];
  const streams = [];
  const { pass } = standingIn(context, uploads, async (path, { signal }) => {
    streams.push({ upload: /\d/.exec(path)[0], signal });
    return speaker().response;
  });
  await pass(3_000);
  uploads.shift();
  await pass(1_000);
  assert.ok(streams[0].signal.aborted);
  assert.deepEqual(streams.map(({ upload }) => upload), ["1", "2", "3"]);
});

test("after a stream that failed there is polling, and another try half a minute later", async (context) => {
  const upload = watched();
  let tries = 0;
  const { became, pass } = standingIn(context, [upload], async () => {
    tries += 1;
    throw new RoomcastError("NETWORK", "no streams here", { retryable: true });
  });
  await pass(3_000);
  for (let second = 0; second < 20; second += 1) await pass(1_000);
  assert.equal(tries, 1);
  assert.ok(upload.refreshed > 3);
  assert.equal(became.at(-1), "polling");
  for (let second = 0; second < 15; second += 1) await pass(1_000);
  assert.equal(tries, 2);
});

test("what the server refuses is told of the upload, and the next one may have a stream at once", async (context) => {
  const uploads = [watched(1)];
  let refuse = true;
  const { pass } = standingIn(context, uploads, async () => {
    if (refuse) throw new RoomcastError("NOT_FOUND", "gone");
    return speaker().response;
  });
  await pass(3_000);
  assert.equal(uploads[0].error.code, "NOT_FOUND");
  refuse = false;
  const next = watched(2);
  uploads.splice(0, 1, next);
  await pass(1_000);
  assert.equal(next.refreshed, 0);
});

test("when it is stopped it says and asks nothing any more", async (context) => {
  const { fallback, became, pass } = standingIn(context, [watched()], async () => speaker().response);
  await pass(3_000);
  fallback.stop();
  became.length = 0;
  for (let second = 0; second < 60; second += 1) await pass(1_000);
  assert.deepEqual(became, []);
});
