/** Moves the rows of a list to their places in the document, which is also the order that screen readers follow. */

/**
 * Arrange the children of a list. Children that are in their place are not touched. One that has the focus or plays
 * media is not moved either, because most browsers would take the focus away and stop the player: others move around it.
 *
 * @param {HTMLElement} list
 * @param {readonly HTMLElement[]} rows   All children of the list, in their new order.
 */
export function placeRows(list, rows) {
  const fixed = rows.find(isActive);
  let isSettled = false;
  /** @type {Element | null} */ let next = null;
  for (const row of rows.toReversed()) {
    const inPlace = row.parentElement === list && row.nextElementSibling === next;
    if (!inPlace && (row !== fixed || row.parentElement !== list)) {
      if (!isSettled) list.getBoundingClientRect(); // Chromium 156 loses changes of style that are pending when a row is moved
      isSettled = true;
      move(list, row, next);
    }
    next = row;
  }
}

/** @param {HTMLElement} row */
function isActive(row) {
  if (row.matches(":focus-within")) return true;
  return [.../** @type {NodeListOf<HTMLMediaElement>} */ (row.querySelectorAll("video, audio"))].some(({ paused }) => !paused);
}

/** @param {HTMLElement & {moveBefore?: (node: Node, child: Node | null) => void}} list
 * @param {HTMLElement} row @param {Element | null} next */
function move(list, row, next) {
  if (row.isConnected && list.moveBefore) {
    list.moveBefore(row, next); // keeps animations and the state of players
  } else {
    list.insertBefore(row, next);
  }
}
