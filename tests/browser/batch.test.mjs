import assert from "node:assert/strict";
import { test } from "node:test";

import { Batch } from "../../static/elements/batch.js";

const message = (status) => ({ status, stage: status, progress: 50 });
const upload = (status = "compressing") => ({ id: "a", state: message(status), error: null, file: null });

test("a refused file counts in the batch of the uploads that are added with it", () => {
  const batch = new Batch(() => undefined);
  const first = upload();
  batch.refuse();
  batch.update([first]);
  assert.equal(batch.refused, 1);
  batch.refuse();
  batch.update([first]);
  assert.equal(batch.refused, 2, "one more while the batch is active");
});

test("a new batch begins without the files that were refused before", () => {
  const batch = new Batch(() => undefined);
  const first = upload();
  batch.refuse();
  batch.update([first]);
  first.state = message("completed");
  batch.update([first]);
  batch.refuse();
  batch.update([first]);
  assert.equal(batch.refused, 2);
  batch.update([first, upload()]);
  assert.equal(batch.refused, 0);
});
