/** The markup and the icons of a row. */

import { Markup } from "../shared/dom.js";

export const CARD_MARKUP = new Markup(`
<li class="card" part="row" tabindex="-1">
  <svg class="glyph" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
    <path class="glyph-video" d="M4 5h16v14H4zM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4"/>
    <path class="glyph-audio" d="M4 10v4M8 6.5v11M12 9v6M16 4.5v15M20 10v4"/>
    <path class="glyph-image" d="M4 5h16v14H4zm0 11 5-5 4 4 2.5-2.5L20 17M15.5 9.2h.01"/>
    <path class="glyph-done" d="m5 12.5 4.7 4.7L19.5 7"/>
    <path class="glyph-failed" d="M12 6v7.5m0 4v.01"/>
    <path class="glyph-cancelled" d="M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM6.5 17.5l11-11"/>
  </svg>
  <img class="preview" hidden>
  <button class="button icon watch" part="button" type="button" data-action="watch"></button>
  <h3 class="name" part="name"
    ><span class="name-text" dir="auto"><span class="name-start"></span><span class="name-end"></span></span></h3>
  <p class="percent" aria-hidden="true"
    ><span class="percent-before"></span><span class="percent-number"></span><span class="percent-after"></span></p>
  <div class="progress">
    <div class="bar" part="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100">
      <div class="segment"><div class="fill" part="fill"></div></div>
      <div class="segment"><div class="fill" part="fill"></div></div>
      <div class="segment"><div class="fill" part="fill"></div></div>
    </div>
    <p class="segment-names" aria-hidden="true"><span></span><span></span><span></span></p>
  </div>
  <div class="foot">
    <div class="now">
      <p class="line">
        <span class="doing">
          <svg class="activity" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true">
            <g class="waiting"><circle cx="12" cy="12" r="8"/><path d="M12 7.5V12l3 2"/></g>
            <g class="receiving"><path d="M5 16v3h14v-3"/><path class="moves" d="M12 15V5M8 9l4-4 4 4"/></g>
            <g class="reading"><path class="moves" d="M10.5 5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM14.5 14.5l4 4"/></g>
            <g class="compressing">
              <path class="moves" d="m7 3.5 5 4.5 5-4.5"/><path d="M6 12h12"/><path class="moves" d="m7 20.5 5-4.5 5 4.5"/>
            </g>
            <g class="storing"><path d="M5 15v4h14v-4"/><path class="moves" d="M12 4v10M8 10l4 4 4-4"/></g>
          </svg>
          <span class="stage" part="stage"></span>
        </span>
        <span class="progress-facts"><span class="facts-line"></span></span>
      </p>
      <p class="attempt"></p>
      <p class="problem" part="problem" dir="auto"></p>
    </div>
    <div class="actions">
      <button class="button" part="button action" type="button" data-action="pause"></button>
      <button class="button" part="button action" type="button" data-action="resume"></button>
      <button class="button" part="button action" type="button" data-action="cancel"></button>
      <button class="button" part="button action" type="button" data-action="retry"></button>
      <button class="button primary" part="button action" type="button" data-action="choose"></button>
      <a class="button" part="button" data-action="download" hidden></a>
      <button class="button quiet" part="button" type="button" data-action="show"></button>
      <button class="button quiet icon" part="button action" type="button" data-action="dismiss"></button>
      <button class="button quiet icon" part="button action" type="button" data-action="delete"></button>
    </div>
  </div>
  <p class="reference" hidden>
    <code class="upload-id" part="id"></code>
    <button class="button quiet icon copy" part="button" type="button"></button>
  </p>
  <input type="file" hidden>
</li>`);

/** The paths of the icons. Each has one meaning: a square stops the work, a cross takes a row away. */
export const ICONS = {
  pause: "M8 6v12M16 6v12",
  resume: "M8 5.5v13l10-6.5z",
  cancel: "M7 7h10v10H7z",
  retry: "M18.5 9A7 7 0 1 0 19 13.5M19 5v4.5h-4.5",
  choose: "M4 18V6h6l2 2.5h8V18z",
  download: "M12 4v11m-5-5 5 5 5-5M5 20h14",
  show: "m6 9.5 6 6 6-6",
  watch: "M8 5.5v13l10-6.5z",
  delete: "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 10.5v5.5M13.5 10.5v5.5",
  dismiss: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  copy: "M9 9h10v11H9zM15 5.5V4H5v11h1.5",
  copied: "m5 12.5 4.7 4.7L19.5 7",
};

/** Return the markup of an icon with an empty text beside it. @param {string} path */
export function iconMarkup(path) {
  return `
    <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d="${path}"/></svg>
    <span></span>`;
}
