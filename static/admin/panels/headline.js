/** The headline of the admin page: one sentence about now, and the numbers behind it. */

import { byId, setText } from "../../shared/dom.js";
import { formatAge, formatCount } from "../common/format.js";
import { sentenceOf } from "../common/nodes.js";

/** Show the overview. @param {any} overview   The server's `Overview`. */
export function showHeadline(overview) {
  const { text, detail, tone } = headlineOf(overview);
  setText(byId("headline-text"), text);
  setText(byId("headline-detail"), detail);
  byId("headline").dataset.tone = tone;
  const { queue, workers, web, statuses, failures } = overview;
  const total = (/** @type {string} */ name) =>
    web.reduce((/** @type {number} */ sum, /** @type {any} */ process) => sum + process[name], 0);
  setText(byId("queued"), String(queue.depth));
  setText(byId("workers"), `${workers.busy} of ${workers.total}`);
  setText(byId("completed"), String(statuses.completed));
  setText(byId("failed"), String(failures.lastHour));
  setText(byId("cancelled"), String(statuses.cancelled));
  setText(byId("sockets"), String(total("sockets")));
  setText(byId("streams"), String(total("streams")));
  byId("workers-number").classList.toggle("bad", workers.total === 0);
  byId("failures-number").classList.toggle("bad", failures.lastHour > 0);
}

/**
 * Return the headline of an overview, its details, and whether it is good news.
 *
 * @param {any} overview
 * @returns {{text: string, detail: string, tone: "idle" | "busy" | "warn" | "bad"}}
 */
export function headlineOf({ queue, workers, statuses, paused }) {
  const { starting, compressing, uploading, waiting } = statuses;
  const active = starting + compressing + uploading;
  const receiving = Math.max(0, active - waiting - workers.busy);
  const counts = [
    workers.busy && `${workers.busy} processing`,
    receiving && `${receiving} receiving`,
    waiting && `${waiting} waiting`,
  ].filter(Boolean);
  const details = [];
  if (queue.oldestAge !== null) details.push(`the oldest has waited ${formatAge(queue.oldestAge)}`);
  if (queue.delayed) details.push(`${formatCount(queue.delayed, "retry is", "retries are")} scheduled`);
  if (queue.paused) details.push(`${formatCount(queue.paused, "upload waits", "uploads wait")} for a paused template`);
  const text = counts.length ? counts.join(", ") : "No active uploads";
  if (workers.total === 0) {
    return { text, detail: sentenceOf("no workers are running", ...details), tone: "bad" };
  }
  if (paused.length) details.push(`${formatCount(paused.length, "pause is", "pauses are")} in effect`);
  const tone = paused.length ? "warn" : counts.length ? "busy" : "idle";
  return { text, detail: sentenceOf(...details), tone };
}
