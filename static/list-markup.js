/** The elements' shadow trees, and their style sheets, which all of a page share. */

export const PANEL = document.createElement("template");
PANEL.innerHTML = `
<div id="frame" hidden>
  <section id="panel" part="panel" aria-labelledby="heading" hidden>
    <div class="batch" part="header">
      <h2 id="heading" part="heading" tabindex="-1"></h2>
      <p id="count"></p>
      <div class="bar slim" id="overall" part="overall bar" role="progressbar" aria-valuemin="0" aria-valuemax="100">
        <div class="fill" id="overall-fill" part="fill"></div>
      </div>
      <p class="batch-actions">
        <button class="button quiet" id="cancel-all" part="button" type="button"><span></span></button>
        <button class="button quiet" id="hide-finished" part="button" type="button"><span></span></button>
        <button class="button quiet icon" id="collapse" part="button" type="button" aria-controls="body">
          <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d="m6 9.5 6 6 6-6"/></svg>
          <span class="visually-hidden"></span>
        </button>
        <button class="button quiet icon" id="close" part="button" type="button">
          <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
            <path d="M6.5 6.5l11 11M17.5 6.5l-11 11"/>
          </svg>
          <span class="visually-hidden"></span>
        </button>
      </p>
    </div>
    <div id="body">
      <ul class="cards" id="cards"></ul>
      <button class="button quiet" id="more" part="more button" type="button" aria-controls="cards">
        <span></span>
      </button>
    </div>
  </section>
  <p class="visually-hidden" id="announcer" role="status"></p>
</div>`;

/** Of a single upload. */
export const SINGLE = document.createElement("template");
SINGLE.innerHTML = `
<div id="frame" hidden>
  <div id="panel" hidden>
    <ul class="cards" id="cards"></ul>
  </div>
  <p class="visually-hidden" id="announcer" role="status"></p>
</div>`;

/** @type {Map<string, Promise<CSSStyleSheet>>} */
const sheets = new Map();

/** Adds style sheets from beside this file, in this order. @param {ShadowRoot} root @param {string[]} names */
export async function addStyle(root, ...names) {
  const loaded = await Promise.all(names.map(sheetOf));
  root.adoptedStyleSheets.push(...loaded);
}

/** What shows the results of a completed upload, and its style. @param {ShadowRoot} root */
export async function loadResultView(root) {
  const [{ ResultView }] = await Promise.all([import("./result-view.js"), addStyle(root, "result-view.css")]);
  return ResultView;
}

/** @param {string} name */
function sheetOf(name) {
  const sheet = sheets.get(name) ?? load(name);
  sheets.set(name, sheet);
  return sheet;
}

/** Empty if it cannot be had: the list then works as it is. @param {string} name @returns {Promise<CSSStyleSheet>} */
async function load(name) {
  const response = await fetch(new URL(name, import.meta.url)).catch(() => null);
  return new CSSStyleSheet().replace(response?.ok ? await response.text() : "");
}
