// A dashboard's upload: it chooses the upload's id, tracks it from before the first byte, sends the files, and shows
// each file until all are done.
// A program of tests/node/host.mjs, with these arguments: SERVER TOKEN USER FILE…
// out, one JSON value a line: {"kind": "reserved" | "tracking" | "progress" | "step" | "tracked" | "closed", ...}
import { createRequire } from "node:module";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";

const require = createRequire(new URL("../../../static/package.json", import.meta.url));
const { EventSource } = require("eventsource");

export async function run([server, token, currentUserId, ...paths], _lines, print) {
  const say = (kind, more) => print({ kind, ...more });
  const authorized = (init = {}) => ({ ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
  const analytics = { track: (event, fields) => say("tracked", { event, fields }) };

  const files = await Promise.all(paths.map(async (path) => ({ name: basename(path), path, size: (await stat(path)).size })));
  const uploadId = crypto.randomUUID();

  // What the page shows until the server has said something.
  const uploads = new Map();
  function startTracking(id, templateId, tracked, branch, userId) {
    const waiting = tracked.map((file) => ({ ...file, status: "uploading", progress: 0 }));
    uploads.set(id, { uploadId: id, templateId, branch, status: "uploading", files: waiting, user: { userId } });
  }

  function subscribe(id, onProgress, onStep) {
    const source = new EventSource(`${server}/api/transflow/stream?uploadId=${id}`, {
      fetch: (input, init) => fetch(input, authorized(init)),
    });
    const opened = new Promise((resolve, reject) => {
      source.onopen = resolve;
      source.addEventListener("error", (error) => reject(new Error(`the stream did not open: ${error.code}`)), { once: true });
    });
    source.onmessage = (event) => onProgress(JSON.parse(event.data));
    source.addEventListener("step", (event) => onStep(JSON.parse(event.data)));
    return { opened, unsubscribe: () => source.close() };
  }

  const reservation = await fetch(
    `${server}/api/uploads`,
    authorized({
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ uploadId, type: "auto", files: files.map(({ name, size }) => ({ filename: name, size })) }),
    }),
  );
  const reserved = await reservation.json();
  say("reserved", { status: reservation.status, uploadId, reserved });

  startTracking(
    uploadId,
    "auto",
    files.map(({ name }) => ({ filename: name, key: `uploads/main/${currentUserId}/${uploadId}/${name}` })),
    "main",
    currentUserId,
  );
  say("tracking", { progress: uploads.get(uploadId) });

  let over;
  const ended = new Promise((resolve) => (over = resolve));
  const { opened, unsubscribe } = subscribe(
    uploadId,
    (progress) => {
      uploads.set(uploadId, progress);
      say("progress", { progress, text: `${progress.completedFiles}/${progress.totalFiles} files` });
      analytics.track("file_processing_progress", {
        uploadId: progress.uploadId,
        status: progress.status,
        completedFiles: progress.completedFiles,
        totalFiles: progress.totalFiles,
        userId: progress.user?.userId,
      });
      if (progress.status === "completed" || progress.status === "error") over();
    },
    (step) => say("step", { step }),
  );
  await opened;
  for (const [place, file] of files.entries()) {
    const sent = await fetch(
      server + reserved.uploads[place].contentUrl,
      authorized({ method: "PUT", body: await readFile(file.path) }),
    );
    await sent.arrayBuffer();
  }
  await ended;
  unsubscribe();
  say("closed", { progress: uploads.get(uploadId) });
}
