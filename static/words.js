/** What the page says: numbers and stages in words. Pure. */

/** @typedef {import("./roomcast.js").Message} Message */

const STAGES = {
  receiving: "Receiving",
  queued: "Waiting for a worker",
  fetching: "Fetching",
  probing: "Looking at the file",
  compressing: "Compressing",
  thumbnails: "Making the storyboard",
  storing: "Storing the result",
  cleaning: "Tidying up",
  done: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];
const KINDS = { video: "Video", audio: "Sound", image: "Picture", poster: "Poster", thumbnail: "Picture", file: "File" };
const FORMATS = new Map([["image/webp", "WebP"], ["video/webm", "WebM"], ["audio/mp4", "M4A"]]);

/** @param {import("./roomcast.js").Stage} stage */
export function stageWords(stage) {
  return STAGES[stage] ?? stage;
}

/** Decimal units with three digits, as file managers show them. @param {number} bytes */
export function bytesWords(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${bytes === 1 ? "byte" : UNITS[unit]}`;
}

/** @param {number} received @param {number | null} expected */
export function receivedWords(received, expected) {
  return expected ? `${bytesWords(Math.min(received, expected))} of ${bytesWords(expected)}` : bytesWords(received);
}

/** Rounded the more the further off it is, so that it does not flicker. @param {number} seconds */
export function etaWords(seconds) {
  if (seconds < 1.5) return "about a second left";
  if (seconds < 10) return `about ${Math.round(seconds)} s left`;
  if (seconds < 57.5) return `about ${Math.round(seconds / 5) * 5} s left`;
  if (seconds < 3570) return `about ${Math.round(seconds / 60)} min left`;
  const minutes = Math.round(seconds / 60);
  return `about ${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

/** @param {number} position 1 is next */
export function queueWords(position) {
  return position <= 1 ? "next in the queue" : `${ordinal(position)} in the queue`;
}

/** @param {number} seconds */
export function durationWords(seconds) {
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const padded = [minutes, whole % 60].map((part) => String(part).padStart(2, "0"));
  return hours ? `${hours}:${padded.join(":")}` : `${minutes}:${padded[1]}`;
}

/**
 * How fast it goes, and how long it may take; what is not known is left out.
 *
 * @param {Message} state @returns {string[]}
 */
export function paceWords({ stage, speed, fps, eta, forecast, queuePosition, bytesReceived, bytesExpected }) {
  const facts = [];
  if (stage === "receiving" && bytesReceived) facts.push(receivedWords(bytesReceived, bytesExpected));
  if (stage === "queued" && queuePosition) facts.push(queueWords(queuePosition));
  if (speed) facts.push(`${speed < 10 ? speed.toFixed(1) : Math.round(speed)}× speed`);
  if (fps) facts.push(`${Math.round(fps)} fps`);
  const timed = eta !== null && eta !== undefined;
  if (timed) facts.push(etaWords(eta));
  if (stage === "compressing" && forecast) facts.push(forecastWords(forecast, timed));
  return facts;
}

/** What it is expected to come to. @param {import("./roomcast.js").Forecast} forecast @param {boolean} timed */
function forecastWords({ bytes, seconds }, timed) {
  const size = `about ${roughBytesWords(bytes)}`;
  if (timed) return `${size} expected`;
  const time = seconds < 57.5 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
  return `${size} in ${time} expected`;
}

/** Two digits: an estimate has no more. @param {number} bytes */
function roughBytesWords(bytes) {
  return bytesWords(bytes > 0 ? Number(bytes.toPrecision(2)) : 0).replace(/\.0+(?= )|(\.\d*?)0+(?= )/, "$1");
}

/** Honest about a result that did not get smaller. @param {number} percent */
export function savedWords(percent) {
  const rounded = Math.round(percent);
  if (rounded >= 1) return `${rounded}% smaller`;
  return rounded <= -1 ? `${-rounded}% larger` : "About the same size";
}

/** What is missing of a file that was cut short. @param {import("./roomcast.js").Element} element */
export function partialWords({ partial }) {
  if (!partial) return "";
  const { seconds, declaredSeconds } = partial;
  return `The file was cut short: ${lengthWords(seconds)} of ${lengthWords(declaredSeconds)} could be read.`;
}

/** What else is to be said of a result. @param {import("./roomcast.js").Element} element */
export function resultWords({ copied, quality }) {
  if (copied) return "It was small already: kept as it was.";
  if (!quality) return "";
  return `${quality.metric.toUpperCase()} ${quality.score}, by samples`;
}

/** @param {number} seconds */
function lengthWords(seconds) {
  return seconds < 60 ? `${Number(seconds.toFixed(1))} s` : durationWords(seconds);
}

/** What an output is. @param {import("./roomcast.js").Output} output */
export function outputTitle(output) {
  return `${KINDS[/** @type {keyof typeof KINDS} */ (output.kind)] ?? output.name}, ${formatWords(output)}`;
}

/** @param {import("./roomcast.js").Output} output */
export function formatWords({ mime }) {
  return FORMATS.get(mime) ?? mime.split("/").pop()?.toUpperCase() ?? mime;
}

/** How large it is, in every sense. @param {import("./roomcast.js").Output} output */
export function outputFacts({ width, height, duration, size }) {
  const sides = width && height ? `${width} × ${height}` : null;
  return [sides, duration ? durationWords(duration) : null, bytesWords(size)].filter(Boolean).join(" · ");
}

/** @param {number} number */
function ordinal(number) {
  const suffixes = { one: "st", two: "nd", few: "rd", other: "th" };
  const rule = new Intl.PluralRules("en", { type: "ordinal" }).select(number);
  return `${number}${suffixes[/** @type {keyof typeof suffixes} */ (rule)]}`;
}
