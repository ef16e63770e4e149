import assert from "node:assert/strict";
import { test } from "node:test";

import { folderOf, isAtEdge, isNetworkFailure, largestFirst, qualityOf, rebased } from "../../static/results/qualities.js";

const ranges = (...ends) => ({ length: ends.length, end: (index) => ends[index] });

test("a quality is named by the short side of its pictures", () => {
  assert.equal(qualityOf({ width: 1280, height: 720 }), "720");
  assert.equal(qualityOf({ width: 720, height: 1280 }), "720");
  assert.deepEqual(largestFirst(["480", "1080", "480", "720"]), ["1080", "720", "480"]);
});

test("files are loaded with the signature that their playlist has now", () => {
  const first = folderOf("https://media.example/media/1.aa/film/segments/hls.m3u8?x=1");
  const second = folderOf("https://media.example/media/2.bb/film/segments/hls.m3u8");
  assert.equal(first, "https://media.example/media/1.aa/film/segments/");
  assert.equal(rebased(`${first}hls-720-00001.m4s`, [first], second), `${second}hls-720-00001.m4s`);
  assert.equal(rebased(`${second}hls-720.m3u8`, [first, second], second), `${second}hls-720.m3u8`);
  const elsewhere = "https://bucket.example/hls-720-00001.m4s";
  assert.equal(rebased(elsewhere, [first], second), elsewhere);
});

test("what may pass is tried again, and nothing else", () => {
  for (const status of [0, 403, 429, 500, 502, 503]) assert.ok(isNetworkFailure(status), String(status));
  for (const status of [200, 400, 404, 410]) assert.ok(!isNetworkFailure(status), String(status));
});

test("a player waits at the edge only after the last second that is there", () => {
  assert.ok(isAtEdge({ currentTime: 7.9, duration: 8, seekable: ranges(8) }));
  assert.ok(!isAtEdge({ currentTime: 3, duration: 8, seekable: ranges(8) }));
  assert.ok(isAtEdge({ currentTime: 7.9, duration: Infinity, seekable: ranges(2, 8) }));
  assert.ok(!isAtEdge({ currentTime: 0, duration: NaN, seekable: ranges() }), "nothing is loaded yet");
});
