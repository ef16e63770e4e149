/** The markup and the style sheets of the elements. A style sheet is loaded once for all elements of a page. */

import { Markup } from "../shared/dom.js";
import { styleText } from "../shared/style-text.js";

/** The shadow tree of `<upload-progress-list>`. */
export const LIST_MARKUP = new Markup(`
<div id="frame" hidden>
  <section id="panel" part="panel" aria-labelledby="heading" hidden>
    <div class="batch" part="header">
      <h2 id="heading" part="heading" tabindex="-1"></h2>
      <p id="count"></p>
      <div class="bar slim" id="overall" part="overall bar" role="progressbar" aria-valuemin="0" aria-valuemax="100">
        <div class="fill" id="overall-fill" part="fill"></div>
      </div>
      <p class="window-actions">
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
      <p class="batch-actions">
        <button class="button quiet" id="pause-all" part="button" type="button"><span></span></button>
        <button class="button quiet" id="retry-failed" part="button" type="button"><span></span></button>
        <button class="button quiet" id="cancel-all" part="button" type="button"><span></span></button>
        <button class="button quiet" id="hide-finished" part="button" type="button"><span></span></button>
      </p>
    </div>
    <div id="body">
      <ul class="cards" id="cards"></ul>
      <button class="button quiet" id="more" part="more button" type="button" aria-controls="cards">
        <span></span>
      </button>
    </div>
    <div class="undo-notice" id="undo-notice" part="undo" hidden>
      <p id="undo-text"></p>
      <button class="button quiet" id="undo" part="button" type="button" aria-describedby="undo-text"><span></span></button>
      <span class="undo-time" aria-hidden="true"></span>
    </div>
  </section>
  <p class="visually-hidden" id="announcer" role="status"></p>
</div>`);

/** The shadow tree of `<upload-progress>`. */
export const SINGLE_MARKUP = new Markup(`
<div id="frame" hidden>
  <div id="panel" hidden>
    <ul class="cards single" id="cards"></ul>
  </div>
  <p class="visually-hidden" id="announcer" role="status"></p>
</div>`);

/** @type {Map<string, Promise<CSSStyleSheet>>} */
const sheets = new Map();

/** Add style sheets to a shadow tree, in this order. @param {ShadowRoot} root @param {string[]} paths   Below `static/`. */
export async function addStyleSheets(root, ...paths) {
  const loaded = await Promise.all(paths.map(sheetAt));
  root.adoptedStyleSheets.push(...loaded.filter((sheet) => !root.adoptedStyleSheets.includes(sheet)));
}

/** Load the class that shows results, and add its style sheet. @param {ShadowRoot} root */
export async function loadResultView(root) {
  const style = addStyleSheets(root, "results/result-view.css");
  const [{ ResultView }] = await Promise.all([import("../results/result-view.js"), style]);
  return ResultView;
}

/** Load the class that plays growing films, and add its style sheets. @param {ShadowRoot} root */
export async function loadFilmPlayer(root) {
  const style = addStyleSheets(root, "results/result-view.css", "results/film-player.css");
  const [{ FilmPlayer }] = await Promise.all([import("../results/film-player.js"), style]);
  return FilmPlayer;
}

/** @param {string} path */
function sheetAt(path) {
  const sheet = sheets.get(path) ?? load(path);
  sheets.set(path, sheet);
  return sheet;
}

/** @param {string} path @returns {Promise<CSSStyleSheet>} */
async function load(path) {
  return new CSSStyleSheet().replace(await styleText(path));
}
