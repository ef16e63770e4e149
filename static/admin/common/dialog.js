/** Asks before something is done that cannot be undone. */

import { buttonOf, elementOf } from "./nodes.js";

let dialogs = 0;

/** A modal dialog with a heading, a text that is announced, and buttons. It is removed when it is closed. */
export class Dialog {
  #heading = elementOf("h2", "");
  #text = elementOf("div", "dialog-text");
  #buttons = elementOf("p", "dialog-buttons");
  #element = /** @type {HTMLDialogElement} */ (elementOf("dialog", "dialog", this.#heading, this.#text, this.#buttons));

  /** @param {string} heading @param {() => void} onClose   Also called when the dialog is left with Escape. */
  constructor(heading, onClose) {
    const id = `dialog-${(dialogs += 1)}`;
    this.#heading.id = id;
    this.#heading.textContent = heading;
    this.#text.setAttribute("role", "status");
    this.#element.setAttribute("aria-labelledby", id);
    this.#element.addEventListener("close", () => {
      this.#element.remove();
      onClose();
    });
    document.body.append(this.#element);
    this.#element.showModal();
  }

  /** Show a text. @param {(Node | string)[]} contents */
  show(...contents) {
    this.#text.replaceChildren(...contents);
  }

  /**
   * Show these buttons instead of the previous ones. The last one has the focus, because it is the safe one.
   *
   * @param {[label: string, onClick: () => void, className?: string][]} actions
   */
  offer(...actions) {
    const buttons = actions.map(([label, onClick, className = ""]) => {
      const button = buttonOf(label);
      button.className = `button ${className}`;
      button.addEventListener("click", onClick);
      return button;
    });
    this.#buttons.replaceChildren(...buttons);
    buttons.at(-1)?.focus();
  }

  close() {
    this.#element.close();
  }
}

/**
 * Ask a question.
 *
 * @param {string} question @param {string} explanation
 * @param {string} confirmLabel   What is done, such as `Delete`.
 * @returns {Promise<boolean>} whether it was confirmed
 */
export function confirmed(question, explanation, confirmLabel) {
  return new Promise((resolve) => {
    const dialog = new Dialog(question, () => resolve(false));
    const confirm = () => {
      resolve(true);
      dialog.close();
    };
    dialog.show(explanation);
    dialog.offer([confirmLabel, confirm, "danger"], ["Go back", () => dialog.close()]);
  });
}
