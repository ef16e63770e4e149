/** Sends the files that were given: checks them, asks about duplicates, and says what is not sent. */

import { rememberHandle } from "../sending/file-handles.js";
import { mediaTypeOf } from "../shared/media-type.js";
import { isAccepted, measuredReason, neededMeasures, rejectionReason } from "./checks.js";
import { separateDuplicates } from "./duplicates.js";
import { MAX_DEPTH, MAX_FILES } from "./given-files.js";

/** @typedef {import("../client/connection.js").Roomcast} Roomcast */
/** @typedef {import("../client/upload.js").Upload} Upload */
/** @typedef {import("../locale/create-locale.js").Locale} Locale */
/** @typedef {import("./checks.js").Config} Config */
/** @typedef {import("./given-files.js").Given} Given */
/** @typedef {import("./given-files.js").GivenFile} GivenFile */
/** @typedef {import("./checks.js").Template} Template */

/**
 * @typedef {object} Intake
 * @property {Roomcast} roomcast                              Sends the files.
 * @property {() => Promise<Config>} config                   Returns what the server accepts.
 * @property {string} type                                    The template; empty for the server's default.
 * @property {string} accept                                  As of a file input; empty for all that the server accepts.
 * @property {Locale} locale
 * @property {import("./notices.js").Notices} notices
 * @property {(file: File, reason: string) => void} refuse    Shows a file that is not sent.
 * @property {(upload: Upload) => void} [started]             Called with each upload.
 */

const MAX_NAMES = 3; // in one notice

/**
 * Send files. Those that would be refused are shown and not sent; duplicates are sent if the person says so.
 *
 * @param {Given} given @param {Intake} intake
 * @returns {Promise<Upload[]>} the uploads that were started, when the question about duplicates has been answered
 */
export async function sendFiles(given, intake) {
  const { accept, locale, notices, roomcast, type } = intake;
  const config = await intake.config();
  const template = config.templates?.find(({ name }) => name === type);
  const isWanted = (/** @type {GivenFile} */ { file, inFolder }) =>
    !inFolder || (isAccepted(file, accept) && (template?.kind === "file" || mediaTypeOf(file) !== null));
  const others = given.files.filter((one) => !isWanted(one)).map(({ file }) => file.name);
  notices.inform(omissions(given, others, locale).join(" "));
  notices.warn(problems(given, locale).join(" "));
  /** @type {GivenFile[]} */ const accepted = [];
  for (const one of given.files.filter(isWanted)) {
    const isOfType = isAccepted(one.file, accept);
    const reason = isOfType ? await reasonAgainst(one.file, config, template, locale) : locale.notAccepted;
    if (reason) intake.refuse(one.file, reason);
    else accepted.push(one);
  }
  const { fresh, duplicates } = separateDuplicates(accepted, roomcast.uploads);
  const uploads = fresh.map((one) => start(one, intake));
  const again = duplicates.length > 0 && (await askAbout(duplicates, intake));
  return again ? [...uploads, ...duplicates.map((one) => start(one, intake))] : uploads;
}

/** @param {File} file @param {Config} config @param {Template | undefined} template @param {Locale} locale */
async function reasonAgainst(file, config, template, locale) {
  const reason = rejectionReason(file, config, template, locale);
  const needed = reason || template?.kind === "file" ? null : neededMeasures(file, config);
  if (!needed) return reason;
  const { measuresOf } = await import("./media-measures.js");
  return measuredReason(await measuresOf(file, needed), config, locale);
}

/** @param {GivenFile[]} duplicates @param {Intake} intake @returns {Promise<boolean>} */
function askAbout(duplicates, { locale: { intake }, notices }) {
  const [{ file }] = duplicates;
  const { length } = duplicates;
  const question = length === 1 ? intake.sendAgainQuestion(file.name) : intake.sendSeveralAgainQuestion(length);
  return notices.ask(question, intake.skip, intake.sendAgain);
}

/** @param {GivenFile} given @param {Intake} intake @returns {Upload} */
function start({ file, handle }, { roomcast, type, started }) {
  const upload = roomcast.upload(file, { type: type || undefined });
  void rememberHandle(upload, handle);
  started?.(upload);
  return upload;
}

/** Return what was left out on purpose. @param {Given} given @param {string[]} others @param {Locale} locale */
function omissions({ hidden }, others, locale) {
  const { hiddenFilesSkipped, otherFilesSkipped } = locale.intake;
  const texts = [];
  if (others.length) texts.push(otherFilesSkipped(others.length, namesOf(others, locale)));
  if (hidden.length) texts.push(hiddenFilesSkipped(hidden.length, namesOf(hidden, locale)));
  return texts;
}

/** Return what could not be sent. @param {Given} given @param {Locale} locale */
function problems({ emptyFolders, largeFolders, deepFolders, unreadable }, { intake }) {
  return [
    ...emptyFolders.map((name) => intake.emptyFolder(name)),
    ...largeFolders.map((name) => intake.folderTooLarge(name, MAX_FILES)),
    ...deepFolders.map((name) => intake.folderTooDeep(name, MAX_DEPTH)),
    ...unreadable.map((name) => intake.unreadable(name)),
  ];
}

/** @param {string[]} names @param {Locale} locale */
function namesOf(names, { format, intake }) {
  const unique = [...new Set(names)];
  const some = unique.slice(0, MAX_NAMES).map((name) => format.isolate(name));
  return format.list(unique.length > MAX_NAMES ? [...some, intake.moreNames(unique.length - MAX_NAMES)] : some);
}
