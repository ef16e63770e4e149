/** The ways to choose files: a file input, the browser's picker with handles, a folder, and the camera of a phone. */

import { readHandles, readInput } from "./given-files.js";

/** @typedef {import("./given-files.js").Given} Given */

/**
 * Call `onGiven` with what is chosen. A desktop browser that has a picker with handles opens that instead of the
 * input's: the file of a handle can be read again after a reload.
 *
 * @param {HTMLInputElement} input @param {(given: Promise<Given>) => void} onGiven
 */
export function acceptChosen(input, onGiven) {
  const onChange = () => {
    const files = [...(input.files ?? [])];
    input.value = ""; // otherwise choosing the same file again would fire no event
    if (files.length) onGiven(readInput(files));
  };
  input.addEventListener("change", onChange);
  input.addEventListener("click", (event) => {
    const picked = event.isTrusted ? pickHandles(input.accept) : null;
    if (!picked) return;
    event.preventDefault();
    picked.then(
      (handles) => onGiven(readHandles(handles)),
      ({ name }) => name !== "AbortError" && input.showPicker(), // it is forbidden here, or does not know these types
    );
  });
  onChange(); // what was chosen before the script was loaded
}

/**
 * Let a button open a folder or the camera. The style sheet shows each button where its device has what it opens.
 *
 * @param {HTMLElement} button
 * @param {{webkitdirectory?: boolean, accept?: string, capture?: string}} options   Properties of the file input.
 * @param {(given: Promise<Given>) => void} onGiven
 */
export function acceptFrom(button, options, onGiven) {
  const properties = { type: "file", multiple: true, hidden: true, ...options };
  const input = Object.assign(document.createElement("input"), properties);
  button.after(input); // one that is in no document may be collected as garbage while it is open
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = "";
    if (files.length) onGiven(readInput(files));
  });
  button.addEventListener("click", () => input.click());
}

/** Let the buttons of a folder, of photos and of videos, in this order, open those.
 * @param {readonly HTMLElement[]} buttons @param {(given: Promise<Given>) => void} onGiven */
export function acceptFromButtons([folder, photo, video], onGiven) {
  acceptFrom(folder, { webkitdirectory: true }, onGiven);
  acceptFrom(photo, { accept: "image/*", capture: "environment" }, onGiven);
  acceptFrom(video, { accept: "video/*", capture: "environment" }, onGiven);
}

/**
 * Open the picker that gives handles. Returns null where there is none, or where it is the worse one: that of a phone
 * offers neither the camera nor the gallery.
 *
 * @param {string} accept @returns {Promise<FileSystemFileHandle[]> | null}   Rejects if the person has chosen nothing.
 */
function pickHandles(accept) {
  const { showOpenFilePicker } = /** @type {any} */ (globalThis);
  if (!showOpenFilePicker || !matchMedia("(pointer: fine)").matches) return null;
  if (window.top !== window.self) return null; // frames of another origin may not open it
  const types = accept ? [{ accept: acceptedTypes(accept) }] : undefined;
  return showOpenFilePicker({ multiple: true, types, id: "roomcast" });
}

/** Return the `accept` attribute of a file input as that picker needs it. @param {string} accept */
export function acceptedTypes(accept) {
  const patterns = accept.split(",").map((pattern) => pattern.trim()).filter(Boolean);
  const suffixes = patterns.filter((pattern) => pattern.startsWith("."));
  const types = Object.fromEntries(patterns.filter((pattern) => pattern.includes("/")).map((pattern) => [pattern, []]));
  return suffixes.length ? { ...types, "application/octet-stream": suffixes } : types;
}
