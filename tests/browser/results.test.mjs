import assert from "node:assert/strict";
import { test } from "node:test";

import { en } from "../../static/locale/en.js";
import { loadLocale } from "../../static/locale/languages.js";
import { embedCode } from "../../static/results/embed-code.js";
import { originalMeasures, outputMeasures } from "../../static/results/measures.js";

const LINK = "https://media.example/films/u/link_1";
const video = { kind: "video", key: "upload_1/video.mp4", mime: "video/mp4", width: 1920, height: 1080, codec: "h264" };
const poster = { kind: "poster", key: "upload_1/poster.jpg", mime: "image/jpeg" };

test("a video is described by its height, its frames per second and its codec", () => {
  const original = { width: 1920, height: 1080, duration: 8, codec: "hevc", fps: 29.97, audioCodec: "aac", mime: "video/mp4" };
  assert.deepEqual(originalMeasures(original, "video", en), ["1080p", "30 fps", "H.265"]);
  assert.deepEqual(originalMeasures({ ...original, width: 1080, height: 1920 }, "video", en)[0], "1080p");
  assert.deepEqual(originalMeasures({ ...original, width: 654, height: 344, fps: null }, "video", en), ["654 × 344", "H.265"]);
  assert.deepEqual(outputMeasures(video, en), ["1080p", "H.264"]);
});

test("sounds, pictures and files are described by what is known of them", () => {
  const sound = { duration: 63, audioCodec: "pcm_s16le", codec: null, mime: "audio/wav" };
  assert.deepEqual(originalMeasures(sound, "audio", en), ["1:03", "PCM"]);
  assert.deepEqual(outputMeasures({ kind: "audio", duration: 63, codec: "opus" }, en), ["1:03", "Opus"]);
  assert.deepEqual(originalMeasures({ width: 640, height: 480, mime: "image/png" }, "image", en), ["640 × 480", "PNG"]);
  assert.deepEqual(originalMeasures({ size: 9 }, "video", en), []);
  assert.deepEqual(outputMeasures({ kind: "video", codec: "weird" }, en), ["WEIRD"]);
});

test("measures are read from left to right in Arabic, too", async () => {
  const measures = outputMeasures(video, await loadLocale("ar"));
  assert.deepEqual(measures, ["\u20661080p\u2069", "\u2066H.264\u2069"]);
});

test("the embed code of each result refers to files below the lasting link", () => {
  const file = (name) => `${LINK}/${name}`;
  assert.equal(
    embedCode(LINK, [video, poster], "a.mp4"),
    `<video controls preload="none" width="1920" height="1080" src="${file("video.mp4")}" poster="${file("poster.jpg")}"></video>`,
  );
  assert.equal(embedCode(LINK, [{ kind: "audio", key: "u/audio.m4a" }], "a"), `<audio controls preload="none" src="${file("audio.m4a")}"></audio>`);
  assert.equal(embedCode(LINK, [{ kind: "file", key: "u/a.bin" }], "a.bin"), null);
  assert.equal(embedCode(LINK, [], "a"), null);
});

test("no name of a file can end the embed code", () => {
  const image = { kind: "image", key: 'u/a"b<&.webp', width: 4, height: 3 };
  const code = embedCode(LINK, [image], '"><script>&');
  assert.equal(code, `<img width="4" height="3" src="${LINK}/a%22b%3C%26.webp" alt="&quot;>&lt;script>&amp;">`);
});
