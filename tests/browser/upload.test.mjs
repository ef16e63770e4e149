import assert from "node:assert/strict";
import { test } from "node:test";

import { Semaphore } from "../../static/sending/semaphore.js";
import { TransferMeter } from "../../static/sending/transfer-meter.js";
import { snapshotOf } from "../../static/bindings/snapshots.js";
import { Upload } from "../../static/client/upload.js";
import { outcomeOf, viewOf } from "../../static/elements/upload-view-model.js";
import { Http } from "../../static/protocol/http.js";
import { en } from "../../static/locale/en.js";
import { RoomcastError } from "../../static/roomcast.js";

const ID = "upload_1";
const message = (seq, more = {}) => ({
  uploadId: ID, epoch: "e", seq, attempt: 1, progress: seq * 10, status: "starting", stage: "queued", ...more,
});
const failed = (seq, code) => message(seq, {
  status: "error", stage: "failed", error: { code, message: "No.", step: "probing", retryable: true },
});

/** A connection whose server gives `answers`; it records the requests. With `send`, large files are resumable. */
function connection(answers = {}, send = null) {
  const asked = [];
  const request = async (method, path) => {
    asked.push(`${method} ${path}`);
    const answer = answers[`${method} ${path}`];
    if (!answer) throw new RoomcastError("NETWORK", "gone", { retryable: true });
    return answer();
  };
  const slots = new Semaphore(1);
  const nothing = async () => {};
  const call = (_event, method, path) => request(method, path);
  const acquireSlot = (signal) => slots.acquire(signal);
  const resumableSender = async () => send && ((...call) => (asked.push("resumable"), send(...call)));
  const isWatched = () => false;
  const absoluteUrl = (url) => new URL(url, "https://films.example").href;
  const rooms = { register: nothing, join: nothing, leave: nothing, isWatched };
  const host = { ...rooms, acquireSlot, absoluteUrl, resumableSender, request, call };
  return { asked, slots, host };
}

function watched(more) {
  const applied = [];
  const upload = new Upload(connection().host, { id: ID, onProgress: ({ seq }) => applied.push(seq), ...more });
  return { upload, applied };
}

test("messages that arrive before the join is answered are applied after the answer", () => {
  const { upload, applied } = watched();
  upload.joining = true;
  for (const seq of [2, 3, 4]) assert.ok(upload.receive(message(seq)));
  assert.deepEqual(applied, []);
  upload.joined(message(3), [message(1), message(2), message(3)]);
  assert.deepEqual([...new Set(applied)], [1, 2, 3, 4]);
});

test("what can be played before the end is an event once, a snapshot's property and has an absolute URL", () => {
  const { upload } = watched();
  const urls = [];
  upload.addEventListener("playable", ({ detail }) => urls.push(detail.url));
  upload.joined(message(1), [message(1)]);
  assert.equal(snapshotOf(upload).playable, null);
  const playable = { key: "film/segments/hls.m3u8", mime: "", url: "/media/1/film/segments/hls.m3u8", qualities: [] };
  upload.receive(message(2, { playable }));
  upload.receive(message(3, { playable }));
  const url = "https://films.example/media/1/film/segments/hls.m3u8";
  assert.deepEqual(urls, [url]);
  assert.equal(snapshotOf(upload).playable.url, url);
  upload.receive(message(4, { status: "completed", stage: "done" }));
  assert.equal(snapshotOf(upload).playable, null);
});

test("after a lost event no later event is applied until it arrives", () => {
  const { upload, applied } = watched();
  upload.joined(message(1), [message(1)]);
  assert.equal(upload.receive(message(3)), false);
  assert.equal(upload.state.seq, 1);
  upload.joined(message(3), [message(2), message(3)]);
  assert.deepEqual([...new Set(applied)], [1, 2, 3]);
});

test("position is the given position, then that of the last applied message", () => {
  assert.deepEqual(watched({ since: 4, epoch: "e" }).upload.position, { since: 4, epoch: "e" });
  assert.deepEqual(watched().upload.position, {});
  const { upload } = watched({ since: 4, epoch: "e" });
  upload.joined(message(6), [message(5), message(6)]);
  assert.deepEqual(upload.position, { since: 6, epoch: "e" });
});

test("finished settles at the end, and is a new promise after a retry", async () => {
  const { upload } = watched();
  upload.joined(failed(2, "STALLED"), []);
  await assert.rejects(upload.finished, (error) => error instanceof RoomcastError && error.code === "STALLED");
  upload.receive(message(3, { attempt: 2 }));
  upload.receive(message(4, { attempt: 2, status: "completed", stage: "done", progress: 100 }));
  assert.equal((await upload.finished).seq, 4);
});

test("each event of the application is dispatched once, and a deleted upload is no failed one", () => {
  const { upload } = watched();
  const received = [];
  upload.addEventListener("event", ({ detail }) => received.push(`${detail.name} ${detail.payload}`));
  const event = (name, payload, at) => ({ event: { name, payload, at } });
  const captioned = message(2, event("captioned", "en", "10:00"));
  upload.joined(captioned, [message(1), captioned]);
  upload.receive(message(2, event("scanned", 40, "10:01")));
  upload.receive(message(2, event("scanned", 80, "10:02")));
  upload.receive(message(3));
  assert.deepEqual(received, ["captioned en", "scanned 40", "scanned 80"]);
  assert.equal(upload.state.event, undefined);
  upload.receive(message(4, { status: "error", stage: "deleted", error: { code: "DELETED", message: "It was deleted." } }));
  assert.equal(outcomeOf(upload), "deleted");
  const { tone, title, problem } = viewOf(upload, en);
  assert.deepEqual([tone, title, problem], ["cancelled", "Deleted", ""]);
});

test("a failed upload without a listener causes no unhandled rejection", async () => {
  const { upload } = watched();
  upload.joined(failed(2, "STALLED"), []);
  await new Promise(setImmediate); // an unhandled rejection would fail this test
});

test("an onProgress callback that throws does not stop the upload", (context) => {
  const { upload } = watched({ onProgress: () => assert.fail("a bug in the callback") });
  const reported = [];
  const report = (error) => reported.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", report);
  context.after(() => {
    process.off("uncaughtException", report);
    for (const other of others) process.on("uncaughtException", other);
  });
  upload.joined(message(1), []);
  assert.equal(upload.state.seq, 1);
  return new Promise((resolve) => setImmediate(resolve)).then(() => assert.equal(reported.length, 1));
});

const file = new File(["bytes"], "clip.mp4", { type: "video/mp4" });
const reservation = () => ({ uploads: [{ uploadId: ID }] });

test("start reserves an upload and sends the file", async () => {
  const { asked, host } = connection({
    "POST api/uploads": reservation,
    [`PUT api/uploads/${ID}/content`]: () => ({ state: message(2) }),
  });
  const upload = new Upload(host, { file });
  await upload.start();
  assert.deepEqual(asked, ["POST api/uploads", `PUT api/uploads/${ID}/content`]);
  assert.equal(upload.sending, "no");
  assert.equal(upload.state.seq, 2);
});

test("the response to the file does not overwrite newer messages from the room", async () => {
  const { host } = connection({
    "POST api/uploads": reservation,
    [`PUT api/uploads/${ID}/content`]: () => {
      upload.receive(message(1));
      upload.receive(message(1, { queuePosition: 1 }));
      return { state: message(1) };
    },
  });
  const upload = new Upload(host, { file });
  await upload.start();
  assert.equal(upload.sending, "no");
  assert.equal(upload.state.queuePosition, 1);
});

test("a reservation is repeated later if the server has too many uploads", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let free = false;
  const { asked, host } = connection({
    "POST api/uploads": () => {
      if (free) return reservation();
      throw new RoomcastError("TOO_MANY", "Later.", { retryable: true });
    },
    [`PUT api/uploads/${ID}/content`]: () => ({ state: message(2) }),
  });
  const upload = new Upload(host, { file });
  const started = upload.start();
  await settled();
  assert.deepEqual(asked, ["POST api/uploads"]);
  assert.equal(upload.sending, "waiting");
  free = true;
  context.mock.timers.tick(2_000);
  await started;
  assert.equal(asked.length, 3);
});

test("an upload that is cancelled during the reservation is deleted, and nothing is sent", async () => {
  let reserve;
  const { asked, host } = connection({
    "POST api/uploads": () => new Promise((resolve) => (reserve = () => resolve(reservation()))),
    [`POST api/uploads/${ID}/cancel`]: () => ({ ok: true }),
  });
  const upload = new Upload(host, { file });
  const started = upload.start();
  await settled();
  await upload.cancel();
  assert.equal(upload.error.code, "CANCELLED");
  reserve();
  await started;
  assert.deepEqual(asked, ["POST api/uploads", `POST api/uploads/${ID}/cancel`]);
  assert.equal(upload.error.code, "CANCELLED");
});

/** Make timers and the clock wait for `tick`. Node's mock has no `performance.now()`. */
function useClock(context) {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  return context.mock.timers;
}

test("a file that can no longer be read is asked for, and not taken for a broken connection", async (context) => {
  useClock(context);
  for (const [sent, tries] of [[file, `PUT api/uploads/${ID}/content`], [large, "resumable"]]) {
    const gone = async () => Promise.reject(new RoomcastError("NETWORK", "gone", { retryable: true }));
    const { asked, host } = connection({ "POST api/uploads": reservation, [`GET api/uploads/${ID}`]: () => receiving(1, 3) }, gone);
    const changed = new File([sent], "changed.mp4");
    changed.slice = () => ({ arrayBuffer: async () => Promise.reject(new DOMException("", "NotReadableError")) });
    const upload = new Upload(host, { file: changed });
    await upload.start();
    assert.equal(asked.filter((one) => one === tries).length, 1, "it is not tried again");
    assert.deepEqual([upload.needsFile, upload.fileUnreadable, upload.sending, upload.error], [true, true, "no", null]);
    assert.match(viewOf(upload, en).problem, /^The file was changed, moved or deleted while it was sent\. .*Choose /);
    host.request = async () => ({ state: message(2) });
    await upload.send(file);
    assert.deepEqual([upload.needsFile, upload.fileUnreadable, upload.state.seq], [false, false, 2]);
  }
});

test("an interrupted upload counts down to the next try, and goes on at once when the connection is back", async (context) => {
  const clock = useClock(context);
  const answers = { "POST api/uploads": reservation };
  const { asked, host } = connection(answers);
  const upload = new Upload(host, { file });
  const started = upload.start();
  await settled();
  assert.deepEqual([upload.sending, upload.error, upload.pausable], ["interrupted", null, false]);
  assert.equal(upload.retryAt, Date.now() + 500);
  const changes = [];
  upload.addEventListener("change", () => changes.push(upload.retryAt - Date.now()));
  for (const delay of [500, 1_000, 2_000]) {
    clock.tick(delay);
    await settled();
  }
  assert.equal(upload.retryAt, Date.now() + 4_000);
  changes.length = 0;
  clock.tick(1_000);
  assert.deepEqual(changes, [3_000], "it counts down");
  const tries = asked.length;
  answers[`PUT api/uploads/${ID}/content`] = () => ({ state: message(2) });
  answers[`GET api/uploads/${ID}`] = () => receiving(1, 0);
  upload.connectionRestored();
  await started;
  assert.deepEqual(asked.slice(tries), [`GET api/uploads/${ID}`, `PUT api/uploads/${ID}/content`]);
  assert.deepEqual([upload.sending, upload.retryAt, upload.state.seq], ["no", null, 2]);
});

test("an answer that was lost with the connection is not sent for again", async (context) => {
  const clock = useClock(context);
  const { asked, host } = connection({ "POST api/uploads": reservation, [`GET api/uploads/${ID}`]: () => message(2) });
  const upload = new Upload(host, { file });
  const started = upload.start();
  await settled();
  clock.tick(500);
  await started;
  assert.deepEqual(asked.slice(1), [`PUT api/uploads/${ID}/content`, `GET api/uploads/${ID}`]);
  assert.deepEqual([upload.error, upload.sending], [null, "no"]);
});

test("a file that could not be announced without a connection is sent when there is one", async () => {
  const answers = {};
  const { host } = connection(answers);
  const upload = new Upload(host, { file });
  await upload.start();
  assert.deepEqual([upload.error.code, upload.error.retryable], ["NETWORK", true]);
  Object.assign(answers, { "POST api/uploads": reservation, [`PUT api/uploads/${ID}/content`]: () => ({ state: message(2) }) });
  upload.connectionRestored();
  await settled();
  assert.deepEqual([upload.error, upload.state.seq], [null, 2]);
});

const large = new File([new Uint8Array(1024 * 1024 + 1)], "film.mp4", { type: "video/mp4" });
const receiving = (seq, bytesReceived) => message(seq, { stage: "receiving", bytesReceived });
const aborted = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("a large file is sent resumably, and the state is fetched afterwards", async () => {
  const answers = { "POST api/uploads": reservation, [`GET api/uploads/${ID}`]: () => message(2) };
  const { asked, host } = connection(answers, async () => {});
  const upload = new Upload(host, { file: large });
  await upload.start();
  assert.deepEqual(asked, ["POST api/uploads", "resumable", `GET api/uploads/${ID}`]);
  assert.equal(upload.state.seq, 2);
  assert.equal(upload.sending, "no");
});

test("a large file is sent in one request without resumable uploads, and cannot be paused", async () => {
  let pausable;
  const { asked, host } = connection({
    "POST api/uploads": reservation,
    [`PUT api/uploads/${ID}/content`]: () => {
      pausable = upload.pausable;
      upload.pause();
      return { state: message(2) };
    },
  });
  const upload = new Upload(host, { file: large });
  await upload.start();
  assert.deepEqual(asked, ["POST api/uploads", `PUT api/uploads/${ID}/content`]);
  assert.equal(pausable, false);
  assert.equal(upload.sending, "no");
});

test("a request that has not moved since the connection was lost is sent anew, one that has is left alone", async () => {
  let report;
  const send = (signal, onProgress) => ((report = onProgress), aborted(signal));
  const { asked, host } = connection({ "POST api/uploads": reservation }, send);
  const upload = new Upload(host, { file: large });
  void upload.start();
  await settled();
  upload.connectionRestored();
  await settled();
  assert.equal(asked.length, 2, "the first connection is no return");
  upload.connectionLost();
  report(5);
  upload.connectionRestored();
  await settled();
  assert.equal(asked.length, 2);
  upload.connectionLost();
  upload.connectionRestored();
  await settled();
  assert.deepEqual(asked.slice(1), ["resumable", "resumable"]);
  upload.networkLost();
  await settled();
  assert.equal(upload.sending, "interrupted");
  upload.connectionRestored();
  await settled();
  assert.deepEqual([asked.length, upload.sending], [4, "now"]);
  upload.pause();
});

test("a refusal that may pass is tried again, one that will not is an error", async (context) => {
  const clock = useClock(context);
  const errors = [
    new RoomcastError("DISK_FULL", "No space.", { retryable: true }),
    new RoomcastError("TOO_LARGE", "Too large."),
  ];
  const { asked, host } = connection({ "POST api/uploads": reservation }, async () => {
    throw errors.shift();
  });
  const upload = new Upload(host, { file: large });
  const started = upload.start();
  await settled();
  assert.equal(upload.sending, "interrupted");
  clock.tick(500);
  await started;
  assert.equal(asked.filter((call) => call === "resumable").length, 2);
  assert.equal(upload.error.code, "TOO_LARGE");
});

test("a row says what holds an upload up, and what a person can do", () => {
  const view = (more) => viewOf({ ...watched().upload, transfer: null, retryAt: null, ...more }, en);
  const transfer = { sent: 77_900_000, total: 83_200_000, percent: 93.6, bytesPerSecond: null, secondsLeft: null };
  const interrupted = view({ sending: "interrupted", transfer, retryAt: Date.now() + 7_500 });
  assert.deepEqual([interrupted.tone, interrupted.title], ["waiting", "Waiting for the connection"]);
  assert.deepEqual(interrupted.facts, ["77.9 of 83.2 MB kept", "trying again in 8 s"]);

  const rest = "93% has arrived. Choose film.mp4 again to send the last 5.30 MB.";
  assert.equal(view({ needsFile: true, transfer, file: { name: "film.mp4" } }).problem, rest);
  const allowed = view({ needsFile: true, canContinue: true, transfer });
  assert.equal(allowed.problem, "93% has arrived. Continue to send the last 5.30 MB.");

  const sending = view({ sending: "now", transfer, state: message(1, { stage: "receiving" }) });
  assert.deepEqual([sending.tone, sending.transfer, sending.facts], ["busy", transfer, ["77.9 of 83.2 MB"]]);

  const paused = view({ state: message(1, { stage: "queued", paused: true }) });
  assert.deepEqual([paused.tone, paused.title], ["waiting", "Paused by an administrator"]);

  const token = (tokenRefused) => view({ error: { code: "UNAUTHENTICATED", tokenRefused } }).title;
  assert.deepEqual([token(false), token(true)], ["Waiting for an access token", "The access token is not valid"]);
  const failure = view({ state: failed(2, "UNREADABLE_MEDIA") });
  assert.match(failure.problem, /^No\. It may be damaged or incomplete\. .*MP4/);
});

test("an attempt that a person has started is no second attempt of the server", () => {
  const attempt = (more) => viewOf({ ...watched().upload, transfer: null, state: message(3, { attempt: 2, message: "Again.", ...more }) }, en).attempt;
  assert.equal(attempt({}), "Attempt 2. Again.");
  assert.equal(attempt({ retried: true }), "Started again");
  const announced = (more) => en.announcement("film.mp4", message(3, { attempt: 2, ...more }));
  assert.equal(announced({}), "film.mp4: attempt 2, waiting for a worker.");
  assert.equal(announced({ retried: true }), "film.mp4: started again, waiting for a worker.");
  assert.equal(announced({ retried: true, stage: "receiving" }), "film.mp4: started again.");
});

test("a token that was refused is told apart from one that is missing", async () => {
  const unauthenticated = (token) => new Http(new URL("http://media.example"), token, () => {}).withTokenRefusal(new RoomcastError("UNAUTHENTICATED", "Who?"));
  assert.deepEqual([unauthenticated(undefined).tokenRefused, unauthenticated("x").tokenRefused], [false, true]);
  const forbidden = new Http(new URL("http://media.example"), "x", () => {}).withTokenRefusal(new RoomcastError("FORBIDDEN", "No."));
  assert.equal(forbidden.tokenRefused, false);
});

test("the transfer is what this client has sent, or what the server has received, with its speed", async () => {
  const { upload } = watched();
  assert.equal(upload.transfer, null);
  upload.joined(message(1, { stage: "receiving", bytesReceived: 40, bytesExpected: 160 }), []);
  assert.deepEqual(upload.transfer, { sent: 40, total: 160, percent: 25, bytesPerSecond: null, secondsLeft: null });
  upload.receive(message(2));
  assert.equal(upload.transfer, null, "all bytes have arrived");

  let report;
  const { host } = connection({ "POST api/uploads": reservation }, (signal, onProgress) => ((report = onProgress), aborted(signal)));
  const own = new Upload(host, { file: large });
  void own.start();
  await settled();
  report(large.size / 2);
  own.receive(message(1, { stage: "receiving", bytesReceived: 1, bytesExpected: large.size }));
  assert.equal(own.transfer.percent, 50);
  own.pause();
  await settled();
  assert.equal(own.transfer.sent, 1, "what has arrived is kept");
});

test("the meter measures the client that sends, and starts again after a gap", () => {
  let now = 0;
  const meter = new TransferMeter(() => now);
  const speed = () => meter.transfer(0, 1_000).bytesPerSecond;
  meter.received(0);
  now = 2;
  meter.received(200);
  assert.equal(speed(), 100);
  assert.equal(meter.transfer(200, 1_000).secondsLeft, 8);
  assert.deepEqual(meter.transfer(200, null), { sent: 200, total: null, percent: null, bytesPerSecond: 100, secondsLeft: null });
  meter.sentHere(500);
  assert.equal(speed(), null, "the server's count is behind");
  now = 4;
  meter.sentHere(600);
  meter.received(300);
  assert.equal(speed(), 50);
  meter.restart();
  now = 60;
  meter.sentHere(600);
  now = 61;
  meter.sentHere(700);
  assert.equal(speed(), 100);
  assert.equal(meter.transfer(0, 0).percent, 100);
});

test("a paused upload releases its slot, and continues as the same upload", async () => {
  let send = aborted;
  const answers = { "POST api/uploads": reservation, [`GET api/uploads/${ID}`]: () => message(2) };
  const { asked, slots, host } = connection(answers, (signal) => send(signal));
  const upload = new Upload(host, { file: large });
  const started = upload.start();
  await settled();
  assert.ok(upload.pausable);
  upload.pause();
  await started;
  assert.deepEqual([upload.sending, upload.error, upload.pausable], ["paused", null, false]);
  (await slots.acquire(new AbortController().signal))();
  send = async () => {};
  upload.resume();
  assert.equal(upload.sending, "waiting");
  await settled();
  assert.deepEqual(asked, ["POST api/uploads", "resumable", "resumable", `GET api/uploads/${ID}`]);
  assert.equal(upload.sending, "no");
});

test("an upload that is paused while it waits for a slot reserves nothing", async () => {
  const { asked, slots, host } = connection({ "POST api/uploads": reservation });
  const release = await slots.acquire(new AbortController().signal);
  const upload = new Upload(host, { file });
  const started = upload.start();
  upload.pause();
  release();
  await started;
  assert.deepEqual(asked, []);
  assert.equal(upload.sending, "paused");
  await upload.cancel();
  assert.deepEqual([upload.sending, upload.error.code], ["no", "CANCELLED"]);
});

test("cancel of a paused upload calls the server", async () => {
  const { asked, host } = connection({
    "POST api/uploads": reservation,
    [`POST api/uploads/${ID}/cancel`]: () => ({ ok: true }),
    [`GET api/uploads/${ID}`]: () => failed(3, "CANCELLED"),
  }, aborted);
  const upload = new Upload(host, { file: large });
  void upload.start();
  await settled();
  upload.pause();
  await upload.cancel();
  assert.deepEqual(asked.slice(2), [`POST api/uploads/${ID}/cancel`, `GET api/uploads/${ID}`]);
  assert.equal(upload.sending, "no");
  await assert.rejects(upload.finished, { code: "CANCELLED" });
});

test("a paused upload is no longer paused when another client has sent the rest", async () => {
  const { host } = connection({ "POST api/uploads": reservation }, aborted);
  const upload = new Upload(host, { file: large });
  void upload.start();
  await settled();
  upload.pause();
  upload.joined(message(2), []);
  assert.equal(upload.sending, "no");
});

test("sending continues after a missing token was set", async () => {
  let admitted = false;
  const { asked, host } = connection({
    "POST api/uploads": reservation,
    [`GET api/uploads/${ID}`]: () => {
      if (admitted) return receiving(1, 0);
      throw new RoomcastError("UNAUTHENTICATED", "Who?");
    },
  }, async () => {
    if (!admitted) throw new RoomcastError("UNAUTHENTICATED", "Who?");
  });
  const upload = new Upload(host, { file: large });
  await upload.start();
  assert.equal(upload.error.code, "UNAUTHENTICATED");
  admitted = true;
  await upload.refresh();
  await settled();
  assert.deepEqual([upload.error, upload.sending], [null, "no"]);
  assert.equal(asked.filter((call) => call === "resumable").length, 2);
});

/** A stand-in for `localStorage`. Returns what is stored. */
function useStorage(context, stored = {}) {
  globalThis.localStorage = stored;
  const methods = {
    getItem: (key) => stored[key] ?? null,
    setItem: (key, value) => void (stored[key] = value),
    removeItem: (key) => delete stored[key],
  };
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(stored, name, { value });
  context.after(() => delete globalThis.localStorage);
  return stored;
}

test("an unfinished file is resumed as the same upload under the same template only", async (context) => {
  const stored = useStorage(context);
  const unfinished = connection({ "POST api/uploads": reservation }, aborted);
  void new Upload(unfinished.host, { file: large, type: "image" }).start();
  await settled();
  assert.deepEqual(Object.values(stored), [ID]);

  let stage = "receiving";
  const answers = { [`GET api/uploads/${ID}`]: () => message(2, { stage }), "POST api/uploads": reservation };
  const again = connection(answers, async () => void (stage = "queued"));
  const upload = new Upload(again.host, { file: large, type: "image" });
  await upload.start();
  assert.deepEqual(again.asked, [`GET api/uploads/${ID}`, "resumable", `GET api/uploads/${ID}`]);
  assert.equal(upload.id, ID);
  assert.deepEqual(stored, {}, "all bytes have arrived");

  const other = connection(answers, async () => {});
  await new Upload(other.host, { file: large, type: "auto" }).start();
  assert.equal(other.asked[0], "POST api/uploads");
});

for (const [what, answer] of [
  ["has ended", () => failed(3, "STALLED")],
  ["is gone", () => {
    throw new RoomcastError("NOT_FOUND", "gone");
  }],
]) {
  test(`a file whose unfinished upload ${what} is uploaded again`, async (context) => {
    const stored = useStorage(context);
    void new Upload(connection({ "POST api/uploads": reservation }, aborted).host, { file: large }).start();
    await settled();
    const { asked, host } = connection({
      [`GET api/uploads/${ID}`]: () => (asked.length === 1 ? answer() : message(2)),
      "POST api/uploads": reservation,
    }, async () => {});
    await new Upload(host, { file: large }).start();
    assert.deepEqual(asked.slice(0, 3), [`GET api/uploads/${ID}`, "POST api/uploads", "resumable"]);
    assert.deepEqual(stored, {});
  });
}

/** A browser that has stored the handle of a file, which may be read once `allowed` has settled. */
function useHandle(context, file, allowed) {
  const handle = { requestPermission: () => allowed, queryPermission: async () => "prompt", getFile: async () => file };
  const request = (result) => {
    const made = { result };
    queueMicrotask(() => made.onsuccess());
    return made;
  };
  const store = { get: () => request(handle) };
  const database = { transaction: () => ({ objectStore: () => store }), close: () => {} };
  globalThis.indexedDB = { open: () => request(database) };
  context.after(() => delete globalThis.indexedDB);
}

for (const [what, meanwhile, isSent] of [
  ["bytes that were on their way before a reload do not keep the rest of the file from being sent", receiving(2, 200), true],
  ["a file that may be read again is not sent if its upload has ended meanwhile", failed(3, "STALLED"), false],
]) {
  test(what, async (context) => {
    useStorage(context);
    void new Upload(connection({ "POST api/uploads": reservation }, aborted).host, { file: large }).start();
    await settled();
    let allow = () => {};
    useHandle(context, large, new Promise((resolve) => (allow = () => resolve("granted"))));
    const { asked, host } = connection({ [`GET api/uploads/${ID}`]: () => message(9) }, async () => {});
    const upload = new Upload(host, { id: ID });
    upload.joined(receiving(2, 100), []);
    await settled();
    assert.ok(upload.canContinue);
    const continued = upload.continueSending();
    upload.receive(meanwhile);
    allow();
    assert.equal(await continued, isSent);
    await settled();
    assert.equal(asked[0], isSent ? "resumable" : undefined);
  });
}

test("an abandoned upload of this browser needs its file until bytes arrive", async (context) => {
  useStorage(context);
  void new Upload(connection({ "POST api/uploads": reservation }, aborted).host, { file: large }).start();
  await settled();
  const { upload } = watched();
  upload.joined(receiving(2, 100), []);
  await settled();
  assert.ok(upload.needsFile);
  upload.receive(message(3, { stage: "queued" }));
  assert.equal(upload.needsFile, false);
  delete globalThis.localStorage;
  const stranger = watched().upload;
  stranger.joined(receiving(2, 100), []);
  await settled();
  assert.equal(stranger.needsFile, false, "the upload of another browser needs no file");
});

test("a released slot goes to the next waiting upload, and skips an aborted one", async () => {
  const slots = new Semaphore(1);
  const going = new AbortController();
  const release = await slots.acquire(going.signal);
  const givenUp = new AbortController();
  const order = [];
  const second = slots.acquire(givenUp.signal).then(() => order.push("second"));
  const third = slots.acquire(going.signal).then(() => order.push("third"));
  givenUp.abort();
  await settled();
  assert.deepEqual(order, []);
  release();
  release();
  await Promise.all([second, third]);
  assert.deepEqual(order, ["second", "third"]);
});

/** Resolves after all pending microtasks. */
function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
