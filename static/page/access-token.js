/** Asks for the access token, and stores it for this tab. */

import { byId, setHidden } from "../shared/dom.js";
import { saveToken, savedToken } from "../shared/storage.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */

/** Return the token in the page's URL, else the saved one. It is removed from the URL, which may be shared. */
export function initialToken() {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (!token) return savedToken();
  saveToken(token);
  url.searchParams.delete("token");
  window.history.replaceState(window.history.state, "", url);
  return token;
}

/**
 * Show the token form when the server refuses the connection, and use the token that is entered.
 *
 * @param {Roomcast} roomcast
 * @param {import("./connection-status.js").ConnectionStatus} status
 * @param {() => void} onToken   Called when a token has been entered, and the form is hidden.
 */
export function askForTokens(roomcast, status, onToken) {
  const form = byId("token-form");
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  roomcast.addEventListener("unauthenticated", () => {
    const isRefused = Boolean(roomcast.token);
    status.tokenProblem = isRefused ? "refused" : "missing";
    if (isRefused) field.setAttribute("aria-invalid", "true");
    if (!form.hidden) return;
    setHidden(form, false);
    field.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = field.value.trim();
    field.value = "";
    field.removeAttribute("aria-invalid");
    status.tokenProblem = null;
    setHidden(form, true);
    saveToken(token);
    roomcast.token = token;
    onToken();
    for (const upload of roomcast.uploads) {
      if (upload.error?.code === "UNAUTHENTICATED") void (upload.id ? upload.refresh() : upload.retry());
    }
  });
}
