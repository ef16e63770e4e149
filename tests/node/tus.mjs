// The official tus client: sends one file, and says what happens on stdout, one JSON value a line.
//   node tus.mjs ENDPOINT FILE '{"leaveAfter": 100000, …}'
// The wishes: `store` (a file that remembers uploads over the end of this process), `leaveAfter` and `terminateAfter`
// (as many bytes accepted), `deferred` (the length is told last), and any option of the client's own.
import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { PassThrough } from "node:stream";

const require = createRequire(new URL("../../static/package.json", import.meta.url));
const tus = require("tus-js-client");

const [endpoint, path, wishes] = process.argv.slice(2);
const { store, leaveAfter, terminateAfter, deferred, ...options } = JSON.parse(wishes);
const say = (kind, more = {}) => process.stdout.write(`${JSON.stringify({ kind, ...more })}\n`);

// Through a pipe, or the client would look up the file's size, and promise more than there is.
const file = deferred ? createReadStream(path).pipe(new PassThrough()) : readFileSync(path);
const upload = new tus.Upload(file, {
  endpoint,
  retryDelays: [100, 200, 400, 800, 1600, 3200, 3200, 3200, 3200, 3200],
  ...(store ? { urlStorage: new tus.FileUrlStorage(store) } : {}),
  ...(deferred ? { uploadLengthDeferred: true } : {}),
  ...options,
  onUploadUrlAvailable: () => say("url", { url: upload.url }),
  onChunkComplete: async (_, accepted) => {
    say("accepted", { bytes: accepted });
    if (leaveAfter && accepted >= leaveAfter) process.exit(0);
    if (terminateAfter && accepted >= terminateAfter) {
      await upload.abort(true);
      say("terminated");
    }
  },
  onSuccess: () => say("success", { url: upload.url }),
  onError: (error) => say("error", { message: error.message }),
});

const [previous] = store ? await upload.findPreviousUploads() : [];
if (previous) upload.resumeFromPreviousUpload(previous);
upload.start();
