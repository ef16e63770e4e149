// The official Socket.IO client, driven over stdin and heard over stdout, one JSON value a line.
//   node watch.mjs URL '{"auth": {"token": "…"}, "transports": ["polling"]}'
// in:  {"call": 1, "name": "join-upload", "args": [...]}
// out: {"kind": "connect" | "upgrade" | "disconnect" | "connect_error" | "event" | "ack", ...}
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../static/package.json", import.meta.url));
const { io } = require("socket.io-client");

const [url, options] = process.argv.slice(2);
const socket = io(url, { reconnectionDelay: 100, reconnectionDelayMax: 300, ...JSON.parse(options) });
const say = (kind, more = {}) => process.stdout.write(`${JSON.stringify({ kind, ...more })}\n`);

socket.io.on("open", () => socket.io.engine.once("upgrade", () => say("upgrade")));
socket.on("connect", () => say("connect"));
socket.on("disconnect", (reason) => say("disconnect", { reason }));
socket.on("connect_error", (error) => say("connect_error", { message: error.message, data: error.data ?? null }));
socket.onAny((name, ...args) => say("event", { name, args }));

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { call, name, args } = JSON.parse(line);
  socket.emit(name, ...args, (reply) => say("ack", { call, reply }));
});
lines.on("close", () => {
  socket.disconnect();
});
