import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { filledShare, segmentsOf } from "../../static/rows/bar-segments.js";
import { DelayedAction } from "../../static/rows/delayed-action.js";
import { inOrder, visibleRows } from "../../static/rows/row-order.js";
import { dividedName } from "../../static/rows/shortened-name.js";
import { topLevelTypeOf } from "../../static/shared/media-type.js";

const row = (name, tone, batch = 0, more = {}) => ({
  name,
  view: { tone },
  addedAt: batch * 60_000,
  inUse: false,
  anchored: false,
  upload: { needsFile: false },
  ...more,
});
const names = (rows) => [...rows].map(({ name }) => name).join("");

test("inOrder shows busy, waiting, failed, completed and cancelled rows in this order", () => {
  const rows = [row("d", "done"), row("c", "cancelled"), row("f", "failed"), row("w", "waiting"), row("b", "busy")];
  assert.equal(names(inOrder(rows)), "bwfdc");
});

test("inOrder keeps a batch in the order in which it was chosen, below newer batches", () => {
  const rows = [..."ABC"].map((name) => row(name, "busy", 0)).concat([..."DEF"].map((name) => row(name, "busy", 1)));
  assert.equal(names(inOrder(rows)), "DEFABC");
});

test("inOrder regards files that were added shortly after each other as one batch", () => {
  const rows = [0, 200, 400, 700].map((addedAt, index) => row("ABCD"[index], "done", 0, { addedAt }));
  assert.equal(names(inOrder(rows)), "DABC");
});

test("inOrder sorts rows by when they were added, not by when they were watched", () => {
  assert.equal(names(inOrder([row("N", "done", 5), row("O", "done", 1)])), "NO");
  assert.equal(names(inOrder([row("O", "done", 1), row("N", "done", 5)])), "NO");
});

test("inOrder leaves all rows down to an anchored one as they are shown", () => {
  const [a, b, c, d] = [row("A", "done"), row("B", "done", 0, { anchored: true }), row("C", "waiting"), row("D", "busy")];
  assert.equal(names(inOrder([a, b, c, d], [a, b, c, d])), "ABDC");
  b.anchored = false;
  assert.equal(names(inOrder([a, b, c, d], [a, b, d, c])), "DCAB");
});

test("inOrder forgets rows that are gone, and adds new ones below an anchored one", () => {
  const [gone, used, fresh] = [row("G", "done"), row("U", "done", 0, { anchored: true }), row("F", "busy", 1)];
  assert.equal(names(inOrder([used, fresh], [gone, used])), "UF");
});

test("visibleRows never hides what moves behind what waits, nor a row in use", () => {
  const waiting = [..."1234"].map((name) => row(name, "waiting"));
  const rows = inOrder([...waiting, row("B", "busy"), row("F", "failed"), row("D", "done")]);
  assert.equal(names(visibleRows(rows, 2)), "BF");
  assert.equal(names(visibleRows(rows, 3)), "BF1");
  waiting[3].inUse = true;
  assert.equal(names(visibleRows(rows, 2)), "4B");
  waiting[2].upload.needsFile = true;
  assert.equal(names(visibleRows(rows, 3)), "4B3");
  assert.equal(visibleRows(rows, null).size, rows.length);
});

const state = (stage, progress, more = {}) => ({ stage, progress, status: "starting", stageProgress: 0, ...more });

test("segmentsOf fills the first segment by the transfer alone", () => {
  const segments = segmentsOf(state("receiving", 7.8, { stageProgress: 78 }), null);
  assert.deepEqual(segments, { sent: 78, compressed: 0, stored: 0 });
  assert.equal(filledShare(segments), 31.2);
  assert.equal(segmentsOf(state("receiving", 7.8, { stageProgress: 78 }), 81).sent, 81, "this client knows more");
});

test("segmentsOf fills the segments one after the other", () => {
  const shares = [["queued", 15], ["probing", 39], ["compressing", 40], ["compressing", 65], ["thumbnails", 90], ["storing", 95]];
  const filled = shares.map(([stage, progress]) => filledShare(segmentsOf(state(stage, progress), null)));
  assert.deepEqual(filled, [40, 40, 40, 65, 90, 95]);
  assert.deepEqual(segmentsOf(state("storing", 95), null), { sent: 100, compressed: 100, stored: 50 });
  assert.equal(filledShare(segmentsOf(state("done", 100, { status: "completed" }), null)), 100);
});

test("segmentsOf never falls within an attempt", () => {
  let before;
  let share = 0;
  const seen = [["receiving", 3, 30], ["receiving", 1, 10], ["receiving", 9, 95], ["queued", 10, 0], ["compressing", 55, 0], ["compressing", 50, 0], ["failed", 50, 0]];
  for (const [stage, progress, stageProgress] of seen) {
    before = segmentsOf(state(stage, progress, { stageProgress }), null, before);
    assert.ok(filledShare(before) >= share, stage);
    share = filledShare(before);
  }
  assert.ok(filledShare(segmentsOf(state("cleaning", 100), null)) < 100, "only a completed upload fills the bar");
});

test("dividedName keeps the extension and the number of a copy", () => {
  const divide = (name) => Object.values(dividedName(name)).join("|");
  assert.equal(divide("report, copy of copy (3).mp4"), "report, copy of co|py (3).mp4");
  assert.equal(divide("clip.mp4"), "clip.mp4|");
  assert.equal(divide("no extension at all"), "no extension |at all");
  assert.equal(divide(".hidden-in-a-long-folder"), ".hidden-in-a-long-|folder");
  assert.equal(divide("archive.of.everything"), "archive.of.ever|ything");
  assert.equal(divide("x"), "x|");
  assert.equal(divide(""), "|");
});

test("dividedName does not divide joined letters or surrogate pairs", () => {
  assert.deepEqual(dividedName("تقرير الاجتماع السنوي.mp4"), { start: "تقرير الاجتماع السنوي", end: ".mp4" });
  const { start, end } = dividedName("🎬🎬🎬🎬🎬🎬🎬🎬🎬.mov");
  assert.equal(start + end, "🎬🎬🎬🎬🎬🎬🎬🎬🎬.mov");
  assert.ok(!/[\ud800-\udbff]$/.test(start), "no half of a pair");
});

const divided = (name) => Object.values(dividedName(name));

test("a short name is not divided, and a long one before its last letters and its extension", () => {
  assert.deepEqual(divided("holiday.mp4"), ["holiday.mp4", ""]);
  assert.deepEqual(divided("a film that was copied again, final version.mp4"), ["a film that was copied again, final v", "ersion.mp4"]);
  assert.deepEqual(divided("a name of a film without any extension"), ["a name of a film without any ext", "ension"]);
  assert.deepEqual(divided(`${"x".repeat(30)}.${"y".repeat(20)}`), [`${"x".repeat(30)}.${"y".repeat(14)}`, "y".repeat(6)]);
});

test("joined letters and surrogate pairs are not divided", () => {
  const arabic = "فيديو طويل جدا من الرحلة الصيفية";
  assert.deepEqual(divided(`${arabic}.mp4`), [arabic, ".mp4"]);
  const faces = "😀".repeat(30);
  assert.equal(divided(faces).join(""), faces);
  assert.equal([...divided(faces)[1]].length, 6);
});

test("topLevelTypeOf distinguishes sound from film", () => {
  const type = (name, declared = "") => topLevelTypeOf({ name, type: declared });
  assert.deepEqual(["a.wav", "a.MP4", "a.heic", "a.txt"].map((name) => type(name)), ["audio", "video", "image", null]);
  assert.equal(type("recording", "audio/webm"), "audio");
});

function delayed() {
  const calls = [];
  const action = new DelayedAction(() => calls.push(action.current?.text ?? "-"));
  const start = (text) => action.start({ text, perform: () => calls.push(`${text} done`), undo: () => calls.push(`${text} undone`) });
  return { calls, action, start };
}

test("DelayedAction performs the action once its time has passed", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { calls, start } = delayed();
  start("A");
  mock.timers.tick(9_999);
  assert.deepEqual(calls, ["A"]);
  mock.timers.tick(1);
  assert.deepEqual(calls, ["A", "-", "A done"]);
  mock.timers.tick(60_000);
  assert.deepEqual(calls, ["A", "-", "A done"]);
  mock.timers.reset();
});

test("DelayedAction does nothing after an undo", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { calls, action, start } = delayed();
  start("A");
  action.undo();
  action.undo();
  action.performNow();
  mock.timers.tick(60_000);
  assert.deepEqual(calls, ["A", "-", "A undone"]);
  mock.timers.reset();
});

test("DelayedAction performs the waiting action when the next one comes", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { calls, action, start } = delayed();
  start("A");
  start("B");
  assert.deepEqual(calls, ["A", "-", "A done", "B"]);
  action.undo();
  mock.timers.tick(60_000);
  assert.deepEqual(calls.slice(4), ["-", "B undone"]);
  mock.timers.reset();
});

test("DelayedAction stops its time while it is paused", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { calls, action, start } = delayed();
  start("A");
  mock.timers.tick(4_000);
  action.pause();
  action.pause();
  mock.timers.tick(60_000);
  action.resume();
  mock.timers.tick(5_999);
  assert.equal(calls.length, 1);
  mock.timers.tick(1);
  assert.equal(calls.at(-1), "A done");
  action.resume();
  mock.timers.reset();
});
