/** The Spanish texts. Pure. */

import { createLocale } from "./create-locale.js";
import { Formats } from "./format.js";

const format = new Formats("es");
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# subida", other: "# subidas" });
const completed = format.plural({ one: "# completada", other: "# completadas" });
const failures = format.plural({ one: "# con error", other: "# con error" });
const hiddenFiles = format.plural({ one: "Se ha omitido # archivo oculto", other: "Se han omitido # archivos ocultos" });
const otherFiles = format.plural({
  one: "Se ha omitido # archivo que no es un vídeo, una imagen ni audio",
  other: "Se han omitido # archivos que no son vídeos, imágenes ni audio",
});
const dropToSend = format.plural({ one: "Suelte para enviar # archivo", other: "Suelte para enviar # archivos" });

/** The texts of the elements in Spanish. */
export const es = createLocale({
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
  pauseAll: "Pausar todo",
  resumeAll: "Reanudar todo",
  retryFailed: "Reintentar las que han fallado",
  undo: "Deshacer",
  download: "Descargar",
  showResult: "Mostrar el resultado",
  hideResult: "Ocultar el resultado",
  sendingStep: "Envío",
  compressingStep: "Compresión",
  storingStep: "Guardado",
  tokenRefused: "El token de acceso no es válido",
  waitingForConnection: "Esperando la conexión",
  continueSending: "Continuar",
  startedAgain: "Iniciada de nuevo",
  overallProgress: "Progreso de todas las subidas",
  reconnecting: "Se ha perdido la conexión. Reconectando…",
  uploadsContinue: "Las subidas continúan.",

  notUploaded: "No se ha subido",
  interrupted: "Subida interrumpida",
  failed: "Error",
  completed: "Completada",
  cancelled: "Cancelada",
  paused: "En pausa",
  pausedByAdmin: "En pausa por el administrador",
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
    UNSUPPORTED_TYPE: "El archivo es de un tipo que no se admite.",
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

  advice: {
    UNSUPPORTED_TYPE: "Puede que esté dañado o que su formato no se conozca aquí. Intente guardarlo como MP4 o JPEG.",
    UNREADABLE_MEDIA: "Compruebe si se reproduce en su dispositivo e intente guardarlo como MP4 o JPEG.",
    TRANSCODE_ERROR: "Inténtelo de nuevo o guarde antes el archivo como MP4 o JPEG.",
    TOO_LARGE: "Elija un archivo más pequeño o comprímalo antes.",
    STORAGE_ERROR: "Su archivo no es la causa. Inténtelo de nuevo en unos minutos.",
    DISK_FULL: "Su archivo no es la causa. Inténtelo de nuevo más tarde.",
    TIMEOUT: "Inténtelo de nuevo, o con un archivo más corto.",
    STALLED: "Inténtelo de nuevo.",
    WORKER_LOST: "Su archivo no es la causa. Inténtelo de nuevo.",
    SOURCE_GONE: "Vuelva a enviar el archivo.",
    INTERNAL: "Si vuelve a ocurrir, indique al operador el ID de la subida.",
  },

  rowCounts: {
    sending: format.plural({ other: "# enviando" }),
    compressing: format.plural({ other: "# comprimiendo" }),
    storing: format.plural({ other: "# guardando" }),
    waiting: format.plural({ other: "# en espera" }),
    needsAction: format.plural({ other: "# sin su archivo" }),
    done: format.plural({ one: "# completada", other: "# completadas" }),
    failed: format.plural({ other: "# con error" }),
    cancelled: format.plural({ one: "# cancelada", other: "# canceladas" }),
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
  asSentence: (text) => `${text}.`,
  fileMissing: (filename) =>
    `El servidor no tiene el archivo completo. Vuelva a elegir ${isolate(filename)} para continuar.`,
  fileUnreadable: "El archivo se modificó, se movió o se eliminó durante el envío.",
  wrongFile: (size) => `Este es otro archivo. El archivo esperado ocupa ${bytes(size)}.`,
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
  percentSent: (percent) => `${percent} enviado`,
  kept: (amount) => `${amount} ya recibidos`,
  retryIn: (time) => `nuevo intento en ${time}`,
  continueForRest: (percent, rest) => `Ha llegado el ${percent}. Continúe para enviar los últimos ${rest}.`,
  chooseForRest: (percent, filename, rest) =>
    `Ha llegado el ${percent}. Vuelva a elegir ${isolate(filename)} para enviar los últimos ${rest}.`,
  deletingSoon: (filename) => `${isolate(filename)} y sus resultados se eliminarán en breve.`,
  tooLong: (seconds, limit) => `El archivo dura ${format.clock(seconds)}. El límite es ${format.clock(limit)}.`,
  tooManyPixels: (pixels, limit) =>
    `La imagen tiene ${format.number(pixels / 1e6)} megapíxeles. El límite es ${format.number(limit / 1e6)}.`,
  tooLarge: (size, limit) => `El archivo ocupa ${bytes(size)}. El límite es ${format.limit(limit)}.`,
  cancellingSoon: format.plural({ one: "La subida se cancelará en breve.", other: "Se cancelarán # subidas en breve." }),
  smaller: (percent) => `${percent} más pequeño`,
  larger: (percent) => `${percent} más grande`,
  sameSize: "Casi del mismo tamaño",
  undecodable: (times) => `El archivo está dañado. No se pudieron leer estos tiempos: ${times}.`,
  incomplete: (length, declaredLength) =>
    `El archivo está incompleto. Solo se han podido leer ${length} de ${declaredLength}.`,
  linkCopiedUntil: (moment) => `Se ha copiado el enlace. Es válido hasta ${moment}.`,
  validUntil: (moment) => `Los enlaces a los archivos son válidos hasta ${moment}.`,
  storedUnchanged: "El archivo ya era pequeño y se ha guardado sin cambios.",
  measuredQuality: (metric, score) => `${metric} ${score}, medido en muestras`,
  poster: (filename) => `Carátula de ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}, comprimido`,
  watch: "Reproducir",
  closePlayer: "Cerrar el reproductor",
  quality: "Calidad",
  automatic: "Automática",
  automaticQuality: (quality) => `Automática (${quality})`,
  filmGrows: "Puede ver lo que ya está comprimido.",
  filmWaits: "Esperando los próximos segundos de la película.",
  filmComplete: "La película está completa.",
  filmUnplayable: "La película no se puede reproducir en este momento. Cierre el reproductor e inténtelo de nuevo, o espere a que la película esté completa.",
  filmCancelled: "La subida se canceló, así que la película termina aquí.",
  filmFailed: "La compresión ha fallado, así que la película termina aquí.",
  qualityReady: (quality) => `Ya se puede elegir ${quality}.`,
  scenes: (filename) => `Escenas de ${isolate(filename)}`,
  announced: (filename, text) => `${filename}: ${text}.`,
  announcedFailure: (filename, reason) => `${filename}: error. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}: no se ha subido. ${reason}`,

  intake: {
    chooseFolder: "Elegir una carpeta",
    takePhoto: "Hacer una foto",
    recordVideo: "Grabar un vídeo",
    skip: "Omitir",
    sendAgain: "Enviar de nuevo",
    pastedPicture: (time) => `Imagen pegada ${time}`,
    sendAgainQuestion: (filename) => `${isolate(filename)} ya está en la lista. ¿Enviarlo de nuevo?`,
    sendSeveralAgainQuestion: format.plural({ other: "# archivos ya están en la lista. ¿Enviarlos de nuevo?" }),
    hiddenFilesSkipped: (count, names) => `${hiddenFiles(count)}: ${names}.`,
    otherFilesSkipped: (count, names) => `${otherFiles(count)}: ${names}.`,
    moreNames: (count) => `${format.number(count)} más`,
    emptyFolder: (folder) => `La carpeta ${isolate(folder)} no contiene archivos.`,
    folderTooLarge: (folder, limit) =>
      `La carpeta ${isolate(folder)} contiene más de ${format.number(limit)} archivos, así que no se ha enviado ninguno. Envíe menos de una vez.`,
    folderTooDeep: (folder, limit) =>
      `La carpeta ${isolate(folder)} está a más de ${format.number(limit)} niveles de profundidad y se ha omitido.`,
    unreadable: (name) => `No se ha podido leer ${isolate(name)}.`,
    dropToSend: (count) => (count > 0 ? dropToSend(count) : "Suelte para enviar"),
    accepted: (formats, limit) => `${formats} y otros · hasta ${limit} cada uno`,
    acceptedUpTo: (limit) => `Cualquier archivo de hasta ${limit}`,
  },

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
    useToken: "Usar el token",

    newUploads: "Nuevas subidas",
    fileTypes: "Vídeos, imágenes y archivos de audio",


    showHidden: format.plural({ one: "Mostrar # oculta", other: "Mostrar # ocultas" }),
    noLongerStored: format.plural({
      one: "Una subida anterior ya no está guardada en el servidor.",
      other: "# subidas anteriores ya no están guardadas en el servidor.",
    }),

    reference: "Referencia de la API",
    admin: "Administración",
    tokenMissing: "Falta el token",
    tokenMissingNote: "Este servidor requiere un token de acceso. Introdúzcalo abajo para continuar.",
    tokenRefused: "Token rechazado",
    tokenRefusedNote: "El token de acceso no es válido. Compruébelo o pida uno nuevo.",
    tokenHint: "El token solo se guarda para esta pestaña.",
    template: "¿Para qué es?",
    templateTitle: ({ title, kind }) =>
      ({ video: `${title} (solo vídeos)`, image: `${title} (solo imágenes)`, file: `${title} (cualquier archivo, guardado sin cambios)` })[kind] ??
      title,
    builtInTemplates: { auto: "Vídeos, imágenes y archivos de audio", "hero-video": "Vídeo", image: "Imagen" },
    notifyMe: "Avisarme al terminar",
    notificationsOn: "Recibirá un aviso cuando terminen las subidas.",
    notificationsBlocked: "Este navegador bloquea los avisos de esta página. Permítalos en los ajustes del navegador.",
    titleActive: (percent) => `${percent} · Roomcast`,
    titleEnded: (result) => `${result} · Roomcast`,
    done: format.plural({ one: "# completada", other: "# completadas" }),
    failed: format.plural({ other: "# con error" }),
  },
});
