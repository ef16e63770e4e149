/** What a screen reader says of an upload. Pure. */

import { savedWords, stageWords } from "./words.js";

/** @typedef {import("./roomcast.js").Message} Message */

/** One sentence on where an upload now is. @param {string} filename @param {Message} state */
export function announcement(filename, state) {
  if (state.status === "completed") {
    const { saved } = state.element ?? {};
    return `${filename}: completed${saved ? `, ${savedWords(saved.percent)}` : ""}.`;
  }
  if (state.stage === "failed") return `${filename}: failed. ${state.error?.message ?? state.message}`;
  const again = state.attempt > 1 && state.stage === "queued" ? `attempt ${state.attempt}, ` : "";
  return `${filename}: ${again}${stageWords(state.stage).toLowerCase()}.`;
}

/** A bar's value. @param {number} percent @param {string} title @param {string[]} facts */
export function valueWords(percent, title, facts) {
  return [`${percent}%`, title.toLowerCase(), ...facts].join(", ");
}
