import assert from "node:assert/strict";
import test from "node:test";

import { ageWords, codeWords, countWords } from "../../static/admin/words.js";

test("an age has two units at most", () => {
  const ages = [-3, 59.6, 61, 3599, 3600, 3660, 86_399, 86_400, 90_000];
  const words = ["0 s", "1 min", "1 min 1 s", "59 min 59 s", "1 h", "1 h 1 min", "23 h 59 min", "1 d", "1 d 1 h"];
  assert.deepEqual(ages.map(ageWords), words);
});

test("one of a thing is not many", () => {
  assert.deepEqual([0, 1, 2].map((count) => countWords(count, "socket")), ["0 sockets", "1 socket", "2 sockets"]);
  assert.equal(countWords(2, "process", "processes"), "2 processes");
});

test("a code is read as words", () => {
  assert.equal(codeWords("UNREADABLE_MEDIA"), "Unreadable media");
});
