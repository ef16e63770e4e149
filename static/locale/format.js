/** Formats sizes, durations and counts in English. Pure. */

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** Return a size in decimal units with up to three digits, as file managers show it. @param {number} bytes */
export function formatBytes(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${bytes === 1 ? "byte" : UNITS[unit]}`;
}

/** Return an estimated size, with two digits. @param {number} bytes */
export function formatRoughBytes(bytes) {
  return formatBytes(bytes > 0 ? Number(bytes.toPrecision(2)) : 0).replace(/\.0+(?= )|(\.\d*?)0+(?= )/, "$1");
}

/** Return how much of a file has arrived. @param {number} received @param {number | null} expected */
export function formatReceived(received, expected) {
  return expected ? `${formatBytes(Math.min(received, expected))} of ${formatBytes(expected)}` : formatBytes(received);
}

/** Return the remaining time, in steps that grow with it, so that it does not flicker. @param {number} seconds */
export function formatEta(seconds) {
  if (seconds < 1.5) return "about a second left";
  if (seconds < 10) return `about ${Math.round(seconds)} s left`;
  if (seconds < 57.5) return `about ${Math.round(seconds / 5) * 5} s left`;
  if (seconds < 3570) return `about ${Math.round(seconds / 60)} min left`;
  const minutes = Math.round(seconds / 60);
  return `about ${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

/** Return a duration or a position in a video as `[hours:]minutes:seconds`. @param {number} seconds */
export function formatDuration(seconds) {
  const total = Math.round(seconds);
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const padded = [minutes, total % 60].map((number) => String(number).padStart(2, "0"));
  return hours ? `${hours}:${padded.join(":")}` : `${minutes}:${padded[1]}`;
}

/** Return a speed relative to real time. @param {number} speed */
export function formatSpeed(speed) {
  return `${speed < 10 ? speed.toFixed(1) : Math.round(speed)}×`;
}

/** Return a number as 1st, 2nd, 3rd, 4th. @param {number} number */
export function formatOrdinal(number) {
  const suffixes = { one: "st", two: "nd", few: "rd", other: "th" };
  const rule = new Intl.PluralRules("en", { type: "ordinal" }).select(number);
  return `${number}${suffixes[/** @type {keyof typeof suffixes} */ (rule)]}`;
}
