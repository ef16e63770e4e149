import assert from "node:assert/strict";
import test from "node:test";

import { rejectionReason } from "../../static/intake/checks.js";

const NOTES = { name: "notes.txt", type: "text/plain", size: 10 };
const DOCUMENT = { name: "document", kind: "file" };

test("rejectionReason rejects a file that is not media, unless the template accepts any file", () => {
  assert.match(rejectionReason(NOTES, {}, undefined) ?? "", /not a video/);
  assert.match(rejectionReason(NOTES, {}, { name: "auto", kind: "auto" }) ?? "", /not a video/);
  assert.equal(rejectionReason(NOTES, {}, DOCUMENT), null);
});

test("rejectionReason accepts an empty file only if the template accepts any file", () => {
  assert.equal(rejectionReason({ ...NOTES, size: 0 }, {}, DOCUMENT), null);
  assert.equal(rejectionReason({ name: "clip.mp4", type: "video/mp4", size: 0 }, {}, undefined), "The file is empty.");
});

test("rejectionReason rejects a file that is too large for the server, whatever the template", () => {
  assert.match(rejectionReason(NOTES, { maxUploadBytes: 9 }, DOCUMENT) ?? "", /^The file has 10 bytes\. .* up to 9 bytes\.$/);
});
