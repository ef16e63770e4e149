/** The style sheets of the rows. Pure. */

/** Below `static/`, in their order: a later one replaces what an earlier one says. */
export const ROW_STYLES = ["rows/bar.css", "rows/row.css", "rows/completed.css", "rows/compact.css", "rows/narrow.css"];
