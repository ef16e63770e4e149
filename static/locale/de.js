/** The German texts. Pure. */

import { createTranslation } from "./create-locale.js";
import { ENGLISH_TEXTS } from "./en.js";
import { Formats } from "./format.js";

const format = new Formats("de", { symbols: { second: "s", minute: "min", hour: "h" } });
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# Upload", other: "# Uploads" });

/** The texts of the elements in German. */
export const de = createTranslation(ENGLISH_TEXTS, {
  language: "de",
  direction: "ltr",
  format,

  heading: "Uploads",
  untitled: "Upload",
  cancel: "Abbrechen",
  cancelling: "Wird abgebrochen …",
  cancelAll: "Alle abbrechen",
  pause: "Anhalten",
  resume: "Fortsetzen",
  retry: "Erneut versuchen",
  choose: "Datei erneut auswählen",
  delete: "Löschen",
  deleting: "Wird gelöscht …",
  dismiss: "Ausblenden",
  copyId: "Upload-ID kopieren",
  copied: "Kopiert",
  hideFinished: "Fertige ausblenden",
  collapse: "Einklappen",
  expand: "Ausklappen",
  close: "Schließen",
  showFewer: "Weniger anzeigen",
  overallProgress: "Fortschritt aller Uploads",
  reconnecting: "Die Verbindung ist unterbrochen. Sie wird wiederhergestellt …",
  uploadsContinue: "Die Uploads laufen weiter.",

  notUploaded: "Nicht hochgeladen",
  interrupted: "Upload unterbrochen",
  failed: "Fehlgeschlagen",
  completed: "Fertig",
  cancelled: "Abgebrochen",
  paused: "Angehalten",
  waiting: "Wartet auf das Hochladen",
  loading: "Wird geladen",
  needsToken: "Wartet auf ein Zugriffstoken",
  needsFile: "Datei wird benötigt",

  dropFiles: "Dateien hier ablegen",
  or: "oder",
  chooseFiles: "Dateien auswählen",
  emptyFile: "Die Datei ist leer.",
  notAccepted: "Dateien dieses Typs werden hier nicht angenommen.",
  notMedia: "Die Datei ist weder ein Video noch ein Bild noch eine Audiodatei.",

  original: "Original",
  result: "Ergebnis",
  downloads: "Downloads",
  openResult: "Öffnen",
  copyLink: "Link kopieren",
  copyEmbedCode: "Einbettungscode kopieren",
  linkCopied: "Der Link wurde kopiert. Er gilt, bis der Upload gelöscht wird.",
  embedCodeCopied: "Der Einbettungscode wurde kopiert.",
  copyYourself: "Der Browser lässt das Kopieren nicht zu. Der Text ist markiert: Kopieren Sie ihn selbst.",
  noLastingLink: "Ein Einbettungscode braucht einen dauerhaften Link, der hier nicht erstellt werden kann.",

  comma: ", ",

  stages: {
    receiving: "Wird empfangen",
    queued: "Wartet auf Verarbeitung",
    fetching: "Datei wird geholt",
    probing: "Datei wird analysiert",
    compressing: "Wird komprimiert",
    thumbnails: "Vorschaubilder werden erstellt",
    storing: "Ergebnis wird gespeichert",
    cleaning: "Temporäre Dateien werden entfernt",
    done: "Fertig",
    failed: "Fehlgeschlagen",
    cancelled: "Abgebrochen",
    deleted: "Gelöscht",
  },

  outputKinds: {
    video: "Video",
    audio: "Audio",
    image: "Bild",
    poster: "Vorschaubild",
    thumbnail: "Bild",
    file: "Datei",
  },

  errors: {
    MALFORMED: "Die Anfrage ist ungültig.",
    INVALID_METADATA: "Die Metadaten des Uploads sind ungültig.",
    UNAUTHENTICATED: "Ein gültiges Zugriffstoken ist erforderlich.",
    FORBIDDEN: "Dazu fehlt Ihnen die Berechtigung.",
    NOT_FOUND: "Diesen Upload gibt es nicht oder nicht mehr.",
    WRONG_STATE: "Das ist im aktuellen Zustand des Uploads nicht möglich.",
    ID_TAKEN: "Ein Upload mit dieser ID ist bereits vorhanden.",
    TOO_LARGE: "Die Datei ist größer als erlaubt.",
    UNSUPPORTED_TYPE: "Dateien dieses Typs werden nicht unterstützt.",
    UNREADABLE_MEDIA: "Die Datei lässt sich nicht lesen. Sie ist möglicherweise beschädigt.",
    TRANSCODE_ERROR: "Die Datei konnte nicht komprimiert werden.",
    STORAGE_ERROR: "Der Speicher ist zurzeit nicht erreichbar.",
    TIMEOUT: "Die Verarbeitung hat zu lange gedauert.",
    STALLED: "Die Verarbeitung ist stehen geblieben.",
    CANCELLED: "Der Upload wurde abgebrochen.",
    DELETED: "Der Upload wurde gelöscht.",
    SOURCE_GONE: "Die Originaldatei dieses Uploads ist nicht mehr gespeichert.",
    ADDRESS_REFUSED: "Von dieser Adresse werden keine Dateien geholt.",
    IMPORT_FAILED: "Die Datei konnte nicht von ihrer Adresse geholt werden.",
    WORKER_LOST: "Die Verarbeitung wurde unterbrochen.",
    UNREADABLE_RECORD: "Der gespeicherte Zustand des Uploads ist beschädigt.",
    TOO_MANY: "Zurzeit laufen zu viele Uploads. Versuchen Sie es später erneut.",
    DISK_FULL: "Auf dem Server ist kein Speicherplatz mehr frei.",
    HOOK_FAILED: "Eine Prüfung der Anwendung ist fehlgeschlagen.",
    STEP_FAILED: "Ein Verarbeitungsschritt der Anwendung ist fehlgeschlagen.",
    INTERNAL: "Ein unerwarteter Fehler ist aufgetreten.",
    NETWORK: "Die Verbindung zum Server ist unterbrochen.",
  },

  insideSentence: (title) => title,
  ofTotal: (amount, total) => `${amount} von ${total}`,
  showMore: (count) => `${format.number(count)} weitere anzeigen`,
  secondLeft: "noch etwa eine Sekunde",
  timeLeft: (time) => `noch etwa ${time}`,
  queuePosition: (position) =>
    position <= 1 ? "als Nächstes an der Reihe" : `Platz ${format.number(position)} in der Warteschlange`,
  compressionSpeed: (speed) => `${speed} Geschwindigkeit`,
  framesPerSecond: (count) => `${count} Bilder/s`,
  expectedSize: (size) => `voraussichtlich ${size}`,
  expectedTime: (time) => `voraussichtliche Dauer ${time}`,
  attemptNumber: (attempt) => `Versuch ${format.number(attempt)}`,
  attempt: (attempt) => `Versuch ${format.number(attempt)}.`,
  fileMissing: (filename) =>
    `Auf dem Server ist die Datei nicht vollständig. Wählen Sie ${isolate(filename)} erneut aus, um fortzufahren.`,
  confirmDelete: (filename) => `${isolate(filename)} mit allen Ergebnissen löschen?`,
  wrongFile: (size) => `Das ist eine andere Datei. Die erwartete Datei ist ${bytes(size)} groß.`,
  tooLarge: (size, limit) => `Die Datei ist ${bytes(size)} groß. Dieser Server nimmt Dateien bis ${bytes(limit)} an.`,
  wrongForTemplate: (template, kind) =>
    `Die Vorlage „${template}“ nimmt nur ${kind === "video" ? "Videos" : "Bilder"} an.`,
  dialogTitle({ total, active, completed, failed }) {
    if (total === 0) return "Uploads";
    if (active) return `Upload ${format.number(total - active + 1)} von ${format.number(total)}`;
    return failed ? `${format.number(completed)} von ${uploads(total)} fertig` : `${uploads(total)} fertig`;
  },
  summary({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) {
      return `${format.number(total - active)} von ${format.number(total)} fertig, ${format.percent(progress)}`;
    }
    if (total === 1) return failed ? "Fehlgeschlagen" : "Fertig";
    return `Alle ${format.number(total)} beendet${failed ? `, ${format.number(failed)} fehlgeschlagen` : ""}`;
  },
  smaller: (percent) => `${percent} kleiner`,
  larger: (percent) => `${percent} größer`,
  sameSize: "Etwa gleich groß",
  incomplete: (length, declaredLength) =>
    `Die Datei ist unvollständig. Nur ${length} von ${declaredLength} konnten gelesen werden.`,
  linkCopiedUntil: (moment) => `Der Link wurde kopiert. Er gilt bis ${moment}.`,
  validUntil: (moment) => `Die Links gelten bis ${moment}.`,
  storedUnchanged: "Die Datei war bereits klein und wurde unverändert gespeichert.",
  measuredQuality: (metric, score) => `${metric} ${score}, an Stichproben gemessen`,
  poster: (filename) => `Vorschaubild von ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}, komprimiert`,
  scenes: (filename) => `Szenen von ${isolate(filename)}`,
  announced: (filename, text) => `${filename}: ${text}.`,
  announcedFailure: (filename, reason) => `${filename}: Fehlgeschlagen. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}: Nicht hochgeladen. ${reason}`,

  page: {
    heading: "Video oder Bild hochladen",
    introduction:
      "Jede Datei wird auf dem Server komprimiert. Der Fortschritt ist live zu sehen, vom ersten Byte bis zum fertigen Ergebnis.",
    language: "Sprache",

    connecting: "Verbindung wird hergestellt",
    live: "Live",
    polling: "Abfrage",
    pollingNote: "Die Live-Verbindung ist nicht verfügbar. Der Fortschritt wird alle paar Sekunden aktualisiert.",
    reconnecting: "Verbindung wird wiederhergestellt",
    reconnectingNote:
      "Die Verbindung ist unterbrochen und wird wiederhergestellt. Die Uploads werden danach automatisch fortgesetzt.",
    offline: "Offline",
    offlineNote: "Sie sind offline. Die Uploads werden automatisch fortgesetzt, sobald Sie wieder online sind.",

    token: "Zugriffstoken",
    tokenHint: "Dieser Server verlangt eine Anmeldung. Das Token wird nur für diesen Tab gespeichert.",
    useToken: "Token verwenden",

    newUploads: "Neue Uploads",
    fileTypes: "Videos, Bilder und Audiodateien",
    template: "Wofür ist es?",

    steps: "Schritte der Verarbeitung",
    received: "Empfangen und geprüft",
    compressed: "Komprimiert",
    stored: "Gespeichert",

    showHidden: (count) => `${format.number(count)} ausgeblendete anzeigen`,
    noLongerStored: format.plural({
      one: "Ein früherer Upload ist nicht mehr auf dem Server gespeichert.",
      other: "# frühere Uploads sind nicht mehr auf dem Server gespeichert.",
    }),
  },
});
