// The official Socket.IO client, as a program of host.mjs.
// arguments: URL '{"auth": {"token": "…"}, "transports": ["polling"]}'
// in:  {"call": 1, "name": "join-upload", "args": [...]}
// out: {"kind": "connect" | "upgrade" | "disconnect" | "connect_error" | "event" | "ack", ...}
import { createRequire } from "node:module";

const require = createRequire(new URL("../../static/package.json", import.meta.url));
const { io } = require("socket.io-client");

export async function run([url, options], lines, print) {
  const own = { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 300 };
  const socket = io(url, { ...own, ...JSON.parse(options) });
  const say = (kind, more = {}) => print({ kind, ...more });

  socket.io.on("open", () => socket.io.engine.once("upgrade", () => say("upgrade")));
  socket.on("connect", () => say("connect"));
  socket.on("disconnect", (reason) => say("disconnect", { reason }));
  socket.on("connect_error", (error) => say("connect_error", { message: error.message, data: error.data ?? null }));
  socket.onAny((name, ...args) => say("event", { name, args }));

  for await (const line of lines) {
    const { call, name, args } = JSON.parse(line);
    socket.emit(name, ...args, (reply) => say("ack", { call, reply }));
  }
  socket.disconnect();
}
