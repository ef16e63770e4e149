/** Parses a WebVTT thumbnail track, which maps times of a video to tiles of a sprite. Pure. */

/**
 * @typedef {object} Tile
 * @property {number} start    In seconds.
 * @property {number} end
 * @property {number} x        In pixels of the sprite.
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

const CUE = /^(\S+) --> (\S+)[^\n]*\n[^\n]*#xywh=(\d+),(\d+),(\d+),(\d+)/gm;

/** Return the tiles in order, without invalid ones. @param {string} track @returns {Tile[]} */
export function parseStoryboard(track) {
  return [...track.replaceAll("\r\n", "\n").matchAll(CUE)]
    .map(([, start, end, ...numbers]) => {
      const [x, y, width, height] = numbers.map(Number);
      return { start: parseTimestamp(start), end: parseTimestamp(end), x, y, width, height };
    })
    .filter(({ start, end, width, height }) => start < end && width > 0 && height > 0);
}

/** Return the tile at a time, or the nearest. @param {Tile[]} tiles @param {number} seconds */
export function tileAt(tiles, seconds) {
  return tiles.find(({ end }) => seconds < end) ?? tiles[tiles.length - 1];
}

/** Return the seconds of `[hours:]minutes:seconds.thousandths`. @param {string} timestamp */
function parseTimestamp(timestamp) {
  return timestamp.split(":").reduce((sum, digits) => 60 * sum + Number(digits), 0);
}
