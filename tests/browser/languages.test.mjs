import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { withTexts } from "../../static/locale/create-locale.js";
import { en, EN_TEXTS } from "../../static/locale/en.js";
import { LANGUAGES, loadLocale, loadedLocale, matchLanguage } from "../../static/locale/languages.js";

const locales = await Promise.all(Object.keys(LANGUAGES).map(loadLocale));
const translations = locales.slice(1);
const [, de, es, fr, ja, ar] = locales;

/** Texts that have no words, and words that are the same in both languages. */
const SAME = {
  all: ["direction", "comma", "insideSentence", "announced", "asSentence", "page.titleActive", "page.titleEnded"],
  de: [
    "heading",
    "untitled",
    "original",
    "downloads",
    "outputKinds.video",
    "outputKinds.audio",
    "page.live",
    "page.offline",
    "page.builtInTemplates.hero-video",
  ],
  es: ["original", "outputKinds.audio", "framesPerSecond"],
  fr: ["original", "outputKinds.audio", "outputKinds.image", "outputKinds.thumbnail", "page.builtInTemplates.image"],
  ja: ["framesPerSecond"],
  ar: [],
};

/** Return the text of a number without the invisible characters that only separate or direct it. */
const visible = (text) => text.replaceAll(/[\u200e\u200f\u061c\u2066-\u2069]/g, "").replaceAll(/[\u00a0\u202f]/g, " ");

test("each language is loaded under its tag, with its direction", () => {
  assert.deepEqual(locales.map(({ language }) => language), Object.keys(LANGUAGES));
  assert.deepEqual(locales.map(({ direction }) => direction), ["ltr", "ltr", "ltr", "ltr", "ltr", "rtl"]);
  for (const locale of locales) assert.equal(loadedLocale(locale.language), locale);
});

/** Yield the keys of texts, with those of their groups, and the values. */
function* entriesOf(texts, group = "") {
  for (const [name, value] of Object.entries(texts)) {
    if (value?.constructor === Object) yield* entriesOf(value, `${group}${name}.`);
    else if (name !== "format") yield [`${group}${name}`, value];
  }
}

/** An argument for every text: a number, a name, a template and an aggregate. */
const ARGUMENT = Object.assign(new String("3"), { title: "T", kind: "video", total: 5, active: 2, failed: 1, progress: 50 });

/** Return a text; that of a function for sample arguments. */
const sampleOf = (value) => (typeof value === "function" ? value(ARGUMENT, ARGUMENT, ARGUMENT) : value);

test("each language has exactly the texts of English, with the same parameters", () => {
  const describe = (locale) => [...entriesOf({ ...locale, errors: {} })].map(([key, value]) => `${key}/${value.length * (typeof value === "function")}`);
  for (const locale of translations) assert.deepEqual(describe(locale).sort(), describe(en).sort(), locale.language);
});

test("no text of another language is English, but those that are the same there", () => {
  const english = new Map(entriesOf(EN_TEXTS));
  for (const locale of translations) {
    const same = [...entriesOf(locale)].filter(([key, value]) => english.has(key) && sampleOf(value) === sampleOf(english.get(key)));
    assert.deepEqual(same.map(([key]) => key).filter((key) => !SAME.all.includes(key) && !SAME[locale.language].includes(key)), [], locale.language);
  }
});

test("matchLanguage takes the first available language, and English without one", () => {
  assert.equal(matchLanguage(["pl", "de-AT", "fr"]), "de");
  assert.equal(matchLanguage([null, undefined, "", " AR_eg "]), "ar");
  assert.equal(matchLanguage(["pl", "constructor", "__proto__"]), "en");
  assert.equal(matchLanguage([]), "en");
});

test("sizes, percentages and times are written as in each language", () => {
  const samples = ({ bytes, format }) => [bytes(999), bytes(83_200_000), format.percent(42.9), format.roughTime(35)].map(visible);
  assert.deepEqual(samples(en), ["999 bytes", "83.2 MB", "42%", "35 s"]);
  assert.deepEqual(samples(de), ["999 Byte", "83,2 MB", "42 %", "35 s"]);
  assert.deepEqual(samples(es), ["999 bytes", "83,2 MB", "42 %", "35 s"]);
  assert.deepEqual(samples(fr), ["999 octets", "83,2 Mo", "42 %", "35 s"]);
  assert.deepEqual(samples(ja), ["999 バイト", "83.2 MB", "42%", "35 秒"]);
  assert.deepEqual(samples(ar), ["999 بايت", "83.2 ميغابايت", "42%", "35 ثانية"]);
});

test("a percentage is 100 only for what is complete, and a roughly known size has two digits", () => {
  const { percent, roughBytes } = en.format;
  assert.deepEqual([0, 99.99, 100].map(percent), ["0%", "99%", "100%"]);
  assert.deepEqual([0, 1_040_000, 12_345_678, 999_999].map(roughBytes), ["0 bytes", "1 MB", "12 MB", "1 MB"]);
});

test("every plural form of a language is used", () => {
  const count = (locale, numbers) => new Set(numbers.map((number) => visible(locale.page.noLongerStored(number)).replaceAll(/\d/g, ""))).size;
  assert.equal(count(ar, [0, 1, 2, 3, 11, 100]), 6);
  for (const locale of [en, de, es, fr]) assert.equal(count(locale, [1, 2]), 2, locale.language);
  assert.match(fr.page.noLongerStored(0), /^0 envois|^Un envoi/);
  assert.match(ja.page.noLongerStored(3), /3件/);
});

test("a message of the server is shown in the language where its code is known, else as it was sent", async () => {
  const source = await readFile(new URL("../../server/roomcast/errors.py", import.meta.url), "utf8");
  const codes = [...source.matchAll(/^ {4}([A-Z_]+) = "\1"$/gm)].map(([, code]) => code);
  assert.ok(codes.length > 20);
  const message = "What the server says.";
  for (const code of codes) {
    assert.equal(en.error({ code, message }), message);
    for (const locale of translations) assert.notEqual(locale.error({ code, message }), message, `${locale.language} ${code}`);
  }
  for (const locale of translations) assert.equal(locale.error({ code: "NO_VIRUS", message }), message);
});

test("a name keeps its direction inside of a sentence", () => {
  assert.equal(en.rejected("clip.mp4", "Why."), "clip.mp4: not uploaded. Why.");
  assert.equal(en.compressed("عطلة.mp4"), "\u2068عطلة.mp4\u2069, compressed");
  assert.ok(ar.compressed("clip.mp4").startsWith("\u2068clip.mp4\u2069"));
  assert.ok(ar.outputFacts({ width: 1280, height: 720, size: 9 }).startsWith("\u20661280 × 720\u2069"));
});

test("replaced texts are part of the texts that are composed of them", () => {
  const locale = withTexts(de, { completed: "Alles gut", timeLeft: (time) => `${time} übrig` });
  assert.equal(locale.announcement("a.mp4", { status: "completed" }), "a.mp4: Alles gut.");
  assert.equal(locale.eta(7), "7 s übrig");
  assert.equal(locale.eta(0), de.eta(0));
  assert.equal(withTexts(en, de).eta(7), de.eta(7));
  assert.equal(withTexts(en, { filename: () => "One" }).filename({}), "One");
});

test("the page's HTML has the English texts", async () => {
  const html = await readFile(new URL("../../static/page/progress-demo.html", import.meta.url), "utf8");
  const textOf = (key) => key.split(".").reduce((value, name) => value[name], en);
  const texts = [...html.matchAll(/data-text="([^"]+)"[^>]*>([^<]*)</g)];
  const labels = [...html.matchAll(/aria-label="([^"]+)" data-label="([^"]+)"/g)].map(([all, label, key]) => [all, key, label]);
  assert.ok(texts.length > 8 && labels.length > 2);
  assert.equal(texts.length + labels.length, html.match(/data-(text|label)=/g).length);
  for (const [, key, text] of [...texts, ...labels]) assert.equal(text, textOf(key), key);
});
