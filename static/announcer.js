/** Tells a screen reader what changed, politely: the latest word on each upload, gathered while others come in. */

const GATHER_MS = 900;
const AT_ONCE = 3; // of more than these, the sum says it better

/**
 * @param {HTMLElement} region a live region
 * @param {() => string} summary   What stands for many at once.
 * @returns {(about: object, words: string) => void}
 */
export function announcer(region, summary) {
  /** @type {Map<object, string>} */
  const pending = new Map();
  return (about, words) => {
    if (pending.size === 0) setTimeout(speak, GATHER_MS);
    pending.set(about, words);
  };

  function speak() {
    region.textContent = pending.size > AT_ONCE ? summary() : [...pending.values()].join(" ");
    pending.clear();
  }
}
