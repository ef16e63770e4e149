/** Takes viewers past what could not be decoded of a film, which is a gap in its HLS playlist. */

/** @typedef {{start: number, end: number, gap?: boolean}} Fragment   Of a playlist; times are in seconds. */

const FLUSH_SECONDS = 0.001;

/**
 * Return where a player that came from `before` to `now` has to go on because it has met a gap; null if it has not, or
 * if nothing is there after the gap. Pure.
 *
 * @param {Fragment[]} fragments   In order. @param {number} before @param {number} now
 */
export function timeAfterGap(fragments, before, now) {
  const entered = fragments.findIndex(({ gap, start, end }) => gap && start < now && Math.min(before, now) < end);
  if (entered < 0) return null;
  const next = fragments.slice(entered).find(({ gap }) => !gap);
  return next ? Math.max(next.start, now + FLUSH_SECONDS) : null;
}

/**
 * Skip the gaps in what hls.js plays. Chromium plays the sound over a gap for three seconds, and then waits for pictures,
 * even if it has come to some that are there: it goes on after a seek only. hls.js does that for gaps below a second.
 *
 * @param {any} Hls @param {any} hls @param {HTMLVideoElement} video
 * @returns {() => void} a call that ends it
 */
export function skipGaps(Hls, hls, video) {
  let before = video.currentTime;
  const check = () => {
    const now = video.currentTime;
    if (video.seeking) return;
    const fragments = (hls.levels[hls.currentLevel] ?? hls.levels[hls.loadLevel])?.details?.fragments ?? [];
    const time = timeAfterGap(fragments, before, now);
    before = time ?? now;
    if (time !== null) video.currentTime = time;
  };
  const seeked = () => {
    before = video.currentTime;
    check();
  };
  /** A player that has stopped within the last second does not end by itself. @param {string} _ @param {{stalled: boolean}} end */
  const finish = (_, { stalled }) => {
    if (stalled && Number.isFinite(video.duration)) video.currentTime = video.duration;
  };
  video.addEventListener("timeupdate", check);
  video.addEventListener("seeked", seeked);
  hls.on(Hls.Events.FRAG_BUFFERED, check);
  hls.on(Hls.Events.MEDIA_ENDED, finish);
  return () => {
    video.removeEventListener("timeupdate", check);
    video.removeEventListener("seeked", seeked);
  };
}
