// npm's EventSource, heard over stdout, one JSON value a line, until it is closed for good.
//   node listen.mjs URL EVENT [TOKEN]
// out: {"kind": "open" | "event" | "error" | "closed", ...}
import { createRequire } from "node:module";

const require = createRequire(new URL("../../static/package.json", import.meta.url));
const { EventSource } = require("eventsource");

const [url, name, token] = process.argv.slice(2);
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
});
const say = (kind, more = {}) => process.stdout.write(`${JSON.stringify({ kind, ...more })}\n`);

source.onopen = () => say("open");
source.addEventListener(name, (event) => say("event", { id: event.lastEventId, data: JSON.parse(event.data) }));
source.onerror = (event) => {
  const closed = source.readyState === EventSource.CLOSED;
  say(closed ? "closed" : "error", { code: event.code ?? null });
};
