/** Plays HLS in a `<video>`: natively if the browser can, else with hls.js. */

import { loadHls } from "../shared/lazy-import.js";
import { skipGaps } from "./gaps.js";

const MIME = "application/vnd.apple.mpegurl";

/**
 * Attach an HLS stream. hls.js loads no segment before a `play` event or a `seekrequest` event (see filmstrip.js).
 *
 * @param {HTMLVideoElement} video
 * @param {string} url             The URL of the master playlist.
 * @param {() => void} onFailure   Called when the stream cannot be played any further.
 * @returns {Promise<(() => void) | null>} a call that detaches the stream; null where the browser cannot play HLS
 */
export async function attachHls(video, url, onFailure) {
  if (video.canPlayType(MIME)) {
    video.addEventListener("error", onFailure, { once: true });
    video.src = url;
    return () => video.removeEventListener("error", onFailure);
  }
  const Hls = await loadHls();
  if (!Hls?.isSupported()) return null;
  // hls.js would start its worker from a blob URL, which the page's Content-Security-Policy forbids.
  const player = new Hls({ autoStartLoad: false, enableWorker: false });
  player.on(Hls.Events.ERROR, (/** @type {string} */ _, /** @type {{fatal: boolean}} */ { fatal }) => {
    if (fatal) onFailure();
  });
  const stopSkipping = skipGaps(Hls, player, video);
  player.loadSource(url);
  player.attachMedia(video);
  for (const event of ["play", "seekrequest"]) {
    video.addEventListener(event, () => player.startLoad(-1), { once: true });
  }
  if (!video.paused) player.startLoad(-1); // a viewer who has pressed the button while hls.js was loaded
  return () => {
    stopSkipping();
    player.destroy();
  };
}
