import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../static/roomcast.js";

/** A socket that is connected, acknowledges everything, and records what was emitted. */
function connectedSocket(emitted) {
  const listeners = {};
  const emitWithAck = async (event) => (emitted.push(event), { ok: true, state: { seq: 1 }, events: [] });
  const socket = { connected: true, on: (event, listener) => (listeners[event] = listener), timeout: () => ({ emitWithAck }) };
  return { socket: { ...socket, disconnect: () => {} }, listeners };
}

test("while the page is left, calls are requests that outlive it", async (context) => {
  const page = new EventTarget();
  const before = { fetch: globalThis.fetch };
  for (const name of ["addEventListener", "removeEventListener"]) globalThis[name] = page[name].bind(page);
  context.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
    Object.assign(globalThis, before);
  });
  const requests = [];
  globalThis.fetch = async (url, { method, keepalive }) => {
    requests.push(`${method} ${new URL(url).pathname} ${keepalive}`);
    return Response.json({ state: null });
  };
  const emitted = [];
  const { socket, listeners } = connectedSocket(emitted);
  const roomcast = connect({ url: "https://films.example", io: () => socket });
  context.after(() => roomcast.close());
  await Promise.resolve();
  listeners.connect();
  roomcast.watch("one");
  page.addEventListener("pagehide", () => void roomcast.cancel("one"));
  page.dispatchEvent(new Event("pagehide"));
  assert.deepEqual(requests, ["POST /api/uploads/one/cancel true"]);
  page.dispatchEvent(new Event("pageshow"));
  void roomcast.cancel("one");
  assert.equal(emitted.at(-1), "cancel-upload", "the page is back from the browser's cache");
});
