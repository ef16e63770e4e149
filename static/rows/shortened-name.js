/** Divides a filename, so that its middle can be cut where it is too long. Pure. */

const SHORT = 16; // such a name is not cut
const MAX_EXTENSION = 6; // with the dot
const TAIL = 6; // characters before the extension, such as the number of a copy
/** Letters of these scripts look the same wherever a name is divided; those of Arabic, for instance, are joined. */
const DIVISIBLE = /^[\p{Script=Latin}\p{N}\p{P}\p{S}\p{Zs}]*$/u;

/**
 * Return the start of a filename, which may be cut, and its end, which is always shown: the extension, and a few
 * characters before it where the script allows.
 *
 * @param {string} filename
 * @returns {{start: string, end: string}}
 */
export function dividedName(filename) {
  const characters = [...filename];
  if (characters.length <= SHORT) return { start: filename, end: "" };
  const dot = characters.lastIndexOf(".");
  const hasExtension = dot > 0 && characters.length - dot <= MAX_EXTENSION;
  const stem = hasExtension ? dot : characters.length;
  const tail = characters.slice(Math.max(1, stem - TAIL), stem).join("");
  const split = DIVISIBLE.test(tail) ? Math.max(1, stem - TAIL) : stem;
  return { start: characters.slice(0, split).join(""), end: characters.slice(split).join("") };
}
