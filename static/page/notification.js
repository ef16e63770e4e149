/** Notifies the person of the result of uploads while the page is hidden, if they have asked for that. */

import { setHidden } from "../shared/dom.js";
import { tryStorage } from "../shared/storage.js";

/** @typedef {import("../locale/create-locale.js").Locale} Locale */

const STORAGE_KEY = "roomcast.notify";

export class DoneNotification {
  #button;
  #notices;
  #locale;

  /**
   * @param {HTMLElement} button   Asks for notifications, and ends them.
   * @param {import("../intake/notices.js").Notices} notices @param {() => Locale} locale
   */
  constructor(button, notices, locale) {
    this.#button = button;
    this.#notices = notices;
    this.#locale = locale;
    button.addEventListener("click", () => void this.#toggle());
  }

  /** Show the button while there is something to wait for. @param {boolean} active */
  update(active) {
    const isPossible = "Notification" in globalThis && Notification.permission !== "denied";
    setHidden(this.#button, !active || !isPossible);
    this.#button.setAttribute("aria-pressed", String(this.#isOn));
  }

  /** Show a notification, if the page is hidden. @param {string} result */
  notify(result) {
    if (!this.#isOn || document.visibilityState === "visible") return;
    try {
      const notification = new Notification(this.#locale().page.titleEnded(result), { tag: "roomcast" });
      notification.addEventListener("click", () => {
        globalThis.focus();
        notification.close();
      });
    } catch {
      // Phones have notifications of service workers only.
    }
  }

  get #isOn() {
    const wanted = tryStorage(() => localStorage.getItem(STORAGE_KEY) === "on", false);
    return wanted && "Notification" in globalThis && Notification.permission === "granted";
  }

  async #toggle() {
    const { notificationsBlocked, notificationsOn } = this.#locale().page;
    const wanted = !this.#isOn;
    const permission = wanted ? await Notification.requestPermission() : "granted";
    tryStorage(() => localStorage.setItem(STORAGE_KEY, wanted ? "on" : "off"), undefined);
    this.#button.setAttribute("aria-pressed", String(this.#isOn));
    if (permission === "denied") setHidden(this.#button, true);
    if (permission === "denied") this.#notices.warn(notificationsBlocked);
    else this.#notices.inform(this.#isOn ? notificationsOn : "");
  }
}
