/** Draws the page's icon with a dot that shows whether uploads are active, done or failed. */

/** @typedef {"idle" | "busy" | "done" | "failed"} Outcome */

const BARS = `<rect x="1" y="8" width="8" height="8" rx="2"/><rect x="11" y="8" width="7" height="8" rx="2" opacity=".6"/>
<rect x="20" y="8" width="3" height="8" rx="1.5" opacity=".35"/>`;
const COLORS = { busy: ["#2746d8", "#93a4ff"], done: ["#14713f", "#62cf96"], failed: ["#b3271c", "#ff9185"] };

/** Return the address of the icon, which needs no request. @param {Exclude<Outcome, "idle">} outcome */
export function iconOf(outcome) {
  const [light, dark] = COLORS[outcome];
  const style = `rect{fill:#2746d8}circle{fill:${light}}
@media (prefers-color-scheme:dark){rect{fill:#93a4ff}circle{fill:${dark}}}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><style>${style}</style>
${BARS}<circle cx="18" cy="18" r="6"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

/** Shows an outcome in the page's icon. @param {HTMLLinkElement} link   The `link` of the page's own icon. */
export function faviconOf(link) {
  const { href } = link;
  return (/** @type {Outcome} */ outcome) => {
    const wanted = outcome === "idle" ? href : iconOf(outcome);
    if (link.href !== wanted) link.href = wanted;
  };
}
