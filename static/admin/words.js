/** What the admin page says besides: ages and counts. Pure. */

/** How long ago, or for how long. @param {number} seconds */
export function ageWords(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return twoUnits(whole, 60, "min", 1, "s");
  if (whole < 86400) return twoUnits(whole, 3600, "h", 60, "min");
  return twoUnits(whole, 86400, "d", 3600, "h");
}

/** @param {number} count @param {string} one @param {string} [many] */
export function countWords(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** A code such as `TRANSCODE_ERROR`, to be read. @param {string} code */
export function codeWords(code) {
  const words = code.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * @param {number} seconds
 * @param {number} large @param {string} largeName
 * @param {number} small @param {string} smallName
 */
function twoUnits(seconds, large, largeName, small, smallName) {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}
