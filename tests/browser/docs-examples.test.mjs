import assert from "node:assert/strict";
import test from "node:test";

import { callExamples, eventExamples, httpExamples } from "../../static/docs/examples.js";

/** @param {import("../../static/docs/code-tabs.js").Example[]} examples @param {string} language */
const codeOf = (examples, language) => examples.find((each) => each.language === language)?.code ?? "";

const RESERVATION = {
  method: "POST",
  url: "http://127.0.0.1:8000/api/uploads",
  headers: { "Content-Type": "application/json", Authorization: "Bearer abc" },
  body: '{"files": [{"filename": "it\'s true.mp4", "size": null}], "dry": true}',
};

test("the JavaScript of a request runs and sends what it names", async () => {
  const calls = [];
  const run = new Function("fetch", `return (async () => { ${codeOf(httpExamples(RESERVATION), "javascript")} })()`);
  await run((...call) => calls.push(call));
  const [[url, options]] = calls;
  assert.equal(url, RESERVATION.url);
  assert.equal(options.method, "POST");
  assert.equal(options.headers.Authorization, "Bearer abc");
  assert.deepEqual(JSON.parse(options.body), JSON.parse(RESERVATION.body));
});

test("a request without a body has no options in JavaScript, and the address alone in curl", () => {
  const examples = httpExamples({ method: "GET", url: "http://127.0.0.1:8000/healthz", headers: {} });
  assert.equal(codeOf(examples, "javascript"), 'const response = await fetch("http://127.0.0.1:8000/healthz");');
  assert.equal(codeOf(examples, "curl"), "curl -X GET 'http://127.0.0.1:8000/healthz'");
});

test("the names of JSON are those of Python outside its texts", () => {
  const python = codeOf(httpExamples(RESERVATION), "python");
  assert.match(python, /json=\{"files": \[\{"filename": "it's true\.mp4", "size": None\}\], "dry": True\}/);
  assert.match(python, /headers=\{"Authorization":"Bearer abc"\}/);
  assert.doesNotMatch(python, /Content-Type/); // `json=` sets it
});

test("an apostrophe does not end the text of a shell", () => {
  assert.match(codeOf(httpExamples(RESERVATION), "curl"), /"it'\\''s true\.mp4"/);
});

test("a form names its file in each language", () => {
  const form = { method: "POST", url: "/api/uploads", headers: {}, files: ["media_file"] };
  assert.match(codeOf(httpExamples(form), "javascript"), /form\.append\("media_file", file\)/);
  assert.match(codeOf(httpExamples(form), "python"), /files=\{"media_file": open\("film\.mp4", "rb"\)\}/);
  assert.match(codeOf(httpExamples(form), "curl"), /-F 'media_file=@film\.mp4'/);
});

test("a body that is a file is sent as one in each language", () => {
  const content = { method: "PUT", url: "/api/uploads/1/content", headers: {}, isFile: true };
  assert.match(codeOf(httpExamples(content), "javascript"), /body: file,/);
  assert.match(codeOf(httpExamples(content), "python"), /data=open\("film\.mp4", "rb"\)/);
  assert.match(codeOf(httpExamples(content), "curl"), /--data-binary @film\.mp4$/);
});

test("calls and events have code in JavaScript and Python", () => {
  assert.deepEqual(
    [...callExamples("join-upload", '{"since": null}'), ...eventExamples("completed")].map(({ code }) => code),
    [
      'const ack = await socket.emitWithAck("join-upload", {"since": null});',
      'ack = await sio.call("join-upload", {"since": None})',
      'socket.on("completed", (upload) => console.log(upload.message));',
      '@sio.on("completed")\nasync def receive(upload):\n    print(upload["message"])',
    ],
  );
});
