/** The German texts. Pure. */

import { createLocale } from "./create-locale.js";
import { Formats } from "./format.js";

const format = new Formats("de", { symbols: { second: "s", minute: "min", hour: "h" } });
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# Upload", other: "# Uploads" });
const hiddenFiles = format.plural({ one: "# versteckte Datei wurde übersprungen", other: "# versteckte Dateien wurden übersprungen" });
const otherFiles = format.plural({
  one: "# Datei, die weder Video noch Bild noch Audio ist, wurde übersprungen",
  other: "# Dateien, die weder Videos noch Bilder noch Audio sind, wurden übersprungen",
});
const dropToSend = format.plural({ one: "Ablegen, um # Datei zu senden", other: "Ablegen, um # Dateien zu senden" });

/** The texts of the elements in German. */
export const de = createLocale({
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
  pauseAll: "Alle anhalten",
  resumeAll: "Alle fortsetzen",
  retryFailed: "Fehlgeschlagene erneut versuchen",
  undo: "Rückgängig",
  download: "Herunterladen",
  showResult: "Ergebnis anzeigen",
  hideResult: "Ergebnis ausblenden",
  sendingStep: "Senden",
  compressingStep: "Komprimieren",
  storingStep: "Speichern",
  tokenRefused: "Das Zugriffstoken ist ungültig",
  waitingForConnection: "Wartet auf die Verbindung",
  continueSending: "Fortfahren",
  startedAgain: "Neu gestartet",
  overallProgress: "Fortschritt aller Uploads",
  reconnecting: "Die Verbindung ist unterbrochen. Sie wird wiederhergestellt …",
  uploadsContinue: "Die Uploads laufen weiter.",

  notUploaded: "Nicht hochgeladen",
  interrupted: "Upload unterbrochen",
  failed: "Fehlgeschlagen",
  completed: "Fertig",
  cancelled: "Abgebrochen",
  paused: "Angehalten",
  pausedByAdmin: "Von der Administration angehalten",
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
    UNSUPPORTED_TYPE: "Die Datei hat einen Typ, der nicht unterstützt wird.",
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

  advice: {
    UNSUPPORTED_TYPE: "Sie ist möglicherweise beschädigt, oder ihr Format ist hier unbekannt. Speichern Sie sie als MP4 oder JPEG.",
    UNREADABLE_MEDIA: "Prüfen Sie, ob sie sich auf Ihrem Gerät abspielen lässt, und speichern Sie sie als MP4 oder JPEG.",
    TRANSCODE_ERROR: "Versuchen Sie es erneut, oder speichern Sie die Datei vorher als MP4 oder JPEG.",
    TOO_LARGE: "Wählen Sie eine kleinere Datei, oder komprimieren Sie sie vorher.",
    STORAGE_ERROR: "Es liegt nicht an Ihrer Datei. Versuchen Sie es in einigen Minuten erneut.",
    DISK_FULL: "Es liegt nicht an Ihrer Datei. Versuchen Sie es später erneut.",
    TIMEOUT: "Versuchen Sie es erneut, oder mit einer kürzeren Datei.",
    STALLED: "Versuchen Sie es erneut.",
    WORKER_LOST: "Es liegt nicht an Ihrer Datei. Versuchen Sie es erneut.",
    SOURCE_GONE: "Senden Sie die Datei erneut.",
    INTERNAL: "Wenn es wieder geschieht, nennen Sie dem Betreiber die ID des Uploads.",
  },

  rowCounts: {
    sending: format.plural({ other: "# werden gesendet", one: "# wird gesendet" }),
    compressing: format.plural({ other: "# werden komprimiert", one: "# wird komprimiert" }),
    storing: format.plural({ other: "# werden gespeichert", one: "# wird gespeichert" }),
    waiting: format.plural({ other: "# warten", one: "# wartet" }),
    needsAction: format.plural({ other: "# brauchen ihre Datei", one: "# braucht die Datei" }),
    done: format.plural({ other: "# fertig" }),
    failed: format.plural({ other: "# fehlgeschlagen" }),
    cancelled: format.plural({ other: "# abgebrochen" }),
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
  asSentence: (text) => `${text}.`,
  fileMissing: (filename) =>
    `Auf dem Server ist die Datei nicht vollständig. Wählen Sie ${isolate(filename)} erneut aus, um fortzufahren.`,
  fileUnreadable: "Die Datei wurde während des Sendens geändert, verschoben oder gelöscht.",
  wrongFile: (size) => `Das ist eine andere Datei. Die erwartete Datei ist ${bytes(size)} groß.`,
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
  percentSent: (percent) => `${percent} gesendet`,
  kept: (amount) => `${amount} bereits übertragen`,
  retryIn: (time) => `neuer Versuch in ${time}`,
  continueForRest: (percent, rest) =>
    `${percent} sind angekommen. Fahren Sie fort, um die restlichen ${rest} zu senden.`,
  chooseForRest: (percent, filename, rest) =>
    `${percent} sind angekommen. Wählen Sie ${isolate(filename)} erneut aus, um die restlichen ${rest} zu senden.`,
  deletingSoon: (filename) => `${isolate(filename)} und alle Ergebnisse werden gleich gelöscht.`,
  tooLong: (seconds, limit) =>
    `Die Datei ist ${format.clock(seconds)} lang. Die Grenze ist ${format.clock(limit)}.`,
  tooManyPixels: (pixels, limit) =>
    `Das Bild hat ${format.number(pixels / 1e6)} Megapixel. Die Grenze ist ${format.number(limit / 1e6)}.`,
  tooLarge: (size, limit) => `Die Datei ist ${bytes(size)} groß. Die Grenze ist ${format.limit(limit)}.`,
  cancellingSoon: format.plural({ one: "Der Upload wird gleich abgebrochen.", other: "# Uploads werden gleich abgebrochen." }),
  smaller: (percent) => `${percent} kleiner`,
  larger: (percent) => `${percent} größer`,
  sameSize: "Etwa gleich groß",
  undecodable: (times) => `Die Datei ist beschädigt. Diese Zeiten konnten nicht gelesen werden: ${times}.`,
  incomplete: (length, declaredLength) =>
    `Die Datei ist unvollständig. Nur ${length} von ${declaredLength} konnten gelesen werden.`,
  linkCopiedUntil: (moment) => `Der Link wurde kopiert. Er gilt bis ${moment}.`,
  validUntil: (moment) => `Die Links zu den Dateien gelten bis ${moment}.`,
  storedUnchanged: "Die Datei war bereits klein und wurde unverändert gespeichert.",
  measuredQuality: (metric, score) => `${metric} ${score}, an Stichproben gemessen`,
  poster: (filename) => `Vorschaubild von ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}, komprimiert`,
  watch: "Abspielen",
  closePlayer: "Player schließen",
  quality: "Qualität",
  automatic: "Automatisch",
  automaticQuality: (quality) => `Automatisch (${quality})`,
  filmGrows: "Sie können ansehen, was schon komprimiert ist.",
  filmWaits: "Die nächsten Sekunden des Films werden erwartet.",
  filmComplete: "Der Film ist vollständig.",
  filmUnplayable: "Der Film kann gerade nicht abgespielt werden. Schließen Sie den Player, und versuchen Sie es noch einmal, oder warten Sie, bis der Film vollständig ist.",
  filmCancelled: "Der Upload wurde abgebrochen, deshalb endet der Film hier.",
  filmFailed: "Die Komprimierung ist fehlgeschlagen, deshalb endet der Film hier.",
  qualityReady: (quality) => `${quality} kann jetzt gewählt werden.`,
  scenes: (filename) => `Szenen von ${isolate(filename)}`,
  announced: (filename, text) => `${filename}: ${text}.`,
  announcedFailure: (filename, reason) => `${filename}: Fehlgeschlagen. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}: Nicht hochgeladen. ${reason}`,

  intake: {
    chooseFolder: "Ordner auswählen",
    takePhoto: "Foto aufnehmen",
    recordVideo: "Video aufnehmen",
    skip: "Überspringen",
    sendAgain: "Erneut senden",
    pastedPicture: (time) => `Eingefügtes Bild ${time}`,
    sendAgainQuestion: (filename) => `${isolate(filename)} ist bereits in der Liste. Erneut senden?`,
    sendSeveralAgainQuestion: format.plural({ other: "# Dateien sind bereits in der Liste. Erneut senden?" }),
    hiddenFilesSkipped: (count, names) => `${hiddenFiles(count)}: ${names}.`,
    otherFilesSkipped: (count, names) => `${otherFiles(count)}: ${names}.`,
    moreNames: (count) => `${format.number(count)} weitere`,
    emptyFolder: (folder) => `Der Ordner ${isolate(folder)} enthält keine Dateien.`,
    folderTooLarge: (folder, limit) =>
      `Der Ordner ${isolate(folder)} enthält mehr als ${format.number(limit)} Dateien, deshalb wurde keine gesendet. Senden Sie weniger auf einmal.`,
    folderTooDeep: (folder, limit) =>
      `Der Ordner ${isolate(folder)} liegt mehr als ${format.number(limit)} Ebenen tief und wurde übersprungen.`,
    unreadable: (name) => `${isolate(name)} konnte nicht gelesen werden.`,
    dropToSend: (count) => (count > 0 ? dropToSend(count) : "Zum Senden ablegen"),
    accepted: (formats, limit) => `${formats} und weitere · jeweils bis ${limit}`,
    acceptedUpTo: (limit) => `Beliebige Dateien bis ${limit}`,
  },

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
    useToken: "Token verwenden",

    newUploads: "Neue Uploads",
    fileTypes: "Videos, Bilder und Audiodateien",


    showHidden: (count) => `${format.number(count)} ausgeblendete anzeigen`,
    noLongerStored: format.plural({
      one: "Ein früherer Upload ist nicht mehr auf dem Server gespeichert.",
      other: "# frühere Uploads sind nicht mehr auf dem Server gespeichert.",
    }),

    reference: "API-Referenz",
    admin: "Verwaltung",
    tokenMissing: "Token erforderlich",
    tokenMissingNote: "Dieser Server verlangt ein Zugriffstoken. Geben Sie es unten ein, um fortzufahren.",
    tokenRefused: "Token abgelehnt",
    tokenRefusedNote: "Das Zugriffstoken ist ungültig. Prüfen Sie es, oder fragen Sie nach einem neuen.",
    tokenHint: "Das Token wird nur für diesen Tab gespeichert.",
    template: "Wofür ist es?",
    templateTitle: ({ title, kind }) =>
      ({ video: `${title} (nur Videos)`, image: `${title} (nur Bilder)`, file: `${title} (beliebige Dateien, unverändert gespeichert)` })[kind] ??
      title,
    builtInTemplates: { auto: "Videos, Bilder und Audiodateien", "hero-video": "Video", image: "Bild" },
    notifyMe: "Benachrichtigen, wenn alles fertig ist",
    notificationsOn: "Sie werden benachrichtigt, wenn die Uploads beendet sind.",
    notificationsBlocked: "Dieser Browser blockiert Benachrichtigungen dieser Seite. Erlauben Sie sie in den Einstellungen des Browsers.",
    titleActive: (percent) => `${percent} · Roomcast`,
    titleEnded: (result) => `${result} · Roomcast`,
    done: format.plural({ other: "# fertig" }),
    failed: format.plural({ other: "# fehlgeschlagen" }),
  },
});
