import assert from "node:assert/strict";
import { test } from "node:test";

import { Fallback, followUpload } from "../../static/client/fallback.js";
import { RoomcastError } from "../../static/protocol/errors.js";
import { EventParser } from "../../static/protocol/event-stream.js";

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

test("EventParser finds the same events in chunks of any size", () => {
  assert.deepEqual(new EventParser().feed(TEXT), EVENTS);
  for (let size = 1; size < 12; size += 1) {
    const parser = new EventParser();
    const found = [];
    for (let at = 0; at < TEXT.length; at += size) found.push(...parser.feed(TEXT.slice(at, at + size)));
    assert.deepEqual(found, EVENTS, `in chunks of ${size}`);
  }
});

/** An event stream that sends what the test tells it to send. */
function openStream(type = "text/event-stream") {
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const send = (seq) => writer.write(new TextEncoder().encode(`data: {"seq": ${seq}}\n\n`));
  return { send, end: () => writer.close(), response: new Response(readable, { headers: { "content-type": type } }) };
}

function watched(number = 1) {
  const received = [];
  return {
    received,
    path: `api/uploads/upload_${number}`,
    position: { since: 4, epoch: "e" },
    refreshed: 0,
    receive: ({ seq }, live) => received.push([seq, live]),
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

test("followUpload resumes at the upload's position and passes on all messages", async () => {
  const [upload, { send, end, response }] = [watched(), openStream()];
  const asked = [];
  const http = { open: async (path, { headers }) => (asked.push([path, headers.get("last-event-id")]), response) };
  let activity = 0;
  const followed = followUpload(http, upload, never, () => (activity += 1));
  await send(5);
  await send(6);
  await end();
  await followed;
  assert.deepEqual(asked, [["api/uploads/upload_1/events", "e:4"]]);
  assert.deepEqual(upload.received, [[5, false], [6, false]]);
  assert.ok(activity > 0);
});

test("followUpload fetches the state if the position is the end and no state is known", async () => {
  const upload = watched();
  await followUpload({ open: async () => new Response(null, { status: 204 }) }, upload, never, () => {});
  assert.equal(upload.refreshed, 1);
});

test("followUpload rejects with NETWORK if the response is not an event stream, or not JSON", async () => {
  const network = (error) => error.code === "NETWORK";
  const page = openStream("text/html").response;
  await assert.rejects(followUpload({ open: async () => page }, watched(), never, () => {}), network);
  const { send, response } = openStream();
  const followed = followUpload({ open: async () => response }, watched(), never, () => {});
  await Promise.all([send("}"), assert.rejects(followed, network)]);
});

test("followUpload gives up a stream that brings nothing", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const open = (_, { signal }) => new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new RoomcastError("NETWORK", "aborted", { retryable: true })));
  });
  const followed = followUpload({ open }, watched(), never, () => assert.fail("the stream brought nothing"));
  context.mock.timers.tick(4_000);
  await assert.rejects(followed, /aborted/);
});

/** A started fallback over the uploads, with mocked time. */
function startFallback(context, uploads, answer) {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const states = [];
  const fallback = new Fallback({ open: answer }, () => uploads, (state) => states.push(state));
  fallback.start();
  const pass = async (milliseconds) => {
    context.mock.timers.tick(milliseconds);
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  };
  return { fallback, states, pass };
}

test("two uploads have a stream, and the third is polled until one of them has ended", async (context) => {
  const uploads = [watched(1), watched(2), watched(3)];
  const streams = [];
  const { states, pass } = startFallback(context, uploads, async () => (streams.push(openStream()), streams.at(-1).response));
  await pass(2_999);
  assert.equal(streams.length, 0);
  await pass(1);
  assert.deepEqual([streams.length, uploads.map(({ refreshed }) => refreshed)], [2, [0, 0, 1]]);
  await Promise.all([streams[0].send(5), pass(0)]);
  assert.equal(states.at(-1), "streaming");
  uploads.shift();
  await streams[0].end();
  await pass(0);
  await pass(1_000);
  assert.equal(streams.length, 3);
  assert.deepEqual(uploads.map(({ refreshed }) => refreshed), [0, 1]);
});

test("the stream of an upload that is no longer watched goes to another upload", async (context) => {
  const uploads = [watched(1), watched(2), watched(3)];
  const streams = [];
  const { pass } = startFallback(context, uploads, async (path, { signal }) => {
    streams.push({ upload: /\d/.exec(path)[0], signal });
    return openStream().response;
  });
  await pass(3_000);
  uploads.shift();
  await pass(1_000);
  assert.ok(streams[0].signal.aborted);
  assert.deepEqual(streams.map(({ upload }) => upload), ["1", "2", "3"]);
});

test("after a failed stream the upload is polled, and a stream is tried again 30 seconds later", async (context) => {
  const upload = watched();
  let tries = 0;
  const { states, pass } = startFallback(context, [upload], async () => {
    tries += 1;
    throw new RoomcastError("NETWORK", "no streams", { retryable: true });
  });
  await pass(3_000);
  for (let second = 0; second < 20; second += 1) await pass(1_000);
  assert.equal(tries, 1);
  assert.ok(upload.refreshed > 3);
  assert.equal(states.at(-1), "polling");
  for (let second = 0; second < 15; second += 1) await pass(1_000);
  assert.equal(tries, 2);
});

test("a refusal fails the upload, and the next upload may have a stream at once", async (context) => {
  const uploads = [watched(1)];
  let refuse = true;
  const { pass } = startFallback(context, uploads, async () => {
    if (refuse) throw new RoomcastError("NOT_FOUND", "gone");
    return openStream().response;
  });
  await pass(3_000);
  assert.equal(uploads[0].error.code, "NOT_FOUND");
  refuse = false;
  const next = watched(2);
  uploads.splice(0, 1, next);
  await pass(1_000);
  assert.equal(next.refreshed, 0);
});

test("a stopped fallback reports no states", async (context) => {
  const { fallback, states, pass } = startFallback(context, [watched()], async () => openStream().response);
  await pass(3_000);
  fallback.stop();
  states.length = 0;
  for (let second = 0; second < 60; second += 1) await pass(1_000);
  assert.deepEqual(states, []);
});
