import assert from "node:assert/strict";
import { test } from "node:test";

import { judge, positionAfter, positionAt } from "../../static/protocol/message-order.js";

const event = (seq, progress, more = {}) => ({ epoch: "e", seq, attempt: 1, progress, status: "compressing", ...more });
const at = (seq, progress, more) => positionAfter(event(seq, progress, more));

test("judge applies the first message, whatever its seq", () => {
  assert.equal(judge(positionAt(undefined, undefined), event(7, 50), true), "apply");
});

test("judge applies the next event and drops older ones", () => {
  assert.equal(judge(at(3, 20), event(4, 30), true), "apply");
  for (const live of [true, false]) {
    assert.equal(judge(at(3, 20), event(2, 15), live), "drop");
    assert.equal(judge(at(3, 20), event(1, 99), live), "drop");
  }
});

test("judge reports a gap in live messages, and applies a replay or a poll that skips events", () => {
  assert.equal(judge(at(3, 20), event(5, 30), true), "gap");
  assert.equal(judge(at(3, 20), event(5, 30), false), "apply");
});

test("judge drops a tick with less progress", () => {
  assert.equal(judge(at(3, 20), event(3, 20.5), true), "apply");
  assert.equal(judge(at(3, 20), event(3, 20), true), "apply");
  assert.equal(judge(at(3, 20), event(3, 19.9), true), "drop");
  assert.equal(judge(at(3, 20), event(3, 19.9), false), "drop");
});

test("judge applies a new attempt with less progress, and drops ticks of the old attempt", () => {
  assert.equal(judge(at(3, 70), event(4, 10, { attempt: 2 }), true), "apply");
  assert.equal(judge(at(4, 10, { attempt: 2 }), event(4, 80, { attempt: 1 }), true), "drop");
});

test("judge applies a message of another epoch", () => {
  assert.equal(judge(at(9, 90), event(1, 0, { epoch: "f" }), true), "apply");
});

test("judge applies the state at the stored seq after a reload, whatever its progress", () => {
  const position = positionAt("e", 5);
  assert.equal(judge(position, event(5, 42), false), "apply");
  assert.equal(judge(position, event(4, 42), false), "drop");
});

test("judge never lets seq or progress fall, however replay, room and polling are interleaved", () => {
  const log = [
    ...[1, 2, 3, 4, 5, 6].map((seq) => event(seq, seq * 10)),
    ...[1, 2, 3, 4, 5, 6].flatMap((seq) => [2, 5, 8].map((tick) => event(seq, seq * 10 + tick))),
  ];
  for (let seed = 1; seed <= 500; seed += 1) {
    let position = positionAt(undefined, undefined);
    for (const [message, live] of shuffled(log, seed)) {
      if (judge(position, message, live) !== "apply") continue;
      const next = positionAfter(message);
      assert.ok(next.seq >= position.seq);
      assert.ok(next.progress >= position.progress);
      position = next;
    }
    assert.equal(judge(position, event(6, 100), false), "apply");
  }
});

/** The messages in an order that depends on `seed` alone, each from the room or not. */
function shuffled(messages, seed) {
  let state = seed;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const keyed = messages.map((message) => [random(), message, random() < 0.5]);
  return keyed.sort(([one], [other]) => one - other).map(([, message, live]) => [message, live]);
}
