// A file manager's upload: one form, then an EventSource for each id of the answer, then the bars together.
// A program of tests/node/host.mjs, with these arguments: SERVER PATH TYPE FILE…      ("" for no path, and for no type)
// out, one JSON value a line: {"kind": "answer" | "progress" | "lost" | "shown", ...}
import { createRequire } from "node:module";
import { openAsBlob } from "node:fs";
import { basename } from "node:path";

const require = createRequire(new URL("../../../static/package.json", import.meta.url));
const { EventSource } = require("eventsource");

export async function run([server, path, type, ...names], _lines, print) {
  const say = (kind, more) => print({ kind, ...more });

  const form = new FormData();
  for (const name of names) form.append("files", await openAsBlob(name), basename(name));
  if (path) form.append("path", path);
  if (type) form.append("type", type);

  const response = await fetch(`${server}/api/files/upload`, { method: "POST", body: form });
  const result = await response.json();
  say("answer", { status: response.status, result });

  const uploadIds = result.upload_ids;
  const progressMap = new Map();

  function follow(uploadId) {
    return new Promise((resolve) => {
      const source = new EventSource(`${server}/api/files/progress/${uploadId}`);
      const close = () => {
        source.close();
        resolve();
      };
      source.addEventListener("progress", (event) => {
        const progress = JSON.parse(event.data);
        progressMap.set(uploadId, progress);
        say("progress", { progress });
        if (progress.status === "completed" || progress.status === "failed") close();
      });
      source.onerror = () => {
        say("lost", { uploadId });
        close();
      };
    });
  }

  await Promise.all(uploadIds.map(follow));
  const all = [...progressMap.values()];
  const overallPercentage = all.reduce((sum, one) => sum + one.progress_percentage, 0) / (all.length || 1);
  say("shown", {
    text: uploadIds ? `Overall Progress: ${overallPercentage.toFixed(1)}%` : null,
    allCompleted: all.length > 0 && all.every((one) => one.status === "completed"),
    errors: all.filter((one) => one.status === "failed").map((one) => `${one.filename}: ${one.error}`),
  });
}
