import assert from "node:assert/strict";
import test from "node:test";

import { dividedName, formatAge, formatCode, formatCount, formatElapsed } from "../../static/admin/common/format.js";

const spaced = (texts) => texts.map((text) => text.replaceAll(" ", "\u00a0"));

test("formatAge uses the largest unit, and a space that does not break", () => {
  const ages = [-3, 59.6, 61, 3599, 3600, 86_399, 86_400, 190_000];
  assert.deepEqual(ages.map(formatAge), spaced(["0 s", "1 min", "1 min", "59 min", "1 h", "23 h", "1 d", "2 d"]));
});

test("formatElapsed has the digits that matter", () => {
  const times = [-1, 0.0404, 0.99951, 2.44, 9.96, 59.4, 60, 200, 3_600, 3_725, 90_061];
  assert.deepEqual(times.map((time) => formatElapsed(time).replaceAll("\u00a0", " ")), [
    "0 ms", "40 ms", "1.0 s", "2.4 s", "10 s", "59 s", "1 min", "3 min 20 s", "1 h", "1 h 2 min", "1 d 1 h",
  ]);
});

test("formatCount uses the singular for one", () => {
  assert.deepEqual([0, 1, 2].map((count) => formatCount(count, "socket")), ["0 sockets", "1 socket", "2 sockets"]);
  assert.equal(formatCount(2, "process", "processes"), "2 processes");
});

test("formatCode makes a heading of an error code", () => {
  assert.equal(formatCode("UNREADABLE_MEDIA"), "Unreadable media");
});

test("a short name is not divided, and a long one before its last letters and its extension", () => {
  assert.deepEqual(dividedName("holiday.mp4"), ["holiday.mp4", ""]);
  assert.deepEqual(dividedName("a film that was copied again, final version.mp4"), ["a film that was copied again, final v", "ersion.mp4"]);
  assert.deepEqual(dividedName("a name of a film without any extension"), ["a name of a film without any ext", "ension"]);
  assert.deepEqual(dividedName(`${"x".repeat(30)}.${"y".repeat(20)}`), [`${"x".repeat(30)}.${"y".repeat(14)}`, "y".repeat(6)]);
});

test("joined letters and surrogate pairs are not divided", () => {
  const arabic = "فيديو طويل جدا من الرحلة الصيفية";
  assert.deepEqual(dividedName(`${arabic}.mp4`), [arabic, ".mp4"]);
  const faces = "😀".repeat(30);
  assert.equal(dividedName(faces).join(""), faces);
  assert.equal([...dividedName(faces)[1]].length, 6);
});
