/** Formats the texts of the admin page: ages, durations, counts and error codes. Pure. */

const UNITS = /** @type {const} */ ([["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]]);

/** Return an age in its largest unit, rounded down, such as `4 min`. @param {number} seconds */
export function formatAge(seconds) {
  const total = Math.max(0, Math.round(seconds));
  const [unit, size] = UNITS.find(([, size]) => total >= size) ?? ["s", 1];
  return `${Math.floor(total / size)}\u00a0${unit}`;
}

/** Return how long something lasted, with the digits that matter: `40 ms`, `2.4 s`, `3 min 20 s`. @param {number} seconds */
export function formatElapsed(seconds) {
  if (seconds < 0.9995) return `${Math.round(Math.max(0, seconds) * 1000)}\u00a0ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00a0s`;
  const total = Math.round(seconds);
  const index = Math.max(0, UNITS.findIndex(([, size]) => total >= size));
  const [unit, size] = UNITS[index];
  const next = UNITS[index + 1];
  const rest = next ? Math.floor((total % size) / next[1]) : 0;
  const first = `${Math.floor(total / size)}\u00a0${unit}`;
  return next && rest ? `${first} ${rest}\u00a0${next[0]}` : first;
}

/** Return a number with its noun. @param {number} count @param {string} singular @param {string} [plural] */
export function formatCount(count, singular, plural = `${singular}s`) {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** Return an error code such as `TRANSCODE_ERROR` as a heading. @param {string} code */
export function formatCode(code) {
  return capitalized(code.toLowerCase().replaceAll("_", " "));
}

/** Return a text with its first letter in upper case. @param {string} text */
export function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
