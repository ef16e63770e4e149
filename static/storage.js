/** What this browser keeps for us. It may forbid that, or have no room left: then nothing is kept and nothing fails. */

/** @template T @param {() => T} work @param {T} otherwise */
export function guarded(work, otherwise) {
  try {
    return work();
  } catch {
    return otherwise;
  }
}
