// What the page refuses before anything is sent, and what it leaves to the server.
import assert from "node:assert/strict";
import test from "node:test";

import { objection } from "../../static/intake.js";

const NOTES = { name: "notes.txt", type: "text/plain", size: 10 };
const DOCUMENT = { name: "document", kind: "file" };

test("a file that is no media is refused, unless the template takes any", () => {
  assert.match(objection(NOTES, {}, undefined) ?? "", /not a video/);
  assert.match(objection(NOTES, {}, { name: "auto", kind: "auto" }) ?? "", /not a video/);
  assert.equal(objection(NOTES, {}, DOCUMENT), null);
});

test("an empty file is one under a template that takes any", () => {
  assert.equal(objection({ ...NOTES, size: 0 }, {}, DOCUMENT), null);
  assert.equal(objection({ name: "clip.mp4", type: "video/mp4", size: 0 }, {}, undefined), "The file is empty.");
});

test("a file that is too large for the server is refused whatever the template", () => {
  assert.match(objection(NOTES, { maxUploadBytes: 9 }, DOCUMENT) ?? "", /more than the 9 bytes/);
});
