import assert from "node:assert/strict";
import { test } from "node:test";

import { parseStoryboard, tileAt } from "../../static/storyboard.js";

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

test("a track is read, whatever its line ends", () => {
  assert.deepEqual(parseStoryboard(TRACK), TILES);
  assert.deepEqual(parseStoryboard(TRACK.replaceAll("\n", "\r\n")), TILES);
});

test("what cannot be read is left out", () => {
  for (const track of ["", "WEBVTT", "<html>", TRACK.replaceAll("#xywh", "#t")]) assert.deepEqual(parseStoryboard(track), []);
  assert.deepEqual(parseStoryboard(TRACK.replace("00:00:01.500\n", "x\n")), [TILES[1]]);
});

test("each moment has its tile, and those beyond the film the last", () => {
  assert.deepEqual([0, 1.4, 1.5, 9999].map((moment) => TILES.indexOf(tileAt(TILES, moment))), [0, 0, 1, 1]);
});
