// npm's EventSource, as a program of host.mjs.
// arguments: URL EVENT TOKEN      ("" for no token)
// out: {"kind": "open" | "event" | "error" | "closed", ...}
import { createRequire } from "node:module";

const require = createRequire(new URL("../../static/package.json", import.meta.url));
const { EventSource } = require("eventsource");

export async function run([url, name, token], lines, print) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
  });
  const say = (kind, more = {}) => print({ kind, ...more });

  source.onopen = () => say("open");
  source.addEventListener(name, (event) => say("event", { id: event.lastEventId, data: JSON.parse(event.data) }));
  source.onerror = (event) => {
    const closed = source.readyState === EventSource.CLOSED;
    say(closed ? "closed" : "error", { code: event.code ?? null });
  };
  await lines.next(); // the end of the input
  source.close();
}
