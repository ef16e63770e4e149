/* Node's own Socket.IO, and @tus/server under /files, serving as tests/bench/roomcast.py does: the same settings where
 * both have them, the same commands over a Unix socket, the same payloads.
 *
 * Environment: BENCH_COMMANDS (the Unix socket), BENCH_FILES (tus's directory), REDIS_URL (none: no adapter).
 */

import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { createInterface } from "node:readline";
import { FileStore } from "@tus/file-store";
import { Server as TusServer } from "@tus/server";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const TURN_MILLISECONDS = 5;
const { BENCH_COMMANDS, BENCH_FILES, REDIS_URL } = process.env;

const tus = new TusServer({ path: "/files", datastore: new FileStore({ directory: BENCH_FILES }) });
const http = createServer((request, response) => tus.handle(request, response));
const io = new Server(http, {
  pingInterval: 15_000,
  pingTimeout: 20_000,
  maxHttpBufferSize: 64 * 1024,
  serveClient: false,
});

if (REDIS_URL) {
  const publisher = createClient({ url: REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

io.on("connection", (socket) => {
  socket.on("join-upload", (id, acknowledge) => {
    socket.join(id);
    acknowledge({ ok: true, state: { uploadId: id }, events: [] });
  });
});

/* To the rooms in turn, `per_second` emissions in all, each payload with the time of its emission. */
function emit({ ids, payload, per_second, seconds }) {
  const began = performance.now();
  const count = Math.round(per_second * seconds);
  let emitted = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(count, Math.ceil(((performance.now() - began) / 1000) * per_second));
      for (; emitted < due; emitted++) {
        const uploadId = ids[emitted % ids.length];
        const eta = Number(process.hrtime.bigint()) / 1e9;
        io.to(uploadId).emit("upload-progress", { uploadId, eta, ...payload });
      }
      if (emitted === count) {
        clearInterval(timer);
        resolve({ emitted });
      }
    }, TURN_MILLISECONDS);
  });
}

const commands = {
  open: ({ rooms }) => ({ ids: Array.from({ length: rooms }, () => `upload_${randomBytes(16).toString("hex")}`) }),
  emit,
};

createSocketServer((connection) => {
  createInterface({ input: connection }).on("line", async (line) => {
    const command = JSON.parse(line);
    connection.write(`${JSON.stringify(await commands[command.do](command))}\n`);
  });
}).listen(BENCH_COMMANDS, () => {
  http.listen(0, "127.0.0.1", () => console.log(`Node is ready: http://127.0.0.1:${http.address().port}`));
});

process.on("SIGTERM", () => process.exit(0));
