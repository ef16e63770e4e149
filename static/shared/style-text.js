/** Loads the style sheets of the elements. Bundles replace this module by one that contains them. */

/**
 * Return the text of a style sheet, or an empty one if loading fails: the elements work without it.
 *
 * @param {string} path   Below `static/`.
 * @returns {Promise<string>}
 */
export async function styleText(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url)).catch(() => null);
  return response?.ok ? response.text() : "";
}
