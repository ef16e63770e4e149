/** Describes a video, a picture or a sound by its measures: 1080p, 30 fps, H.264. Pure. */

/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("../protocol/messages.js").Original} Original */
/** @typedef {import("../protocol/messages.js").Output} Output */

/** The heights by which people name videos. */
const NAMED_HEIGHTS = new Set([144, 240, 360, 480, 540, 720, 1080, 1440, 2160, 4320]);

/** @type {Record<string, string>} */
const CODECS = {
  h264: "H.264",
  hevc: "H.265",
  av1: "AV1",
  vp8: "VP8",
  vp9: "VP9",
  mpeg2video: "MPEG-2",
  mpeg4: "MPEG-4",
  prores: "ProRes",
  mjpeg: "Motion JPEG",
  aac: "AAC",
  mp3: "MP3",
  opus: "Opus",
  vorbis: "Vorbis",
  flac: "FLAC",
  alac: "ALAC",
};

/**
 * Return the measures of the original, as far as they are known.
 *
 * @param {Original} original @param {Output["kind"]} kind   Of the result. @param {Locale} locale @returns {string[]}
 */
export function originalMeasures({ width, height, duration, codec, fps, audioCodec, mime }, kind, locale) {
  return measures({ width, height, duration, fps, mime, codec: kind === "audio" ? audioCodec : codec }, kind, locale);
}

/** Return the measures of a result. @param {Output} output @param {Locale} locale @returns {string[]} */
export function outputMeasures(output, locale) {
  return measures(output, output.kind, locale);
}

/**
 * @param {{width?: number | null, height?: number | null, duration?: number | null, fps?: number | null,
 *          codec?: string | null, mime?: string}} media
 * @param {string} kind @param {Locale} locale @returns {string[]}
 */
function measures({ width, height, duration, fps, codec, mime }, kind, { format, framesPerSecond, outputFormat }) {
  /** @type {string[]} */ const found = [];
  if (width && height) {
    const side = Math.min(width, height);
    found.push(kind === "video" && NAMED_HEIGHTS.has(side) ? `${side}p` : format.dimensions(width, height));
  }
  if (kind === "video" && fps) found.push(framesPerSecond(format.number(fps)));
  if (kind === "audio" && duration) found.push(format.clock(duration));
  if (codec) found.push(CODECS[codec] ?? (codec.startsWith("pcm_") ? "PCM" : codec.toUpperCase()));
  if (kind === "image" && mime) found.push(outputFormat({ mime }));
  return found.map(format.leftToRight);
}
