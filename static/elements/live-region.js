/** Announces changes to screen readers through an ARIA live region. */

const DELAY_MS = 900;
const MAX_ANNOUNCEMENTS = 3;

/**
 * Return a function that queues an announcement. It replaces a queued one about the same object. After a delay all of
 * them are announced together, or a summary if there are too many.
 *
 * @param {HTMLElement} region
 * @param {() => string} summary
 * @returns {(about: object, text: string) => void}
 */
export function liveRegion(region, summary) {
  /** @type {Map<object, string>} */
  const queued = new Map();
  return (about, text) => {
    if (queued.size === 0) setTimeout(announce, DELAY_MS);
    queued.set(about, text);
  };

  function announce() {
    region.textContent = queued.size > MAX_ANNOUNCEMENTS ? summary() : [...queued.values()].join(" ");
    queued.clear();
  }
}
