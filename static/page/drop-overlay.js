/** Accepts files that are dropped anywhere on the page, and covers the page while they are dragged over it. */

import { hasFiles } from "../intake/given-files.js";
import { setHidden, setText } from "../shared/dom.js";

/** @typedef {import("../locale/create-locale.js").Locale} Locale */

const LEFT_MS = 1_000; // browsers dispatch `dragover` at least every 350 ms while files are over the page

/**
 * @param {HTMLElement} overlay   Ignores the pointer, so that covering the page ends no drag over it.
 * @param {() => Locale} locale
 * @param {(transfer: DataTransfer) => void} onDrop
 */
export function acceptDrops(overlay, locale, onDrop) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let leftTimer;
  const leave = () => {
    clearTimeout(leftTimer);
    setHidden(overlay, true);
  };
  let isOwn = false; // browsers drag a picture of the page as a file, too
  addEventListener("dragstart", () => (isOwn = true));
  addEventListener("dragend", () => (isOwn = false));
  const over = (/** @type {DragEvent} */ event) => {
    if (isOwn || !event.dataTransfer || !hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    const count = [...event.dataTransfer.items].filter(({ kind }) => kind === "file").length;
    setText(/** @type {Element} */ (overlay.firstElementChild), locale().intake.dropToSend(count));
    setHidden(overlay, false);
    clearTimeout(leftTimer);
    leftTimer = setTimeout(leave, LEFT_MS); // not all browsers report that files have left the window
  };
  addEventListener("dragenter", over);
  addEventListener("dragover", over);
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget === null && leave());
  addEventListener("keydown", ({ key }) => key === "Escape" && leave());
  addEventListener("drop", (event) => {
    leave();
    if (isOwn || !event.dataTransfer || !hasFiles(event)) return;
    event.preventDefault();
    onDrop(event.dataTransfer);
  });
}
