import assert from "node:assert/strict";
import { test } from "node:test";

import { Http } from "../../static/protocol/http.js";
import { sendResumable } from "../../static/client/resumable.js";

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

function sending() {
  const tus = client();
  const http = new Http(new URL("http://media.example"), "one", () => {});
  const stop = new AbortController();
  const sent = sendResumable(tus, file, "/api/tus/upload_1", http, stop.signal);
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

test("transient errors are retried, refusals are not", () => {
  const { onShouldRetry } = sending().options;
  for (const status of [0, 408, 409, 423, 429, 500, 503, 507]) assert.ok(onShouldRetry(failed(status)), `${status}`);
  for (const status of [400, 401, 403, 404, 410, 413, 415]) assert.ok(!onShouldRetry(failed(status)), `${status}`);
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

test("a stalled connection is restarted, unless all bytes were sent", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { tus, options } = sending();
  options.onProgress(1, 5);
  context.mock.timers.tick(29_000);
  options.onProgress(2, 5);
  context.mock.timers.tick(29_000);
  assert.deepEqual(tus.calls, ["start"]);
  context.mock.timers.tick(1_000);
  await new Promise(setImmediate);
  assert.deepEqual(tus.calls, ["start", "abort", "start"]);
  options.onProgress(5, 5);
  context.mock.timers.tick(600_000);
  assert.equal(tus.calls.length, 3);
});
