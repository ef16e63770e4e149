/** A WebVTT thumbnails track: which part of the sprite shows which stretch of the film. Pure. */

/**
 * @typedef {object} Tile
 * @property {number} start    seconds
 * @property {number} end
 * @property {number} x        pixels of the sprite
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

const CUE = /^(\S+) --> (\S+)[^\n]*\n[^\n]*#xywh=(\d+),(\d+),(\d+),(\d+)/gm;

/** The tiles in order; what cannot be read is left out. @param {string} track @returns {Tile[]} */
export function parseStoryboard(track) {
  return [...track.replaceAll("\r\n", "\n").matchAll(CUE)]
    .map(([, start, end, ...place]) => {
      const [x, y, width, height] = place.map(Number);
      return { start: seconds(start), end: seconds(end), x, y, width, height };
    })
    .filter(({ start, end, width, height }) => start < end && width > 0 && height > 0);
}

/** What shows a moment: its own tile, or the nearest. @param {Tile[]} tiles @param {number} moment seconds */
export function tileAt(tiles, moment) {
  return tiles.find(({ end }) => moment < end) ?? tiles[tiles.length - 1];
}

/** `[hours:]minutes:seconds.thousandths` @param {string} timestamp */
function seconds(timestamp) {
  return timestamp.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
}
