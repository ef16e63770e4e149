/** The Spanish texts. Pure. */

import { createTranslation } from "./create-locale.js";
import { ENGLISH_TEXTS } from "./en.js";
import { Formats } from "./format.js";

const format = new Formats("es");
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# subida", other: "# subidas" });
const completed = format.plural({ one: "# completada", other: "# completadas" });
const failures = format.plural({ one: "# con error", other: "# con error" });

/** The texts of the elements in Spanish. */
export const es = createTranslation(ENGLISH_TEXTS, {
  language: "es",
  direction: "ltr",
  format,

  heading: "Subidas",
  untitled: "Subida",
  cancel: "Cancelar",
  cancelling: "Cancelando…",
  cancelAll: "Cancelar todo",
  pause: "Pausar",
  resume: "Reanudar",
  retry: "Reintentar",
  choose: "Volver a elegir el archivo",
  delete: "Eliminar",
  deleting: "Eliminando…",
  dismiss: "Descartar",
  copyId: "Copiar el ID de la subida",
  copied: "Copiado",
  hideFinished: "Ocultar las terminadas",
  collapse: "Contraer",
  expand: "Expandir",
  close: "Cerrar",
  showFewer: "Mostrar menos",
  overallProgress: "Progreso de todas las subidas",
  reconnecting: "Se ha perdido la conexión. Reconectando…",
  uploadsContinue: "Las subidas continúan.",

  notUploaded: "No se ha subido",
  interrupted: "Subida interrumpida",
  failed: "Error",
  completed: "Completada",
  cancelled: "Cancelada",
  paused: "En pausa",
  waiting: "En espera de envío",
  loading: "Cargando",
  needsToken: "En espera de un token de acceso",
  needsFile: "Falta el archivo",

  dropFiles: "Suelte los archivos aquí",
  or: "o",
  chooseFiles: "Elegir archivos",
  emptyFile: "El archivo está vacío.",
  notAccepted: "Aquí no se aceptan archivos de este tipo.",
  notMedia: "El archivo no es un vídeo, una imagen ni un archivo de audio.",

  original: "Original",
  result: "Resultado",
  downloads: "Descargas",
  openResult: "Abrir",
  copyLink: "Copiar enlace",
  copyEmbedCode: "Copiar código para insertar",
  linkCopied: "Se ha copiado el enlace. Es válido hasta que se elimine la subida.",
  embedCodeCopied: "Se ha copiado el código para insertar.",
  copyYourself: "El navegador no permite copiar. El texto está seleccionado: cópielo usted.",
  noLastingLink: "El código para insertar necesita un enlace permanente, que no se puede crear aquí.",

  comma: ", ",

  stages: {
    receiving: "Recibiendo",
    queued: "En espera de procesamiento",
    fetching: "Obteniendo el archivo",
    probing: "Analizando el archivo",
    compressing: "Comprimiendo",
    thumbnails: "Creando vistas previas",
    storing: "Guardando el resultado",
    cleaning: "Borrando archivos temporales",
    done: "Completada",
    failed: "Error",
    cancelled: "Cancelada",
    deleted: "Eliminada",
  },

  outputKinds: {
    video: "Vídeo",
    audio: "Audio",
    image: "Imagen",
    poster: "Carátula",
    thumbnail: "Imagen",
    file: "Archivo",
  },

  errors: {
    MALFORMED: "La solicitud no es válida.",
    INVALID_METADATA: "Los metadatos de la subida no son válidos.",
    UNAUTHENTICATED: "Se necesita un token de acceso válido.",
    FORBIDDEN: "No tiene permiso para hacer esto.",
    NOT_FOUND: "Esta subida no existe o ya no existe.",
    WRONG_STATE: "Esto no es posible en el estado actual de la subida.",
    ID_TAKEN: "Ya existe una subida con este ID.",
    TOO_LARGE: "El archivo supera el tamaño permitido.",
    UNSUPPORTED_TYPE: "No se admiten archivos de este tipo.",
    UNREADABLE_MEDIA: "No se puede leer el archivo. Es posible que esté dañado.",
    TRANSCODE_ERROR: "No se ha podido comprimir el archivo.",
    STORAGE_ERROR: "El almacenamiento no está disponible en este momento.",
    TIMEOUT: "El procesamiento ha tardado demasiado.",
    STALLED: "El procesamiento se ha detenido.",
    CANCELLED: "La subida se ha cancelado.",
    DELETED: "La subida se ha eliminado.",
    SOURCE_GONE: "El archivo original de esta subida ya no está guardado.",
    ADDRESS_REFUSED: "No se importan archivos de esta dirección.",
    IMPORT_FAILED: "No se ha podido obtener el archivo de su dirección.",
    WORKER_LOST: "El procesamiento se ha interrumpido.",
    UNREADABLE_RECORD: "El estado guardado de la subida está dañado.",
    TOO_MANY: "Hay demasiadas subidas en curso. Inténtelo de nuevo más tarde.",
    DISK_FULL: "No queda espacio en el servidor.",
    HOOK_FAILED: "Ha fallado una comprobación de la aplicación.",
    STEP_FAILED: "Ha fallado un paso del procesamiento de la aplicación.",
    INTERNAL: "Se ha producido un error inesperado.",
    NETWORK: "Se ha perdido la conexión con el servidor.",
  },

  insideSentence: (title) => title.toLowerCase(),
  ofTotal: (amount, total) => `${amount} de ${total}`,
  showMore: (count) => `Mostrar ${format.number(count)} más`,
  secondLeft: "queda un segundo aproximadamente",
  timeLeft: (time) => `faltan unos ${time}`,
  queuePosition: (position) =>
    position <= 1 ? "siguiente en la cola" : `puesto ${format.number(position)} en la cola`,
  compressionSpeed: (speed) => `velocidad ${speed}`,
  framesPerSecond: (count) => `${count} fps`,
  expectedSize: (size) => `tamaño previsto ${size}`,
  expectedTime: (time) => `duración prevista ${time}`,
  attemptNumber: (attempt) => `Intento ${format.number(attempt)}`,
  attempt: (attempt) => `Intento ${format.number(attempt)}.`,
  fileMissing: (filename) =>
    `El servidor no tiene el archivo completo. Vuelva a elegir ${isolate(filename)} para continuar.`,
  confirmDelete: (filename) => `¿Eliminar ${isolate(filename)} y sus resultados?`,
  wrongFile: (size) => `Este es otro archivo. El archivo esperado ocupa ${bytes(size)}.`,
  tooLarge: (size, limit) => `El archivo ocupa ${bytes(size)}. Este servidor acepta archivos de hasta ${bytes(limit)}.`,
  wrongForTemplate: (template, kind) =>
    `La plantilla «${template}» solo acepta ${kind === "video" ? "vídeos" : "imágenes"}.`,
  dialogTitle({ total, active, completed: done, failed }) {
    if (total === 0) return "Subidas";
    if (active) return `Subiendo ${format.number(total - active + 1)} de ${format.number(total)}`;
    return failed ? `${format.number(done)} de ${uploads(total)} sin error` : completed(total);
  },
  summary({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) {
      return `${format.number(total - active)} de ${format.number(total)} terminadas, ${format.percent(progress)}`;
    }
    if (total === 1) return failed ? "Error" : "Terminada";
    return `${format.number(total)} terminadas${failed ? `, ${failures(failed)}` : ""}`;
  },
  smaller: (percent) => `${percent} más pequeño`,
  larger: (percent) => `${percent} más grande`,
  sameSize: "Casi del mismo tamaño",
  incomplete: (length, declaredLength) =>
    `El archivo está incompleto. Solo se han podido leer ${length} de ${declaredLength}.`,
  linkCopiedUntil: (moment) => `Se ha copiado el enlace. Es válido hasta ${moment}.`,
  validUntil: (moment) => `Los enlaces son válidos hasta ${moment}.`,
  storedUnchanged: "El archivo ya era pequeño y se ha guardado sin cambios.",
  measuredQuality: (metric, score) => `${metric} ${score}, medido en muestras`,
  poster: (filename) => `Carátula de ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}, comprimido`,
  scenes: (filename) => `Escenas de ${isolate(filename)}`,
  announced: (filename, text) => `${filename}: ${text}.`,
  announcedFailure: (filename, reason) => `${filename}: error. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}: no se ha subido. ${reason}`,

  page: {
    heading: "Suba un vídeo o una imagen",
    introduction:
      "Cada archivo se comprime en el servidor. El progreso se muestra en directo, desde el primer byte hasta el resultado final.",
    language: "Idioma",

    connecting: "Conectando",
    live: "En directo",
    polling: "Consulta periódica",
    pollingNote: "La conexión en directo no está disponible. El progreso se actualiza cada pocos segundos.",
    reconnecting: "Reconectando",
    reconnectingNote: "Se ha perdido la conexión. Reconectando… Las subidas continuarán automáticamente.",
    offline: "Sin conexión",
    offlineNote: "No tiene conexión. Las subidas continuarán automáticamente cuando vuelva a tenerla.",

    token: "Token de acceso",
    tokenHint: "Este servidor requiere autenticación. El token solo se guarda para esta pestaña.",
    useToken: "Usar el token",

    newUploads: "Nuevas subidas",
    fileTypes: "Vídeos, imágenes y archivos de audio",
    template: "¿Para qué es?",

    steps: "Pasos del procesamiento",
    received: "Recibido y comprobado",
    compressed: "Comprimido",
    stored: "Guardado",

    showHidden: format.plural({ one: "Mostrar # oculta", other: "Mostrar # ocultas" }),
    noLongerStored: format.plural({
      one: "Una subida anterior ya no está guardada en el servidor.",
      other: "# subidas anteriores ya no están guardadas en el servidor.",
    }),
  },
});
