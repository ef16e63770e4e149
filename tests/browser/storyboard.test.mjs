import assert from "node:assert/strict";
import { test } from "node:test";

import { parseStoryboard, tileAt } from "../../static/results/storyboard.js";

const TRACK = `WEBVTT

00:00:00.000 --> 00:00:01.500
sprite.jpg#xywh=0,0,192,108

00:00:01.500 --> 01:00:03.000
sprite.jpg#xywh=192,0,192,108
`;
const TILES = [
  { start: 0, end: 1.5, x: 0, y: 0, width: 192, height: 108 },
  { start: 1.5, end: 3603, x: 192, y: 0, width: 192, height: 108 },
];

test("parseStoryboard accepts LF and CRLF line ends", () => {
  assert.deepEqual(parseStoryboard(TRACK), TILES);
  assert.deepEqual(parseStoryboard(TRACK.replaceAll("\n", "\r\n")), TILES);
});

test("parseStoryboard omits invalid cues", () => {
  for (const track of ["", "WEBVTT", "<html>", TRACK.replaceAll("#xywh", "#t")]) assert.deepEqual(parseStoryboard(track), []);
  assert.deepEqual(parseStoryboard(TRACK.replace("00:00:01.500\n", "x\n")), [TILES[1]]);
});

test("tileAt returns the tile of a time, and the last tile beyond the end", () => {
  assert.deepEqual([0, 1.4, 1.5, 9999].map((seconds) => TILES.indexOf(tileAt(TILES, seconds))), [0, 0, 1, 1]);
});
