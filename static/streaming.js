/** Plays an HLS ladder in a `<video>`: natively where the browser can, else with hls.js. */

import { load } from "./library.js";

const MIME = "application/vnd.apple.mpegurl";

/**
 * hls.js loads no segment before somebody wants to see it: an event `play` or `wanted`. Resolves with what ends it, or
 * with null where the browser cannot play it at all.
 *
 * @param {HTMLVideoElement} video
 * @param {string} url               Of the master playlist.
 * @param {() => void} onFailure     It cannot go on.
 * @returns {Promise<(() => void) | null>}
 */
export async function stream(video, url, onFailure) {
  if (video.canPlayType(MIME)) {
    video.addEventListener("error", onFailure, { once: true });
    video.src = url;
    return () => video.removeEventListener("error", onFailure);
  }
  const Hls = await loadHls();
  if (!Hls?.isSupported()) return null;
  // Its worker would come out of a blob, which the page's policy forbids; segments like ours need none.
  const player = new Hls({ autoStartLoad: false, enableWorker: false });
  player.on(Hls.Events.ERROR, (/** @type {string} */ _, /** @type {{fatal: boolean}} */ { fatal }) => {
    if (fatal) onFailure();
  });
  player.loadSource(url);
  player.attachMedia(video);
  for (const wish of ["play", "wanted"]) video.addEventListener(wish, () => player.startLoad(-1), { once: true });
  return () => player.destroy();
}

function loadHls() {
  return load({
    module: "hls.js/dist/hls.min.mjs",
    exported: "default",
    script: "https://cdn.jsdelivr.net/npm/hls.js@1.7.4/dist/hls.min.js",
    integrity: "sha384-p9vgU/7IYJWd3I4STrtqxqR/2cAQlhIX7D/HrTnIMEjjcUox165b7se7sxmm3zDg",
    global: "Hls",
  });
}
