/** The qualities of a film, and the URLs of their files. Pure. */

/**
 * Return the name of a quality: the short side of its pictures, such as `720`.
 *
 * @param {{width: number, height: number}} size
 */
export function qualityOf({ width, height }) {
  return String(Math.min(width, height));
}

/** Return the names of qualities without duplicates, the largest first. @param {Iterable<string>} names */
export function largestFirst(names) {
  return [...new Set(names)].sort((one, other) => Number(other) - Number(one));
}

/** Return the URL of the folder of a file, with the slash at its end. @param {string} url   Absolute. */
export function folderOf(url) {
  return new URL(".", url).href;
}

/**
 * Return the URL of a file whose folder has another URL now, because a signature in it was renewed.
 *
 * @param {string} url @param {Iterable<string>} folders   All URLs of the folder so far. @param {string} current   Of the folder.
 */
export function rebased(url, folders, current) {
  for (const folder of folders) {
    if (url.startsWith(folder)) return current + url.slice(folder.length);
  }
  return url;
}

/**
 * Return whether a request that failed may succeed later. Without a connection there is no status.
 *
 * @param {number} status   403 is a URL that has expired; 404 a file that is about to be deleted.
 */
export function isNetworkFailure(status) {
  return status === 0 || status === 403 || status === 408 || status === 429 || status >= 500;
}

/** How many seconds before the end of what is there a player waits: less than a frame is left of it. */
const EDGE_SECONDS = 0.5;

/**
 * Return whether a player is at the end of what there is of a stream.
 *
 * @param {{currentTime: number, duration: number, seekable: TimeRanges}} media
 */
export function isAtEdge({ currentTime, duration, seekable }) {
  const end = Number.isFinite(duration) ? duration : seekable.length ? seekable.end(seekable.length - 1) : 0;
  return end > 0 && end - currentTime < EDGE_SECONDS;
}
