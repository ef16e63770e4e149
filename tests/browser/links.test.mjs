import assert from "node:assert/strict";
import { test } from "node:test";

import { Http } from "../../static/http.js";
import { withAddresses } from "../../static/links.js";

const http = new Http(new URL("https://films.example/page"), undefined, () => {});
const resolve = (link) => http.link(link);

test("paths become addresses on the server, wherever they stand", () => {
  const message = {
    uploadId: "upload_1",
    poster: { key: "p", url: "/media/1.a/upload_1/poster.jpg" },
    element: {
      id: "upload_1",
      url: "/media/1.a/upload_1/video.mp4",
      outputs: [{ key: "v", url: "/media/1.a/upload_1/video.mp4" }, { key: "p", url: "/media/1.a/upload_1/poster.jpg" }],
    },
  };
  const before = structuredClone(message);
  const { poster, element } = withAddresses(message, resolve);
  assert.equal(poster.url, "https://films.example/media/1.a/upload_1/poster.jpg");
  assert.equal(element.url, "https://films.example/media/1.a/upload_1/video.mp4");
  assert.deepEqual(element.outputs.map(({ url }) => url), [element.url, poster.url]);
  assert.deepEqual(message, before);
});

test("whole addresses, and a result that is not there yet, stay as they are", () => {
  const url = "https://bucket.example/media/video.mp4?X-Amz-Signature=a%2Fb";
  const message = { element: { url: null, outputs: [{ url }] } };
  assert.deepEqual(withAddresses(message, resolve), message);
});

test("a message without links is not touched", () => {
  const message = { uploadId: "upload_1", progress: 3 };
  assert.equal(withAddresses(message, resolve), message);
});

test("what is no address stays what it is", () => {
  assert.equal(http.link("https://["), "https://[");
});
