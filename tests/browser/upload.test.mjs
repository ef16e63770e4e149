import assert from "node:assert/strict";
import { test } from "node:test";

import { RoomcastError } from "../../static/roomcast.js";
import { Turns } from "../../static/turns.js";
import { Upload } from "../../static/upload.js";

const ID = "upload_1";
const message = (seq, more = {}) => ({
  uploadId: ID, epoch: "e", seq, attempt: 1, progress: seq * 10, status: "starting", stage: "queued", ...more,
});
const failed = (seq, code) => message(seq, {
  status: "error", stage: "failed", error: { code, message: "No.", step: "probing", retryable: true },
});

/**
 * A connection whose server answers with what `answers` says; it writes down what it was asked. With `send`, large
 * files go in pieces by it.
 */
function connection(answers = {}, send = null) {
  const asked = [];
  const request = async (method, path) => {
    asked.push(`${method} ${path}`);
    const answer = answers[`${method} ${path}`];
    if (!answer) throw new RoomcastError("NETWORK", "gone", { retryable: true });
    return answer();
  };
  const turns = new Turns(1);
  const nothing = async () => {};
  const control = (_event, method, path) => request(method, path);
  const turn = (signal) => turns.take(signal);
  const inPieces = async () => send && ((signal) => (asked.push("pieces"), send(signal)));
  const knows = () => false;
  const address = (link) => new URL(link, "https://films.example").href;
  const ways = { turn, enter: nothing, join: nothing, leave: nothing, knows, address, inPieces, request, control };
  return { asked, turns, ways };
}

function watched(more) {
  const heard = [];
  const upload = new Upload(connection().ways, { id: ID, onProgress: ({ seq }) => heard.push(seq), ...more });
  return { upload, heard };
}

test("what the room says before the join is answered comes after what the answer tells", () => {
  const { upload, heard } = watched();
  upload.joining = true;
  for (const seq of [2, 3, 4]) assert.ok(upload.hear(message(seq)));
  assert.deepEqual(heard, []);
  upload.joined(message(3), [message(1), message(2), message(3)]);
  assert.deepEqual([...new Set(heard)], [1, 2, 3, 4]);
});

test("a lost event is noticed, and nothing after it is taken until it has come", () => {
  const { upload, heard } = watched();
  upload.joined(message(1), [message(1)]);
  assert.equal(upload.hear(message(3)), false);
  assert.equal(upload.state.seq, 1);
  upload.joined(message(3), [message(2), message(3)]);
  assert.deepEqual([...new Set(heard)], [1, 2, 3]);
});

test("a remembered position is what the next join asks from", () => {
  assert.deepEqual(watched({ since: 4, epoch: "e" }).upload.position, { since: 4, epoch: "e" });
  assert.deepEqual(watched().upload.position, {});
  const { upload } = watched({ since: 4, epoch: "e" });
  upload.joined(message(6), [message(5), message(6)]);
  assert.deepEqual(upload.position, { since: 6, epoch: "e" });
});

test("the end is a promise, and a new life is a new one", async () => {
  const { upload } = watched();
  upload.joined(failed(2, "STALLED"), []);
  await assert.rejects(upload.finished, (error) => error instanceof RoomcastError && error.code === "STALLED");
  upload.hear(message(3, { attempt: 2 }));
  upload.hear(message(4, { attempt: 2, status: "completed", stage: "done", progress: 100 }));
  assert.equal((await upload.finished).seq, 4);
});

test("an end that nobody waits for disturbs nobody", async () => {
  const { upload } = watched();
  upload.joined(failed(2, "STALLED"), []);
  await new Promise(setImmediate); // an unheard rejection would fail this test
});

test("a listener that throws does not stop the upload", (context) => {
  const { upload } = watched({ onProgress: () => assert.fail("a bug of the caller's") });
  const reported = [];
  const hear = (error) => reported.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", hear);
  context.after(() => {
    process.off("uncaughtException", hear);
    for (const other of others) process.on("uncaughtException", other);
  });
  upload.joined(message(1), []);
  assert.equal(upload.state.seq, 1);
  return new Promise((resolve) => setImmediate(resolve)).then(() => assert.equal(reported.length, 1));
});

const file = new File(["bytes"], "clip.mp4", { type: "video/mp4" });
const reservation = () => ({ uploads: [{ uploadId: ID }] });

test("reserve, send; the room tells the rest", async () => {
  const { asked, ways } = connection({
    "POST /api/uploads": reservation,
    [`PUT /api/uploads/${ID}/content`]: () => ({ state: message(2) }),
  });
  const upload = new Upload(ways, { file });
  await upload.start();
  assert.deepEqual(asked, ["POST /api/uploads", `PUT /api/uploads/${ID}/content`]);
  assert.equal(upload.sending, "no");
  assert.equal(upload.state.seq, 2);
});

test("what the room has told since the bytes arrived is not taken back by their answer", async () => {
  const { ways } = connection({
    "POST /api/uploads": reservation,
    [`PUT /api/uploads/${ID}/content`]: () => {
      upload.hear(message(1));
      upload.hear(message(1, { queuePosition: 1 }));
      return { state: message(1) };
    },
  });
  const upload = new Upload(ways, { file });
  await upload.start();
  assert.equal(upload.sending, "no");
  assert.equal(upload.state.queuePosition, 1);
});

test("a server that has too much to do is asked again later", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let places = 0;
  const { asked, ways } = connection({
    "POST /api/uploads": () => {
      if (places) return reservation();
      throw new RoomcastError("TOO_MANY", "Later.", { retryable: true });
    },
    [`PUT /api/uploads/${ID}/content`]: () => ({ state: message(2) }),
  });
  const upload = new Upload(ways, { file });
  const started = upload.start();
  await settled();
  assert.deepEqual(asked, ["POST /api/uploads"]);
  assert.equal(upload.sending, "waiting");
  places = 1;
  context.mock.timers.tick(2_000);
  await started;
  assert.equal(asked.length, 3);
});

test("cancelled while the place is being reserved: the place is given back and nothing is sent", async () => {
  let reserve;
  const { asked, ways } = connection({
    "POST /api/uploads": () => new Promise((resolve) => (reserve = () => resolve(reservation()))),
    [`DELETE /api/uploads/${ID}`]: () => ({ ok: true }),
  });
  const upload = new Upload(ways, { file });
  const started = upload.start();
  await settled();
  await upload.cancel();
  assert.equal(upload.error.code, "CANCELLED");
  reserve();
  await started;
  assert.deepEqual(asked, ["POST /api/uploads", `DELETE /api/uploads/${ID}`]);
  assert.equal(upload.error.code, "CANCELLED");
});

test("bytes that got lost are a failure that can be tried again; if they arrived after all, it is none", async () => {
  const answers = { "POST /api/uploads": reservation };
  const lost = new Upload(connection(answers).ways, { file });
  await lost.start();
  assert.equal(lost.error.code, "NETWORK");
  assert.ok(lost.error.retryable);

  const arrived = connection({ ...answers, [`GET /api/uploads/${ID}`]: () => message(2) });
  const upload = new Upload(arrived.ways, { file });
  await upload.start();
  assert.equal(upload.error, null);
});

const large = new File([new Uint8Array(1024 * 1024 + 1)], "film.mp4", { type: "video/mp4" });
const receiving = (seq, bytesReceived) => message(seq, { stage: "receiving", bytesReceived });
const aborted = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("a large file goes in pieces, and what the server says of it counts", async () => {
  const answers = { "POST /api/uploads": reservation, [`GET /api/uploads/${ID}`]: () => message(2) };
  const { asked, ways } = connection(answers, async () => {});
  const upload = new Upload(ways, { file: large });
  await upload.start();
  assert.deepEqual(asked, ["POST /api/uploads", "pieces", `GET /api/uploads/${ID}`]);
  assert.equal(upload.state.seq, 2);
  assert.equal(upload.sending, "no");
});

test("a large file goes as a small one where pieces cannot be had, and cannot be paused", async () => {
  let pausable;
  const { asked, ways } = connection({
    "POST /api/uploads": reservation,
    [`PUT /api/uploads/${ID}/content`]: () => {
      pausable = upload.pausable;
      upload.pause();
      return { state: message(2) };
    },
  });
  const upload = new Upload(ways, { file: large });
  await upload.start();
  assert.deepEqual(asked, ["POST /api/uploads", `PUT /api/uploads/${ID}/content`]);
  assert.equal(pausable, false);
  assert.equal(upload.sending, "no");
});

test("paused: the turn is another's, and the upload goes on as itself", async () => {
  let send = aborted;
  const answers = { "POST /api/uploads": reservation, [`GET /api/uploads/${ID}`]: () => message(2) };
  const { asked, turns, ways } = connection(answers, (signal) => send(signal));
  const upload = new Upload(ways, { file: large });
  const started = upload.start();
  await settled();
  assert.ok(upload.pausable);
  upload.pause();
  await started;
  assert.deepEqual([upload.sending, upload.error, upload.pausable], ["paused", null, false]);
  (await turns.take(new AbortController().signal))();
  send = async () => {};
  upload.resume();
  assert.equal(upload.sending, "waiting");
  await settled();
  assert.deepEqual(asked, ["POST /api/uploads", "pieces", "pieces", `GET /api/uploads/${ID}`]);
  assert.equal(upload.sending, "no");
});

test("paused while it waits its turn, it gives that up; nothing is reserved", async () => {
  const { asked, turns, ways } = connection({ "POST /api/uploads": reservation });
  const end = await turns.take(new AbortController().signal);
  const upload = new Upload(ways, { file });
  const started = upload.start();
  upload.pause();
  end();
  await started;
  assert.deepEqual(asked, []);
  assert.equal(upload.sending, "paused");
  await upload.cancel();
  assert.deepEqual([upload.sending, upload.error.code], ["no", "CANCELLED"]);
});

test("cancelled while it is paused: the server is told", async () => {
  const { asked, ways } = connection({
    "POST /api/uploads": reservation,
    [`DELETE /api/uploads/${ID}`]: () => ({ ok: true }),
    [`GET /api/uploads/${ID}`]: () => failed(3, "CANCELLED"),
  }, aborted);
  const upload = new Upload(ways, { file: large });
  void upload.start();
  await settled();
  upload.pause();
  await upload.cancel();
  assert.deepEqual(asked.slice(2), [`DELETE /api/uploads/${ID}`, `GET /api/uploads/${ID}`]);
  assert.equal(upload.sending, "no");
  await assert.rejects(upload.finished, { code: "CANCELLED" });
});

test("a paused upload of which another client has brought the rest is paused no more", async () => {
  const { ways } = connection({ "POST /api/uploads": reservation }, aborted);
  const upload = new Upload(ways, { file: large });
  void upload.start();
  await settled();
  upload.pause();
  upload.joined(message(2), []);
  assert.equal(upload.sending, "no");
});

test("sending that stopped for want of a token goes on when there is one", async () => {
  let admitted = false;
  const { asked, ways } = connection({
    "POST /api/uploads": reservation,
    [`GET /api/uploads/${ID}`]: () => {
      if (admitted) return receiving(1, 0);
      throw new RoomcastError("UNAUTHENTICATED", "Who?");
    },
  }, async () => {
    if (!admitted) throw new RoomcastError("UNAUTHENTICATED", "Who?");
  });
  const upload = new Upload(ways, { file: large });
  await upload.start();
  assert.equal(upload.error.code, "UNAUTHENTICATED");
  admitted = true;
  await upload.refresh();
  await settled();
  assert.deepEqual([upload.error, upload.sending], [null, "no"]);
  assert.equal(asked.filter((call) => call === "pieces").length, 2);
});

/** What a browser keeps, as far as it is used. */
function keeping(context, kept = {}) {
  globalThis.localStorage = kept;
  const methods = {
    getItem: (key) => kept[key] ?? null,
    setItem: (key, value) => void (kept[key] = value),
    removeItem: (key) => delete kept[key],
  };
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(kept, name, { value });
  context.after(() => delete globalThis.localStorage);
  return kept;
}

test("a file that was begun before goes on as the same upload, under the same template", async (context) => {
  const kept = keeping(context);
  const begun = connection({ "POST /api/uploads": reservation }, aborted);
  void new Upload(begun.ways, { file: large, type: "image" }).start();
  await settled();
  assert.deepEqual(Object.values(kept), [ID]);

  let stage = "receiving";
  const answers = { [`GET /api/uploads/${ID}`]: () => message(2, { stage }), "POST /api/uploads": reservation };
  const again = connection(answers, async () => void (stage = "queued"));
  const upload = new Upload(again.ways, { file: large, type: "image" });
  await upload.start();
  assert.deepEqual(again.asked, [`GET /api/uploads/${ID}`, "pieces", `GET /api/uploads/${ID}`]);
  assert.equal(upload.id, ID);
  assert.deepEqual(kept, {}, "all of it is there now");

  const other = connection(answers, async () => {});
  await new Upload(other.ways, { file: large, type: "auto" }).start();
  assert.equal(other.asked[0], "POST /api/uploads");
});

for (const [what, answer] of [
  ["has ended", () => failed(3, "STALLED")],
  ["is gone", () => {
    throw new RoomcastError("NOT_FOUND", "gone");
  }],
]) {
  test(`what was begun and ${what} is begun anew`, async (context) => {
    const kept = keeping(context);
    void new Upload(connection({ "POST /api/uploads": reservation }, aborted).ways, { file: large }).start();
    await settled();
    const { asked, ways } = connection({
      [`GET /api/uploads/${ID}`]: () => (asked.length === 1 ? answer() : message(2)),
      "POST /api/uploads": reservation,
    }, async () => {});
    await new Upload(ways, { file: large }).start();
    assert.deepEqual(asked.slice(0, 3), [`GET /api/uploads/${ID}`, "POST /api/uploads", "pieces"]);
    assert.deepEqual(kept, {});
  });
}

test("an upload that was begun in this browser and lacks its file asks for it, until bytes come", async (context) => {
  keeping(context);
  void new Upload(connection({ "POST /api/uploads": reservation }, aborted).ways, { file: large }).start();
  await settled();
  const { upload } = watched();
  upload.joined(receiving(2, 100), []);
  await settled();
  assert.ok(upload.needsFile);
  upload.hear(message(3, { stage: "queued" }));
  assert.equal(upload.needsFile, false);
  delete globalThis.localStorage;
  const stranger = watched().upload;
  stranger.joined(receiving(2, 100), []);
  await settled();
  assert.equal(stranger.needsFile, false, "somebody else's: no file of ours is wanted");
});

test("a turn that ends lets the next one in, and one that was given up is passed on", async () => {
  const turns = new Turns(1);
  const going = new AbortController();
  const end = await turns.take(going.signal);
  const givenUp = new AbortController();
  const order = [];
  const second = turns.take(givenUp.signal).then(() => order.push("second"));
  const third = turns.take(going.signal).then(() => order.push("third"));
  givenUp.abort();
  await settled();
  assert.deepEqual(order, []);
  end();
  end();
  await Promise.all([second, third]);
  assert.deepEqual(order, ["second", "third"]);
});

/** Once everything that waits for nothing has run. */
function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
