/** Plays a growing HLS stream in a `<video>`: with hls.js, else natively. */

import { loadHls } from "../shared/lazy-import.js";
import { skipGaps } from "./gaps.js";
import { folderOf, isNetworkFailure, qualityOf, rebased } from "./qualities.js";

/**
 * @typedef {object} FilmStream
 * @property {string[]} qualities        The names of the qualities that can be chosen; empty if the browser chooses.
 * @property {string | null} playing     The name of the quality that is played.
 * @property {(name: string | null) => void} choose   Null lets the player choose.
 * @property {() => void} update         Read the master playlist again, because there are further qualities.
 * @property {() => void} hurry          Look for further segments now.
 * @property {() => void} stop
 *
 * @typedef {{fatal: boolean, type: string, details: string, response?: {code: number}}} HlsError
 *
 * @typedef {object} StreamOptions
 * @property {() => string} url               Returns the current URL of the master playlist; a signed URL changes.
 * @property {() => Promise<unknown>} renew   Renews the URL, once it has expired.
 * @property {() => void} onQualities         Called when `qualities` or `playing` has changed.
 * @property {() => void} onFailure           Called when the stream cannot be played any further.
 */

const RETRIES = 12; // with the delays below, for more than a minute
const RETRY = { maxNumRetry: RETRIES, retryDelayMs: 500, maxRetryDelayMs: 8_000, backoff: "exponential" };
const PLAYLIST_ERRORS = new Set(["manifestLoadError", "levelLoadError", "audioTrackLoadError"]);
const NATIVE_TYPE = "application/vnd.apple.mpegurl";

/**
 * Play a stream from its beginning. hls.js comes first, because a browser that plays HLS itself offers no qualities.
 *
 * @param {HTMLVideoElement} video @param {StreamOptions} options
 * @returns {Promise<FilmStream | null>} null where the browser cannot play HLS
 */
export async function openFilmStream(video, options) {
  const Hls = await loadHls();
  if (Hls?.isSupported()) return new HlsStream(Hls, video, options);
  return video.canPlayType(NATIVE_TYPE) ? new NativeStream(video, options) : null;
}

/** @implements {FilmStream} */
class HlsStream {
  #Hls;
  #hls;
  #options;
  /** The folders of all URLs so far: hls.js goes on with those of the playlists that it has. @type {Set<string>} */ #folders;
  /** @type {Promise<unknown> | null} */ #renewal = null;
  /** Reads the master playlist again. @type {any} */ #reader = null;
  #recovered = false;
  #stopSkipping;

  /** @param {any} Hls @param {HTMLVideoElement} video @param {StreamOptions} options */
  constructor(Hls, video, options) {
    this.#Hls = Hls;
    this.#options = options;
    this.#folders = new Set([folderOf(options.url())]);
    this.#hls = new Hls({ ...this.#settings(), capLevelToPlayerSize: true });
    // A viewer who has reached the end of what is there would be taken back, as if it were the edge of a live broadcast.
    Object.defineProperty(this.#hls, "liveSyncPosition", { value: null });
    const { ERROR, LEVEL_SWITCHED, MANIFEST_PARSED, LEVELS_UPDATED } = Hls.Events;
    this.#hls.on(ERROR, (/** @type {string} */ _, /** @type {HlsError} */ error) => this.#onError(error));
    for (const event of [LEVEL_SWITCHED, MANIFEST_PARSED, LEVELS_UPDATED]) this.#hls.on(event, () => options.onQualities());
    this.#stopSkipping = skipGaps(Hls, this.#hls, video);
    this.#hls.loadSource(options.url());
    this.#hls.attachMedia(video);
  }

  get qualities() {
    return this.#hls.levels.map(qualityOf);
  }

  get playing() {
    const level = this.#hls.levels[this.#hls.currentLevel];
    return level ? qualityOf(level) : null;
  }

  /** @param {string | null} name */
  choose(name) {
    this.#hls.nextLevel = name === null ? -1 : this.qualities.indexOf(name);
  }

  /** hls.js reads a master playlist once. A second instance reads it again, whose new levels are added to the first. */
  update() {
    this.#folders.add(folderOf(this.#options.url()));
    this.#reader?.destroy();
    const reader = new this.#Hls({ ...this.#settings(), autoStartLoad: false });
    this.#reader = reader;
    reader.once(this.#Hls.Events.MANIFEST_PARSED, () => {
      const known = new Set(this.qualities);
      const added = reader.levels.filter((/** @type {any} */ level) => !known.has(qualityOf(level)));
      // At the end, because fragments refer to their levels by number. What is added is larger: the smallest comes first.
      if (added.length) this.#hls.trigger(this.#Hls.Events.LEVELS_UPDATED, { levels: [...this.#hls.levels, ...added] });
      reader.destroy();
    });
    reader.loadSource(this.#options.url());
  }

  /** hls.js asks for a playlist again after the length of a segment. */
  hurry() {
    const { LEVEL_LOADING, AUDIO_TRACK_LOADING } = this.#Hls.Events;
    const { loadLevel: level, audioTrack, audioTracks, levels } = this.#hls;
    const levelInfo = levels[level];
    const track = audioTracks[audioTrack];
    if (levelInfo?.details?.live) {
      this.#hls.trigger(LEVEL_LOADING, { url: levelInfo.uri, level, levelInfo, id: 0, deliveryDirectives: null });
    }
    if (track?.details?.live) {
      const { url, id, groupId } = track;
      this.#hls.trigger(AUDIO_TRACK_LOADING, { url, id, groupId, track, deliveryDirectives: null });
    }
  }

  stop() {
    this.#stopSkipping();
    this.#reader?.destroy();
    this.#hls.destroy();
  }

  #settings() {
    const policy = (/** @type {{default: object}} */ { default: timing }) => ({
      default: { ...timing, timeoutRetry: RETRY, errorRetry: { ...RETRY, shouldRetry: this.#shouldRetry } },
    });
    const { manifestLoadPolicy, playlistLoadPolicy, fragLoadPolicy } = this.#Hls.DefaultConfig;
    return {
      // hls.js would start its worker from a blob URL, which the page's Content-Security-Policy forbids.
      enableWorker: false,
      // The list of qualities is read once, when only their first segments, such as a dark title, had been measured.
      abrMaxWithRealBitrate: true,
      liveMaxUnchangedPlaylistRefresh: Infinity, // the next segment may wait for a worker
      manifestLoadPolicy: policy(manifestLoadPolicy),
      playlistLoadPolicy: policy(playlistLoadPolicy),
      fragLoadPolicy: policy(fragLoadPolicy),
      xhrSetup: this.#prepare,
    };
  }

  /** @param {object} _ @param {number} count @param {boolean} isTimeout @param {{code: number} | undefined} response */
  #shouldRetry = (_, count, isTimeout, response) => {
    if (count >= RETRIES) return false;
    if (response?.code === 403) this.#renewal ??= this.#options.renew();
    return isTimeout || (response !== undefined && isNetworkFailure(response.code));
  };

  /** Ask for the file with the current URL, after its renewal. @param {XMLHttpRequest} request @param {string} url */
  #prepare = async (request, url) => {
    if (this.#renewal) {
      await this.#renewal;
      this.#renewal = null;
    }
    const current = folderOf(this.#options.url());
    this.#folders.add(current);
    const address = rebased(url, this.#folders, current);
    if (address !== url) request.open("GET", address, true);
  };

  /** @param {HlsError} error */
  #onError({ fatal, type, details, response }) {
    // hls.js asks for a playlist that is gone again and again while a segment is left in its buffer.
    if (PLAYLIST_ERRORS.has(details) && response?.code === 404) return this.#options.onFailure();
    if (!fatal) return;
    if (type === this.#Hls.ErrorTypes.MEDIA_ERROR && !this.#recovered) {
      this.#recovered = true;
      this.#hls.recoverMediaError();
    } else {
      this.#options.onFailure();
    }
  }
}

/** @implements {FilmStream} */
class NativeStream {
  qualities = /** @type {string[]} */ ([]);
  playing = null;
  #video;
  #options;
  #renewed = false;

  /** @param {HTMLVideoElement} video @param {StreamOptions} options */
  constructor(video, options) {
    this.#video = video;
    this.#options = options;
    video.addEventListener("error", this.#onError);
    video.addEventListener("timeupdate", this.#onProgress);
    video.src = options.url();
  }

  choose() {}

  update() {}

  hurry() {}

  stop() {
    this.#video.removeEventListener("error", this.#onError);
    this.#video.removeEventListener("timeupdate", this.#onProgress);
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #onProgress = () => (this.#renewed = false);

  /** Load the stream again where it was, with a renewed URL. */
  #onError = async () => {
    if (this.#renewed) return this.#options.onFailure();
    this.#renewed = true;
    const { currentTime } = this.#video;
    await this.#options.renew();
    this.#video.src = this.#options.url();
    this.#video.currentTime = currentTime;
    void this.#video.play().catch(() => {});
  };
}
