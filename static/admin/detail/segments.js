/** The segments of a film that is being compressed: a strip of its tasks, its sizes, and what the workers do now. */

import { en } from "../../locale/en.js";
import { setHidden, setText } from "../../shared/dom.js";
import { elementOf, factsOf, sentenceOf } from "../common/nodes.js";

/** @typedef {import("./timeline.js").LogLine} LogLine */

/**
 * @typedef {{task: number, segment: number, start: number, end: number}} SegmentSpan   A task, with times in seconds.
 *
 * @typedef {object} FilmSegments   What `GET /api/admin/uploads/{id}/segments` answers as `film`.
 * @property {number} seconds
 * @property {number} segments
 * @property {{name: string, width: number, height: number, listed: boolean, done: number}[]} renditions
 * @property {string} states   A letter for each task, in order.
 * @property {number} done
 * @property {(SegmentSpan & {renditions: string[], process: string, since: string, progress: number})[]} running
 * @property {(SegmentSpan & {attempts: number})[]} failures
 * @property {string | null} failure
 * @property {[number, number][]} missing
 * @property {number | null} soundSeconds
 */

/** The states of tasks, by their letter. @type {Record<string, string>} */
const STATES = { d: "done", i: "incomplete", r: "running", w: "waiting", f: "failed" };

export class SegmentsPanel {
  #facts = elementOf("div", "");
  #strip = elementOf("div", "segment-strip");
  #legend = elementOf("ul", "segment-legend");
  #sizes = elementOf("ul", "segment-sizes");
  #running = elementOf("ul", "segment-list");
  #problems = elementOf("ul", "segment-list problems");
  #shownStates = "";
  element = elementOf("div", "segments", this.#facts, this.#strip, this.#legend, this.#sizes, this.#running, this.#problems);

  constructor() {
    this.#strip.setAttribute("role", "img");
    this.#legend.append(...Object.values(STATES).map((state) => {
      const item = elementOf("li", "", elementOf("span", "swatch"), state);
      item.dataset.state = state;
      return item;
    }));
  }

  /** @param {FilmSegments} film */
  show(film) {
    this.#facts.replaceChildren(factsOf("", ...filmFacts(film)));
    this.#strip.setAttribute("aria-label", sentenceOf(...stateCounts(film.states)));
    if (film.states !== this.#shownStates) this.#showStrip(film.states);
    this.#sizes.replaceChildren(...film.renditions.map((rendition) => sizeItem(rendition, film.segments)));
    this.#running.replaceChildren(...film.running.map(runningItem));
    const problems = problemTexts(film);
    setHidden(this.#problems, problems.length === 0);
    this.#problems.replaceChildren(...problems.map((text) => elementOf("li", "", text)));
  }

  /** Tasks of the same state that follow each other are one element: a film of hours has thousands. @param {string} states */
  #showStrip(states) {
    this.#shownStates = states;
    this.#strip.replaceChildren(...runsOf(states).map(({ state, count }) => {
      const run = elementOf("span", "run");
      run.dataset.state = state;
      run.style.flexGrow = String(count);
      return run;
    }));
    for (const item of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.#legend.children)) {
      const letter = Object.keys(STATES).find((one) => STATES[one] === item.dataset.state) ?? "";
      setHidden(item, !states.includes(letter));
    }
  }
}

/** Return the runs of equal states, in order. @param {string} states @returns {{state: string, count: number}[]} */
export function runsOf(states) {
  return (states.match(/(.)\1*/g) ?? []).map((run) => ({ state: STATES[run[0]] ?? "waiting", count: run.length }));
}

/** Return how many tasks have each state, such as “3 running”. @param {string} states @returns {string[]} */
export function stateCounts(states) {
  const counted = Object.entries(STATES).map(([letter, state]) => ({ state, count: states.split(letter).length - 1 }));
  return counted.filter(({ count }) => count > 0).map(({ state, count }) => `${en.format.number(count)} ${state}`);
}

/** Return the facts of the film as a whole. @param {FilmSegments} film @returns {string[]} */
export function filmFacts({ states, done, seconds, segments, soundSeconds }) {
  const sound = soundSeconds === null ? "no sound" : `sound ${en.position(soundSeconds, seconds)}`;
  const total = en.format.number(states.length);
  return [`${en.format.number(done)} of ${total} tasks done`, `${en.format.number(segments)} segments`, en.duration(seconds), sound];
}

/** Return what has failed or is missing, in sentences. @param {FilmSegments} film @returns {string[]} */
export function problemTexts({ failures, failure, missing }) {
  const attempts = (/** @type {number} */ count) => (count === 1 ? "an attempt has" : `${count} attempts have`);
  return [
    ...(failure ? [failure] : []),
    ...failures.map((task) => `${spanText(task.start, task.end)}: ${attempts(task.attempts)} failed.`),
    ...missing.map(([start, end]) => `${spanText(start, end)} could not be decoded.`),
  ];
}

/** Return why the film is compressed in one run, or an empty text. @param {LogLine[]} lines */
export function oneRunReason(lines) {
  const line = lines.findLast(({ event }) => event === "film_in_one_run");
  return line?.details.reason ? `The film is compressed in one run: ${line.details.reason}` : "";
}

/** @param {FilmSegments["renditions"][number]} rendition @param {number} segments */
function sizeItem({ name, width, height, listed, done }, segments) {
  const count = `${en.format.number(done)} of ${en.format.number(segments)}`;
  const fill = elementOf("div", "fill");
  fill.style.inlineSize = `${(100 * done) / segments}%`;
  const title = elementOf("span", "", `${name}p`);
  title.title = en.format.dimensions(width, height);
  const use = listed ? "" : "for the file only";
  return elementOf("li", "", elementOf("div", "stage-head", title, factsOf("", use, count)), elementOf("div", "bar time", fill));
}

/** @param {FilmSegments["running"][number]} task */
function runningItem({ start, end, renditions, process, progress }) {
  const sizes = renditions.map((name) => `${name}p`).join(", ");
  return elementOf("li", "", factsOf("", spanText(start, end), sizes, process, en.format.percent(progress)));
}

/** @param {number} start @param {number} end   In seconds. */
function spanText(start, end) {
  return `${en.duration(start)}–${en.duration(end)}`;
}
