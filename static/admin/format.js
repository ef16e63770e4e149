/** Formats the texts of the admin page: ages, counts and error codes. Pure. */

/** Return an age or a duration with up to two units. @param {number} seconds */
export function formatAge(seconds) {
  const total = Math.max(0, Math.round(seconds));
  if (total < 60) return `${total} s`;
  if (total < 3600) return twoUnits(total, 60, "min", 1, "s");
  if (total < 86400) return twoUnits(total, 3600, "h", 60, "min");
  return twoUnits(total, 86400, "d", 3600, "h");
}

/** Return a number with its noun. @param {number} count @param {string} singular @param {string} [plural] */
export function formatCount(count, singular, plural = `${singular}s`) {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** Return an error code such as `TRANSCODE_ERROR` as a heading. @param {string} code */
export function formatCode(code) {
  const text = code.toLowerCase().replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
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
