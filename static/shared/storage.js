/** Browser storage. A browser may forbid it, or have no space left: then nothing is stored and nothing fails. */

const TOKEN_KEY = "roomcast.token";

/** Access storage; return `fallback` where that throws. @template T @param {() => T} access @param {T} fallback */
export function tryStorage(access, fallback) {
  try {
    return access();
  } catch {
    return fallback;
  }
}

/** Return the access token that was saved in this tab, by the demo page or the admin page. */
export function savedToken() {
  return tryStorage(() => sessionStorage.getItem(TOKEN_KEY) ?? undefined, undefined);
}

/** Save an access token until the tab is closed. @param {string} token */
export function saveToken(token) {
  tryStorage(() => sessionStorage.setItem(TOKEN_KEY, token), undefined);
}
