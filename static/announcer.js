/** Tells a screen reader what changed, politely: the latest word on each upload, gathered while others come in. */

const GATHER_MS = 900;

/** @param {HTMLElement} region a live region @returns {(about: object, words: string) => void} */
export function announcer(region) {
  /** @type {Map<object, string>} */
  const pending = new Map();
  return (about, words) => {
    if (pending.size === 0) setTimeout(speak, GATHER_MS);
    pending.set(about, words);
  };

  function speak() {
    region.textContent = [...pending.values()].join(" ");
    pending.clear();
  }
}
