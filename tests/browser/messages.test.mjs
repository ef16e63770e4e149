import assert from "node:assert/strict";
import { test } from "node:test";

import { Http } from "../../static/protocol/http.js";
import { isTerminal, withAbsoluteUrls } from "../../static/protocol/messages.js";

const http = new Http(new URL("https://films.example/page"), undefined, () => {});
const resolve = (url) => http.absoluteUrl(url);

test("withAbsoluteUrls resolves paths against the server, in the poster, the playlist, the element and the outputs", () => {
  const message = {
    uploadId: "upload_1",
    poster: { key: "p", url: "/media/1.a/upload_1/poster.jpg" },
    playable: { key: "h", url: "/media/1.b/upload_1/segments/hls.m3u8", qualities: [{ name: "480" }] },
    element: {
      id: "upload_1",
      url: "/media/1.a/upload_1/video.mp4",
      outputs: [{ key: "v", url: "/media/1.a/upload_1/video.mp4" }, { key: "p", url: "/media/1.a/upload_1/poster.jpg" }],
    },
  };
  const before = structuredClone(message);
  const { poster, playable, element } = withAbsoluteUrls(message, resolve);
  assert.equal(playable.url, "https://films.example/media/1.b/upload_1/segments/hls.m3u8");
  assert.deepEqual(playable.qualities, message.playable.qualities);
  assert.equal(poster.url, "https://films.example/media/1.a/upload_1/poster.jpg");
  assert.equal(element.url, "https://films.example/media/1.a/upload_1/video.mp4");
  assert.deepEqual(element.outputs.map(({ url }) => url), [element.url, poster.url]);
  assert.deepEqual(message, before);
});

test("withAbsoluteUrls does not change absolute URLs and missing URLs", () => {
  const url = "https://bucket.example/media/video.mp4?X-Amz-Signature=a%2Fb";
  const message = { element: { url: null, outputs: [{ url }] } };
  assert.deepEqual(withAbsoluteUrls(message, resolve), message);
});

test("withAbsoluteUrls returns a message without URLs itself", () => {
  const message = { uploadId: "upload_1", progress: 3 };
  assert.equal(withAbsoluteUrls(message, resolve), message);
});

test("absoluteUrl returns an invalid URL unchanged", () => {
  assert.equal(http.absoluteUrl("https://["), "https://[");
});

test("paths are below the prefix of the server, and URLs that it sends are on its origin", () => {
  for (const url of ["https://shop.example/uploads", "https://shop.example/uploads/?a=1#b"]) {
    const mounted = new Http(new URL(url), undefined, () => {});
    assert.equal(mounted.serverUrl.href, "https://shop.example/uploads/");
    assert.equal(mounted.url("api/uploads").href, "https://shop.example/uploads/api/uploads");
    assert.equal(mounted.absoluteUrl("/uploads/media/a"), "https://shop.example/uploads/media/a");
  }
});

test("isTerminal is true for completed and failed messages only", () => {
  assert.equal(isTerminal(null), false);
  assert.equal(isTerminal({ status: "compressing" }), false);
  assert.equal(isTerminal({ status: "completed" }), true);
  assert.equal(isTerminal({ status: "error" }), true);
});
