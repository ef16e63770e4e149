import assert from "node:assert/strict";
import test from "node:test";

import { formatAge, formatCode, formatCount } from "../../static/admin/format.js";

test("formatAge uses at most two units", () => {
  const ages = [-3, 59.6, 61, 3599, 3600, 3660, 86_399, 86_400, 90_000];
  const expected = ["0 s", "1 min", "1 min 1 s", "59 min 59 s", "1 h", "1 h 1 min", "23 h 59 min", "1 d", "1 d 1 h"];
  assert.deepEqual(ages.map(formatAge), expected);
});

test("formatCount uses the singular for one", () => {
  assert.deepEqual([0, 1, 2].map((count) => formatCount(count, "socket")), ["0 sockets", "1 socket", "2 sockets"]);
  assert.equal(formatCount(2, "process", "processes"), "2 processes");
});

test("formatCode makes a heading of an error code", () => {
  assert.equal(formatCode("UNREADABLE_MEDIA"), "Unreadable media");
});
