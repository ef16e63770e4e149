import assert from "node:assert/strict";
import { test } from "node:test";

import { isFinished, judge, positionAfter, positionAt } from "../../static/merge.js";

const event = (seq, progress, more = {}) => ({ epoch: "e", seq, attempt: 1, progress, status: "compressing", ...more });
const at = (seq, progress, more) => positionAfter(event(seq, progress, more));

test("whoever knows nothing takes whatever comes first", () => {
  assert.equal(judge(positionAt(undefined, undefined), event(7, 50), true), "take");
});

test("the next event is taken, and an old one is not taken again", () => {
  assert.equal(judge(at(3, 20), event(4, 30), true), "take");
  for (const live of [true, false]) {
    assert.equal(judge(at(3, 20), event(2, 15), live), "drop");
    assert.equal(judge(at(3, 20), event(1, 99), live), "drop");
  }
});

test("a hole in what the room sends is a gap; a replay or a poll may run ahead", () => {
  assert.equal(judge(at(3, 20), event(5, 30), true), "gap");
  assert.equal(judge(at(3, 20), event(5, 30), false), "take");
});

test("ticks go forward only", () => {
  assert.equal(judge(at(3, 20), event(3, 20.5), true), "take");
  assert.equal(judge(at(3, 20), event(3, 20), true), "take");
  assert.equal(judge(at(3, 20), event(3, 19.9), true), "drop");
  assert.equal(judge(at(3, 20), event(3, 19.9), false), "drop");
});

test("a new attempt may start further back, and the old one's ticks are over", () => {
  assert.equal(judge(at(3, 70), event(4, 10, { attempt: 2 }), true), "take");
  assert.equal(judge(at(4, 10, { attempt: 2 }), event(4, 80, { attempt: 1 }), true), "drop");
});

test("another epoch is another log", () => {
  assert.equal(judge(at(9, 90), event(1, 0, { epoch: "f" }), true), "take");
});

test("after a reload the state of the remembered event is taken, whatever its progress", () => {
  const position = positionAt("e", 5);
  assert.equal(judge(position, event(5, 42), false), "take");
  assert.equal(judge(position, event(4, 42), false), "drop");
});

test("however replay, room and polling are interleaved, seq and progress never fall", () => {
  const log = [
    ...[1, 2, 3, 4, 5, 6].map((seq) => event(seq, seq * 10)),
    ...[1, 2, 3, 4, 5, 6].flatMap((seq) => [2, 5, 8].map((tick) => event(seq, seq * 10 + tick))),
  ];
  for (let seed = 1; seed <= 500; seed += 1) {
    let position = positionAt(undefined, undefined);
    for (const [message, live] of shuffled(log, seed)) {
      if (judge(position, message, live) !== "take") continue;
      const next = positionAfter(message);
      assert.ok(next.seq >= position.seq);
      assert.ok(next.progress >= position.progress);
      position = next;
    }
    assert.equal(judge(position, event(6, 100), false), "take");
  }
});

test("what has finished", () => {
  assert.equal(isFinished(null), false);
  assert.equal(isFinished(event(1, 0)), false);
  assert.equal(isFinished(event(1, 0, { status: "completed" })), true);
  assert.equal(isFinished(event(1, 0, { status: "error" })), true);
});

/** The messages in an order that depends on `seed` alone, each from the room or not. */
function shuffled(messages, seed) {
  let state = seed;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const keyed = messages.map((message) => [random(), message, random() < 0.5]);
  return keyed.sort(([one], [other]) => one - other).map(([, message, live]) => [message, live]);
}
