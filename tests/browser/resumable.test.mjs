import assert from "node:assert/strict";
import { test } from "node:test";

import { RoomcastError } from "../../static/protocol/errors.js";
import { Http } from "../../static/protocol/http.js";
import { FileSender } from "../../static/sending/file-sender.js";
import { sendResumable } from "../../static/sending/resumable.js";

/** A stand-in for tus-js-client that records its calls. */
function client() {
  const calls = [];
  class Upload {
    constructor(file, options) {
      Object.assign(this, { file, options });
      tus.upload = this;
    }
    start() {
      calls.push("start");
    }
    async abort() {
      calls.push("abort");
    }
  }
  const tus = { Upload, calls, upload: null };
  return tus;
}

const file = new File(["bytes"], "film.mp4");
const failed = (status, body = "") => ({
  originalResponse: status ? { getStatus: () => status, getBody: () => body } : null,
});

function sending(onProgress) {
  const tus = client();
  const http = new Http(new URL("http://media.example"), "one", () => {});
  const stop = new AbortController();
  const sent = sendResumable(tus, file, "/api/tus/upload_1", http, stop.signal, onProgress);
  return { tus, http, stop, sent, options: tus.upload.options };
}

test("sendResumable sends to the reservation's URL and resolves on success", async () => {
  const { tus, sent, options } = sending();
  assert.equal(options.uploadUrl, "http://media.example/api/tus/upload_1");
  options.onSuccess();
  await sent;
  assert.deepEqual(tus.calls, ["start"]);
});

test("each request has the current token", () => {
  const { http, options } = sending();
  const headers = [];
  const request = { setHeader: (name, value) => headers.push([name, value]) };
  options.onBeforeRequest(request);
  http.token = "two";
  options.onBeforeRequest(request);
  http.token = undefined;
  options.onBeforeRequest(request);
  assert.deepEqual(headers, [["authorization", "Bearer one"], ["authorization", "Bearer two"]]);
});

test("errors that may pass are retryable, refusals are not", async () => {
  for (const [status, retryable] of [
    ...[0, 408, 409, 423, 429, 500, 503, 507].map((code) => [code, true]),
    ...[400, 401, 403, 404, 410, 413, 415].map((code) => [code, false]),
  ]) {
    const { sent, options } = sending();
    options.onError(failed(status));
    await assert.rejects(sent, { retryable }, `${status}`);
  }
});

test("sendResumable rejects with the server's error, else with one for the HTTP status", async () => {
  const refused = sending();
  refused.options.onError(failed(413, '{"error": {"code": "TOO_LARGE", "message": "No more than 5 bytes."}}'));
  await assert.rejects(refused.sent, { code: "TOO_LARGE", message: "No more than 5 bytes.", retryable: false });
  const silent = sending();
  silent.options.onError(failed(0));
  await assert.rejects(silent.sent, { code: "NETWORK", retryable: true });
  const bodiless = sending();
  bodiless.options.onError(failed(401));
  await assert.rejects(bodiless.sent, { code: "UNAUTHENTICATED" });
});

test("an abort stops tus-js-client", async () => {
  const { tus, stop, sent } = sending();
  stop.abort();
  await assert.rejects(sent);
  assert.deepEqual(tus.calls, ["start", "abort"]);
});

test("nothing is sent if the signal is already aborted", async () => {
  const tus = client();
  const http = new Http(new URL("http://media.example"), undefined, () => {});
  await assert.rejects(sendResumable(tus, file, "/api/tus/upload_1", http, AbortSignal.abort()));
  assert.equal(tus.upload, null);
});

test("a connection that stalls is an interruption, unless all bytes were sent", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const progress = [];
  const { tus, options, sent } = sending((bytes) => progress.push(bytes));
  options.onProgress(1, 5);
  context.mock.timers.tick(29_000);
  options.onProgress(2, 5);
  context.mock.timers.tick(29_000);
  assert.deepEqual(tus.calls, ["start"]);
  context.mock.timers.tick(1_000);
  await assert.rejects(sent, { code: "NETWORK", retryable: true });
  assert.deepEqual([tus.calls, progress], [["start", "abort"], [1, 2]]);
  const complete = sending();
  complete.options.onProgress(5, 5);
  context.mock.timers.tick(600_000);
  assert.deepEqual(complete.tus.calls, ["start"]);
  complete.options.onSuccess();
  await complete.sent;
});

test("a transfer that has broken off stays interrupted until it is tried again, although bytes were just reported", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const file = new File([new Uint8Array(100_000)], "film.mp4");
  const upload = { id: "upload_1", path: "/api/uploads/upload_1", file, state: null, refresh: async () => true };
  let tries = 0;
  const send = async (signal, onProgress) => {
    tries += 1;
    onProgress(1_000);
    throw new RoomcastError("NETWORK", "The connection was lost.", { retryable: true });
  };
  const reports = [];
  let interrupted = () => {};
  const interruption = new Promise((resolve) => {
    interrupted = resolve;
  });
  const sender = new FileSender({ resumableSender: async () => send, request: async () => ({}) }, upload, (sending) => {
    reports.push(sending);
    if (sending === "interrupted") interrupted(undefined);
  });
  const stop = new AbortController();
  const sent = sender.send(null, stop.signal);
  await interruption;
  t.mock.timers.tick(499);
  assert.equal(reports.at(-1), "interrupted");
  assert.equal(sender.retryAt, 500);
  assert.equal(tries, 1);
  stop.abort();
  await assert.rejects(sent, { name: "AbortError" });
});
