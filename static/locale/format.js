/** Formats numbers, sizes, times and lists in a language. Pure. */

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

/** @typedef {"second" | "minute" | "hour"} TimeUnit */
/** @typedef {Partial<Record<Intl.LDMLPluralRule, string>> & {other: string}} PluralForms   `#` stands for the number. */

/** The formats of one language. Its methods can be used without their object. */
export class Formats {
  #language;
  #isRightToLeft;
  #symbols;
  #display;
  /** @type {Map<string, Intl.NumberFormat>} */ #numberFormats = new Map();
  #pluralRules;

  /**
   * @param {string} language
   * @param {object} [units]
   * @param {Partial<Record<TimeUnit, string>>} [units.symbols]   Used instead of the language's own abbreviations.
   * @param {"short" | "long"} [units.display]                    Whether other units are abbreviated.
   */
  constructor(language, { symbols = {}, display = "short" } = {}) {
    this.#language = `${language}-u-nu-latn`; // the clocks of players and the percentages have these digits, too
    this.#isRightToLeft = language === "ar";
    this.#symbols = symbols;
    this.#display = display;
    this.#pluralRules = new Intl.PluralRules(language);
  }

  /** Return a number, rounded. @param {number} value @param {number} [digits]   At most so many after the point. */
  number = (value, digits = 0) => this.#format(value, { maximumFractionDigits: digits });

  /** Return a percentage, rounded down so that only what is complete has 100. @param {number} percent */
  percent = (percent) => this.#format(Math.floor(percent) / 100, { style: "percent" });

  /** Return a size in decimal units with up to three digits, as file managers show it. @param {number} bytes */
  bytes = (bytes) => this.#bytes(bytes, "minimumFractionDigits");

  /** Return a size as a number of the unit that another size has. @param {number} bytes @param {number} other */
  bytesInUnitOf = (bytes, other) => {
    const { value, digits } = scaled(other);
    const amount = value > 0 ? (bytes * value) / other : 0;
    return this.#format(amount, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  };

  /** Return the speed of a transfer. @param {number} bytesPerSecond */
  bytesPerSecond = (bytesPerSecond) => {
    const { value, unit, digits } = scaled(bytesPerSecond);
    const fraction = unit ? Math.min(digits, 1) : 0;
    const options = { minimumFractionDigits: fraction, maximumFractionDigits: fraction };
    return this.#format(value, { ...unitOptions(`${BYTE_UNITS[unit]}-per-second`, this.#display), ...options });
  };

  /** Return a range of estimated sizes, with two digits each. @param {number} low @param {number} high */
  roughBytesRange = (low, high) => {
    const [from, to] = [low, high].map((bytes) => this.roughBytes(bytes));
    if (from === to) return from;
    const { value, unit } = scaled(Number(high.toPrecision(2)));
    const options = unitOptions(BYTE_UNITS[unit], unit ? this.#display : "long");
    const rough = (Number(low.toPrecision(2)) * value) / Number(high.toPrecision(2));
    return this.#numberFormat({ ...options, maximumSignificantDigits: 2 }).formatRange(rough, value);
  };

  /** Return an estimated size, with two digits. @param {number} bytes */
  roughBytes = (bytes) => this.#bytes(bytes > 0 ? Number(bytes.toPrecision(2)) : 0, "maximumFractionDigits");

  /**
   * Return a limit in bytes: 2 GB for 2 GiB and for 2,000,000,000 bytes. It is rounded down, so that a file of the size
   * that is shown is accepted; every binary unit is larger than the decimal one of its name.
   *
   * @param {number} bytes
   */
  limit = (bytes) => {
    for (let unit = BYTE_UNITS.length - 1; unit > 0; unit -= 1) {
      const binary = bytes / 1024 ** unit;
      const decimal = Math.floor((bytes / 1000 ** unit) * 100) / 100;
      if (binary < 1 && decimal < 1) continue;
      const value = Number.isInteger(binary) ? binary : decimal;
      return this.#format(value, { ...unitOptions(BYTE_UNITS[unit], this.#display), maximumFractionDigits: 2 });
    }
    return this.bytes(bytes);
  };

  /** Return a duration in one unit. @param {number} value @param {TimeUnit} unit @param {number} [digits]   At most. */
  time = (value, unit, digits = 0) => {
    const symbol = this.#symbols[unit];
    if (symbol) return `${this.number(value, digits)} ${symbol}`;
    return this.#format(value, { ...unitOptions(unit, this.#display), maximumFractionDigits: digits });
  };

  /** Return a duration in rounded seconds or minutes. @param {number} seconds */
  roughTime = (seconds) =>
    seconds < 57.5 ? this.time(Math.max(1, Math.round(seconds)), "second") : this.time(Math.round(seconds / 60), "minute");

  /** Return a duration or a position in a video as `[hours:]minutes:seconds`. @param {number} seconds */
  clock = (seconds) => {
    const total = Math.round(seconds);
    const hours = Math.floor(total / 3600);
    const minutes = Math.floor((total % 3600) / 60);
    const padded = [minutes, total % 60].map((number) => String(number).padStart(2, "0"));
    return hours ? `${hours}:${padded.join(":")}` : `${minutes}:${padded[1]}`;
  };

  /** Return a speed relative to real time. @param {number} speed */
  speed = (speed) => {
    const digits = speed < 10 ? 1 : 0;
    return `${this.#format(speed, { minimumFractionDigits: digits, maximumFractionDigits: digits })}×`;
  };

  /** Return the dimensions of a picture. @param {number} width @param {number} height   In pixels. */
  dimensions = (width, height) => this.leftToRight(`${width} × ${height}`);

  /** Return a time of day. @param {Date} date */
  timeOfDay = (date) => new Intl.DateTimeFormat(this.#language, { timeStyle: "short" }).format(date);

  /** Return a date with its time. @param {Date} date */
  dateTime = (date) => new Intl.DateTimeFormat(this.#language, { dateStyle: "medium", timeStyle: "short" }).format(date);

  /** Return items as a list in a sentence. @param {string[]} items */
  list = (items) => new Intl.ListFormat(this.#language, { type: "conjunction" }).format(items);

  /** Return a number as 1st, 2nd, 3rd, 4th. @param {number} number @param {PluralForms} forms */
  ordinal = (number, forms) => {
    const rule = new Intl.PluralRules(this.#language, { type: "ordinal" }).select(number);
    return (forms[rule] ?? forms.other).replace("#", this.number(number));
  };

  /**
   * Return the function that puts a number into the form that the language has for it.
   *
   * @param {PluralForms} forms   For each form of the language; `many` may be absent where only millions have it.
   * @returns {(count: number) => string}
   */
  plural = (forms) => {
    return (count) => (forms[this.#pluralRules.select(count)] ?? forms.other).replace("#", this.number(count));
  };

  /** Return a name that keeps its own direction inside of a sentence. @param {string} name */
  isolate = (name) => (this.#isRightToLeft || RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

  /** Return a formula that is read from left to right in every language. @param {string} text */
  leftToRight = (text) => (this.#isRightToLeft ? `\u2066${text}\u2069` : text);

  /** @param {number} bytes @param {"minimumFractionDigits" | "maximumFractionDigits"} option */
  #bytes(bytes, option) {
    const { value, unit, digits } = scaled(bytes);
    const fraction = { maximumFractionDigits: digits, [option]: digits };
    return this.#format(value, { ...unitOptions(BYTE_UNITS[unit], unit ? this.#display : "long"), ...fraction });
  }

  /** @param {number} value @param {Intl.NumberFormatOptions} options */
  #format(value, options) {
    return this.#numberFormat(options).format(value);
  }

  /** @param {Intl.NumberFormatOptions} options @returns {Intl.NumberFormat} */
  #numberFormat(options) {
    const key = JSON.stringify(options);
    const format = this.#numberFormats.get(key) ?? new Intl.NumberFormat(this.#language, options);
    this.#numberFormats.set(key, format);
    return format;
  }
}

/** Return a size in the unit that suits it, and how many digits it has after the point. @param {number} bytes */
function scaled(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return { value, unit, digits: unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2 };
}

/** @param {string} unit @param {"short" | "long"} unitDisplay @returns {Intl.NumberFormatOptions} */
function unitOptions(unit, unitDisplay) {
  return { style: "unit", unit, unitDisplay };
}
