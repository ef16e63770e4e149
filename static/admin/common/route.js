/** The routes of the admin page, which are in the fragment of its URL: the list with its filter, and an upload. Pure. */

/**
 * @typedef {object} Filter   Which uploads are listed, and in which order; empty texts select everything.
 * @property {string} state      A status, or one of the stages `queued`, `failed` and `cancelled`.
 * @property {string} text       A part of the file's name.
 * @property {string} template
 * @property {string} owner
 * @property {string} code       The code of the error.
 * @property {string} age        `hour` or `day`: created within it.
 * @property {string} sort       `newest`, `oldest`, `largest` or `longest`.
 *
 * @typedef {{view: "list", filter: Filter} | {view: "upload", uploadId: string}} Route
 */

/** @type {Readonly<Filter>} */
export const NO_FILTER = { state: "", text: "", template: "", owner: "", code: "", age: "", sort: "newest" };

const STAGES = new Set(["queued", "failed", "cancelled"]);
const AGES_MS = new Map([["hour", 3_600_000], ["day", 86_400_000]]);

const VALUES = /** @type {Partial<Record<keyof Filter, readonly string[]>>} */ ({
  state: ["queued", "starting", "compressing", "uploading", "completed", "failed", "cancelled"],
  age: [...AGES_MS.keys()],
  sort: ["newest", "oldest", "largest", "longest"],
});
const MAX_LENGTH = 200; // of a text that the server accepts

const NAMES = /** @type {(keyof Filter)[]} */ (Object.keys(NO_FILTER));
const UPLOADS = "#/uploads/";

/** Return the route of a fragment; the unfiltered list if it is none. Values that do not exist are left out. @param {string} fragment   With its `#`. @returns {Route} */
export function parseRoute(fragment) {
  if (fragment.startsWith(UPLOADS)) {
    const uploadId = decoded(fragment.slice(UPLOADS.length));
    if (uploadId) return { view: "upload", uploadId };
  }
  const query = new URLSearchParams(fragment.startsWith("#/?") ? fragment.slice(3) : "");
  const filter = { ...NO_FILTER };
  for (const name of NAMES) {
    const value = (query.get(name) ?? "").slice(0, MAX_LENGTH);
    if (value && (VALUES[name]?.includes(value) ?? true)) filter[name] = value;
  }
  return { view: "list", filter };
}

/** Return the fragment of the list. @param {Partial<Filter>} filter */
export function listFragment(filter) {
  const query = new URLSearchParams(differences(filter)).toString();
  return query ? `#/?${query}` : "#/";
}

/** Return the fragment of an upload. @param {string} uploadId */
export function uploadFragment(uploadId) {
  return `${UPLOADS}${encodeURIComponent(uploadId)}`;
}

/** Return whether a filter leaves out uploads or changes their order. @param {Filter} filter */
export function isFiltered(filter) {
  return differences(filter).length > 0;
}

/**
 * Return a filter as the server's calls take it.
 *
 * @param {Filter} filter
 * @param {number} now   The server's time in ms.
 * @returns {Record<string, string>}
 */
export function serverFilter({ state, age, sort: _, ...others }, now) {
  const milliseconds = AGES_MS.get(age);
  const filter = {
    ...others,
    [STAGES.has(state) ? "stage" : "status"]: state,
    since: milliseconds ? new Date(now - milliseconds).toISOString() : "",
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
}

/** Return a filter in words, such as `failed, “hero-video”`. @param {Filter} filter */
export function filterWords({ state, text, template, owner, code, age }) {
  const words = [
    state,
    text && `name with “${text}”`,
    template && `template “${template}”`,
    owner && `owner “${owner}”`,
    code && `code ${code}`,
    age && `created within the last ${age}`,
  ];
  return words.filter(Boolean).join(", ");
}

/** Return the properties of a filter that differ from the unfiltered list. @param {Partial<Filter>} filter */
function differences(filter) {
  return NAMES.map((name) => [name, filter[name] ?? ""]).filter(
    ([name, value]) => value && value !== NO_FILTER[/** @type {keyof Filter} */ (name)],
  );
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
