/** Completes the texts of a language by those that are composed of others. Pure. */

/** @typedef {import("../client/aggregate.js").Aggregate} Aggregate */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../sending/transfer-meter.js").Transfer} Transfer */
/** @typedef {import("../client/summary.js").Summary} Summary */
/** @typedef {import("../protocol/messages.js").Element} Element */
/** @typedef {import("../protocol/messages.js").Message} Message */
/** @typedef {import("../protocol/messages.js").Output} Output */
/** @typedef {import("../protocol/messages.js").Stage} Stage */
/** @typedef {import("./en.js").Texts} Texts */
/** @typedef {ReturnType<typeof composedTexts>} ComposedTexts */

/**
 * All texts of one language. Set the `locale` property of an element to replace all or some of them: composed texts
 * are made of the replaced ones.
 *
 * @typedef {Texts & ComposedTexts} Locale
 */

const ROW_COUNTS = /** @type {const} */ ([
  "sending",
  "compressing",
  "storing",
  "needsAction",
  "waiting",
  "done",
  "failed",
  "cancelled",
]);
const FORMATS = new Map([["image/webp", "WebP"], ["video/webm", "WebM"], ["audio/mp4", "M4A"]]);

/** How many damaged times of a source are listed. */
const MAX_SPANS = 8;

/** Return the locale of a language. @param {Texts & Partial<Locale>} texts @returns {Locale} */
export function createLocale(texts) {
  /** @type {Locale} */ const locale = { ...composedTexts(() => locale), ...texts };
  return locale;
}

/** Return a locale in which some texts are replaced. @param {Locale} locale @param {Partial<Locale>} texts */
export function withTexts(locale, texts) {
  const composed = composedTexts(() => locale);
  const own = Object.fromEntries(Object.entries(locale).filter(([name]) => !(name in composed)));
  return createLocale({ .../** @type {Texts} */ (own), ...texts, intake: { ...locale.intake, ...texts.intake } });
}

/** @param {() => Locale} current   Returns the locale that the texts are part of. */
function composedTexts(current) {
  return {
    /** @param {number} percent   0–100. */
    percent: (percent) => current().format.percent(percent),

    /** A size in bytes. @param {number} bytes */
    bytes: (bytes) => current().format.bytes(bytes),

    /** How much of a file has arrived, in bytes. @param {number} received @param {number | null} expected */
    received(received, expected) {
      const { bytes, format, ofTotal } = current();
      if (!expected) return bytes(received);
      return ofTotal(format.bytesInUnitOf(Math.min(received, expected), expected), bytes(expected));
    },

    /** The facts while a file is sent: bytes, speed, remaining time. Unknown ones are omitted.
     * @param {Transfer} transfer @returns {string[]} */
    transferFacts({ sent, total, bytesPerSecond, secondsLeft }) {
      const locale = current();
      const facts = sent > 0 ? [locale.received(sent, total)] : [];
      if (bytesPerSecond) facts.push(locale.format.bytesPerSecond(bytesPerSecond));
      if (bytesPerSecond && secondsLeft !== null) facts.push(locale.eta(secondsLeft));
      return facts;
    },

    /** The facts while sending is interrupted: what the server has, and the seconds until the next try.
     * @param {Transfer} transfer @param {number | null} seconds   Null if only the connection is waited for. */
    interruptionFacts({ sent, total }, seconds) {
      const locale = current();
      const facts = sent > 0 ? [locale.kept(locale.received(sent, total))] : [];
      if (seconds !== null) facts.push(locale.retryIn(locale.format.time(Math.max(1, Math.ceil(seconds)), "second")));
      return facts;
    },

    /** The numbers of rows by what they do, such as “1 compressing, 4 done”. @param {Summary} summary @returns {string} */
    rowSummary({ counts }) {
      const { comma, rowCounts } = current();
      const shown = ROW_COUNTS.filter((name) => counts[name] > 0);
      return shown.map((name) => rowCounts[name](counts[name])).join(comma);
    },

    /** The remaining time, in steps that grow with it, so that it does not flicker. @param {number} seconds */
    eta(seconds) {
      const { format, secondLeft, timeLeft } = current();
      if (seconds < 1.5) return secondLeft;
      if (seconds < 57.5) return timeLeft(format.time(seconds < 10 ? Math.round(seconds) : Math.round(seconds / 5) * 5, "second"));
      const minutes = Math.round(seconds / 60);
      if (seconds < 3570) return timeLeft(format.time(minutes, "minute"));
      return timeLeft(`${format.time(Math.floor(minutes / 60), "hour")} ${format.time(minutes % 60, "minute")}`);
    },

    /** A speed relative to real time. @param {number} speed */
    speed: (speed) => current().format.speed(speed),

    /** A duration or a position in a video. @param {number} seconds */
    duration: (seconds) => current().format.clock(seconds),

    /** A time of today, or a date with its time. @param {Date} date */
    moment(date) {
      const { format } = current();
      return date.toDateString() === new Date().toDateString() ? format.timeOfDay(date) : format.dateTime(date);
    },

    /** The title of a stage. @param {Stage} stage @returns {string} */
    stage: (stage) => current().stages[stage] ?? stage,

    /** The name of an upload. @param {Upload} upload @returns {string} */
    filename: ({ file, state }) => file?.name ?? state?.filename ?? current().untitled,

    /** The sentence for an error. @param {{code: string, message: string}} error @returns {string} */
    error: ({ code, message }) => current().errors[code] ?? message,

    /** The sentence for a failed upload's error, and the one that says what helps.
     * @param {{code: string, message: string}} error @returns {string} */
    failure(error) {
      const { advice, error: sentence } = current();
      return [sentence(error), ...(advice[error.code] ? [advice[error.code]] : [])].join(" ");
    },

    /** What to do when the rest of a file is missing. @param {string} filename @param {Transfer | null} transfer */
    restMissing(filename, transfer) {
      const { bytes, chooseForRest, fileMissing, format } = current();
      if (!transfer || transfer.sent === 0 || transfer.total === null || transfer.percent === null) return fileMissing(filename);
      return chooseForRest(format.percent(transfer.percent), filename, bytes(transfer.total - transfer.sent));
    },

    /** The facts after a stage's title: received bytes, queue position, speed, remaining time. Unknown ones are omitted.
     * @param {Message} state @returns {string[]} */
    progressFacts({ stage, speed, eta, forecast, queuePosition, bytesReceived, bytesExpected }) {
      const locale = current();
      const { format } = locale;
      const facts = [];
      if (stage === "receiving" && bytesReceived) facts.push(locale.received(bytesReceived, bytesExpected));
      if (stage === "queued" && queuePosition) facts.push(locale.queuePosition(queuePosition));
      if (speed) facts.push(locale.compressionSpeed(format.speed(speed)));
      const hasEta = eta !== null && eta !== undefined;
      if (hasEta) facts.push(locale.eta(eta));
      if (stage !== "compressing" || !forecast) return facts;
      const { bytes, bytesLow = bytes, bytesHigh = bytes } = forecast;
      const size = locale.expectedSize(format.roughBytesRange(bytesLow, bytesHigh));
      return [...facts, size, ...(hasEta ? [] : [locale.expectedTime(format.roughTime(forecast.seconds))])];
    },

    /** The progress and remaining time below the dialog's title. @param {Aggregate} aggregate @returns {string} */
    dialogProgress({ progress, eta }) {
      const percent = current().format.percent(progress);
      return eta === null ? percent : `${percent} · ${current().eta(eta)}`;
    },

    /** How much smaller the result is than the original. @param {number} percent */
    saved(percent) {
      const { format, larger, sameSize, smaller } = current();
      const rounded = Math.round(percent);
      if (rounded >= 1) return smaller(format.percent(Math.min(rounded, 99))); // some bytes remain
      return rounded <= -1 ? larger(format.percent(-rounded)) : sameSize;
    },

    /** How much of an incomplete source file could be read. @param {Element} element */
    partialNote({ partial }) {
      const { comma, incomplete, undecodable, format } = current();
      if (!partial) return "";
      const { seconds, declaredSeconds, missing = [] } = partial;
      const lost = missing.reduce((sum, [from, to]) => sum + to - from, 0);
      const isCut = missing.length === 0 || declaredSeconds - seconds - lost > 1;
      const named = missing.filter(([from, to]) => !isCut || to - from >= 1); // where a file is cut, its last frame is broken
      const length = (/** @type {number} */ time) => (time < 60 ? format.time(time, "second", 1) : format.clock(time));
      const clock = (/** @type {[number, number]} */ [from, to]) => `${format.clock(Math.floor(from))}–${format.clock(Math.ceil(to))}`;
      const spans = named.slice(0, MAX_SPANS).map((span) => format.leftToRight(clock(span)));
      if (named.length > MAX_SPANS) spans.push("…");
      const notes = isCut ? [incomplete(length(seconds), length(declaredSeconds))] : [];
      return [...notes, ...(spans.length ? [undecodable(spans.join(comma))] : [])].join(" ");
    },

    /** A remark about the quality of the result. @param {Element} element */
    resultNote({ copied, quality }) {
      if (copied) return current().storedUnchanged;
      if (!quality?.metric || typeof quality.score !== "number") return "";
      const { measuredQuality, format } = current();
      return measuredQuality(quality.metric.toUpperCase(), format.number(quality.score, 1));
    },

    /** What an output is. @param {Output} output @returns {string} */
    outputTitle(output) {
      const { comma, outputFormat, outputKinds } = current();
      return [outputKinds[output.kind] ?? output.name, outputFormat(output)].join(comma);
    },

    /** The file format of an output. @param {{mime: string}} output @returns {string} */
    outputFormat: ({ mime }) => FORMATS.get(mime) ?? mime.split("/").pop()?.toUpperCase() ?? mime,

    /** The dimensions, duration and size of an output. @param {Output} output */
    outputFacts({ width, height, duration, size }) {
      const { format, bytes } = current();
      const dimensions = width && height ? format.dimensions(width, height) : null;
      return [dimensions, duration ? format.clock(duration) : null, bytes(size)].filter(Boolean).join(" · ");
    },

    /** A position in a video; both in seconds. @param {number} seconds @param {number} duration */
    position: (seconds, duration) => current().ofTotal(current().duration(seconds), current().duration(duration)),

    /** The number of an attempt, with the reason for it where the language is the server's.
     * @param {number} attempt @param {Message} state */
    attempt(attempt, { message }) {
      const { asSentence, attemptNumber, language } = current();
      const sentence = asSentence(attemptNumber(attempt));
      return language === "en" ? `${sentence} ${message}` : sentence;
    },

    /** The announcement of an upload's state to screen readers. @param {string} filename @param {Message} state */
    announcement(filename, state) {
      const locale = current();
      const { announced, announcedFailure, insideSentence } = locale;
      const name = locale.format.isolate(filename);
      if (state.status === "completed") {
        const saved = state.element?.saved;
        return announced(name, [insideSentence(locale.completed), ...(saved ? [locale.saved(saved.percent)] : [])].join(locale.comma));
      }
      if (state.stage === "failed") return announcedFailure(name, locale.error(state.error ?? { ...state, code: "INTERNAL" }));
      const again = state.retried ? locale.startedAgain : locale.attemptNumber(state.attempt);
      const attempt = state.attempt > 1 ? [insideSentence(again)] : [];
      const waitsForFile = state.retried && state.stage === "receiving"; // nothing may be received yet
      const stage = waitsForFile ? [] : [insideSentence(locale.stage(state.stage))];
      return announced(name, [...attempt, ...stage].join(locale.comma));
    },
  };
}
