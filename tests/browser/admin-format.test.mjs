import assert from "node:assert/strict";
import test from "node:test";

import { formatAge, formatCode, formatCount, formatElapsed } from "../../static/admin/common/format.js";

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
