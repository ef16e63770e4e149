/** The French texts. Pure. */

import { createLocale } from "./create-locale.js";
import { Formats } from "./format.js";

const format = new Formats("fr");
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# envoi", other: "# envois" });
const completed = format.plural({ one: "# envoi terminé", other: "# envois terminés" });
const failures = format.plural({ one: "# échec", other: "# échecs" });
const hiddenFiles = format.plural({ one: "# fichier masqué ignoré", other: "# fichiers masqués ignorés" });
const otherFiles = format.plural({
  one: "# fichier qui n’est ni une vidéo, ni une image, ni un son a été ignoré",
  other: "# fichiers qui ne sont ni des vidéos, ni des images, ni des sons ont été ignorés",
});
const dropToSend = format.plural({ one: "Déposez pour envoyer # fichier", other: "Déposez pour envoyer # fichiers" });

/** The texts of the elements in French. */
export const fr = createLocale({
  language: "fr",
  direction: "ltr",
  format,

  heading: "Envois",
  untitled: "Envoi",
  cancel: "Annuler",
  cancelling: "Annulation…",
  cancelAll: "Tout annuler",
  pause: "Suspendre",
  resume: "Reprendre",
  retry: "Réessayer",
  choose: "Choisir à nouveau le fichier",
  delete: "Supprimer",
  deleting: "Suppression…",
  dismiss: "Masquer",
  copyId: "Copier l’identifiant de l’envoi",
  copied: "Copié",
  hideFinished: "Masquer les envois terminés",
  collapse: "Réduire",
  expand: "Développer",
  close: "Fermer",
  showFewer: "Afficher moins",
  pauseAll: "Tout suspendre",
  resumeAll: "Tout reprendre",
  retryFailed: "Réessayer les échecs",
  undo: "Annuler cette action",
  download: "Télécharger",
  showResult: "Afficher le résultat",
  hideResult: "Masquer le résultat",
  sendingStep: "Envoi",
  compressingStep: "Compression",
  storingStep: "Enregistrement",
  tokenRefused: "Le jeton d’accès n’est pas valide",
  waitingForConnection: "En attente de la connexion",
  continueSending: "Continuer",
  startedAgain: "Relancé",
  overallProgress: "Progression de tous les envois",
  reconnecting: "La connexion est interrompue. Reconnexion…",
  uploadsContinue: "Les envois continuent.",

  notUploaded: "Non envoyé",
  interrupted: "Envoi interrompu",
  failed: "Échec",
  completed: "Terminé",
  cancelled: "Annulé",
  paused: "Suspendu",
  pausedByAdmin: "Suspendu par l’administrateur",
  waiting: "En attente d’envoi",
  loading: "Chargement",
  needsToken: "En attente d’un jeton d’accès",
  needsFile: "Fichier requis",

  dropFiles: "Déposez des fichiers ici",
  or: "ou",
  chooseFiles: "Choisir des fichiers",
  emptyFile: "Le fichier est vide.",
  notAccepted: "Les fichiers de ce type ne sont pas acceptés ici.",
  notMedia: "Le fichier n’est ni une vidéo, ni une image, ni un fichier audio.",

  original: "Original",
  result: "Résultat",
  downloads: "Téléchargements",
  openResult: "Ouvrir",
  copyLink: "Copier le lien",
  copyEmbedCode: "Copier le code d’intégration",
  linkCopied: "Le lien a été copié. Il est valable jusqu’à la suppression de l’envoi.",
  embedCodeCopied: "Le code d’intégration a été copié.",
  copyYourself: "Le navigateur n’autorise pas la copie. Le texte est sélectionné : copiez-le vous-même.",
  noLastingLink: "Le code d’intégration nécessite un lien permanent, qui ne peut pas être créé ici.",

  comma: ", ",

  stages: {
    receiving: "Réception",
    queued: "En attente de traitement",
    fetching: "Récupération du fichier",
    probing: "Analyse du fichier",
    compressing: "Compression",
    thumbnails: "Création des aperçus",
    storing: "Enregistrement du résultat",
    cleaning: "Suppression des fichiers temporaires",
    done: "Terminé",
    failed: "Échec",
    cancelled: "Annulé",
    deleted: "Supprimé",
  },

  outputKinds: {
    video: "Vidéo",
    audio: "Audio",
    image: "Image",
    poster: "Affiche",
    thumbnail: "Image",
    file: "Fichier",
  },

  errors: {
    MALFORMED: "La requête n’est pas valide.",
    INVALID_METADATA: "Les métadonnées de l’envoi ne sont pas valides.",
    UNAUTHENTICATED: "Un jeton d’accès valide est nécessaire.",
    FORBIDDEN: "Vous n’êtes pas autorisé à faire cela.",
    NOT_FOUND: "Cet envoi n’existe pas ou n’existe plus.",
    WRONG_STATE: "Ce n’est pas possible dans l’état actuel de l’envoi.",
    ID_TAKEN: "Un envoi avec cet identifiant existe déjà.",
    TOO_LARGE: "Le fichier dépasse la taille autorisée.",
    UNSUPPORTED_TYPE: "Le fichier est d’un type qui n’est pas pris en charge.",
    UNREADABLE_MEDIA: "Le fichier est illisible. Il est peut-être endommagé.",
    TRANSCODE_ERROR: "Le fichier n’a pas pu être compressé.",
    STORAGE_ERROR: "Le stockage est indisponible pour le moment.",
    TIMEOUT: "Le traitement a pris trop de temps.",
    STALLED: "Le traitement s’est arrêté.",
    CANCELLED: "L’envoi a été annulé.",
    DELETED: "L’envoi a été supprimé.",
    SOURCE_GONE: "Le fichier d’origine de cet envoi n’est plus conservé.",
    ADDRESS_REFUSED: "Aucun fichier n’est importé depuis cette adresse.",
    IMPORT_FAILED: "Le fichier n’a pas pu être récupéré à son adresse.",
    WORKER_LOST: "Le traitement a été interrompu.",
    UNREADABLE_RECORD: "L’état enregistré de l’envoi est endommagé.",
    TOO_MANY: "Trop d’envois sont en cours. Réessayez plus tard.",
    DISK_FULL: "Il n’y a plus d’espace sur le serveur.",
    HOOK_FAILED: "Une vérification de l’application a échoué.",
    STEP_FAILED: "Une étape de traitement de l’application a échoué.",
    INTERNAL: "Une erreur inattendue s’est produite.",
    NETWORK: "La connexion au serveur est interrompue.",
  },

  advice: {
    UNSUPPORTED_TYPE: "Il est peut-être endommagé, ou son format est inconnu ici. Essayez de l’enregistrer en MP4 ou en JPEG.",
    UNREADABLE_MEDIA: "Vérifiez qu’il se lit sur votre appareil, et essayez de l’enregistrer en MP4 ou en JPEG.",
    TRANSCODE_ERROR: "Réessayez, ou enregistrez d’abord le fichier en MP4 ou en JPEG.",
    TOO_LARGE: "Choisissez un fichier plus petit, ou compressez-le avant.",
    STORAGE_ERROR: "Votre fichier n’est pas en cause. Réessayez dans quelques minutes.",
    DISK_FULL: "Votre fichier n’est pas en cause. Réessayez plus tard.",
    TIMEOUT: "Réessayez, ou essayez avec un fichier plus court.",
    STALLED: "Réessayez.",
    WORKER_LOST: "Votre fichier n’est pas en cause. Réessayez.",
    SOURCE_GONE: "Envoyez à nouveau le fichier.",
    INTERNAL: "Si cela se reproduit, indiquez à l’exploitant l’identifiant de l’envoi.",
  },

  rowCounts: {
    sending: format.plural({ other: "# en cours d’envoi" }),
    compressing: format.plural({ other: "# en cours de compression" }),
    storing: format.plural({ other: "# en cours d’enregistrement" }),
    waiting: format.plural({ other: "# en attente" }),
    needsAction: format.plural({ one: "# sans son fichier", other: "# sans leur fichier" }),
    done: format.plural({ one: "# terminé", other: "# terminés" }),
    failed: format.plural({ one: "# échec", other: "# échecs" }),
    cancelled: format.plural({ one: "# annulé", other: "# annulés" }),
  },

  insideSentence: (title) => title.toLowerCase(),
  ofTotal: (amount, total) => `${amount} sur ${total}`,
  showMore: (count) => `Afficher ${format.number(count)} de plus`,
  secondLeft: "encore une seconde environ",
  timeLeft: (time) => `encore ${time} environ`,
  queuePosition: (position) =>
    position <= 1
      ? "prochain dans la file d’attente"
      : `${format.ordinal(position, { one: "#er", other: "#e" })} dans la file d’attente`,
  compressionSpeed: (speed) => `vitesse ${speed}`,
  framesPerSecond: (count) => `${count} images/s`,
  expectedSize: (size) => `taille prévue ${size}`,
  expectedTime: (time) => `durée prévue ${time}`,
  attemptNumber: (attempt) => `Tentative ${format.number(attempt)}`,
  asSentence: (text) => `${text}.`,
  fileMissing: (filename) =>
    `Le serveur n’a pas le fichier complet. Choisissez à nouveau ${isolate(filename)} pour continuer.`,
  fileUnreadable: "Le fichier a été modifié, déplacé ou supprimé pendant l’envoi.",
  wrongFile: (size) => `C’est un autre fichier. La taille du fichier attendu est de ${bytes(size)}.`,
  wrongForTemplate: (template, kind) =>
    `Le modèle « ${template} » n’accepte que des ${kind === "video" ? "vidéos" : "images"}.`,
  dialogTitle({ total, active, completed: done, failed }) {
    if (total === 0) return "Envois";
    if (active) return `Envoi ${format.number(total - active + 1)} sur ${format.number(total)}`;
    return failed ? `${format.number(done)} sur ${uploads(total)} sans échec` : completed(total);
  },
  summary({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) {
      return `${format.number(total - active)} sur ${format.number(total)} terminés, ${format.percent(progress)}`;
    }
    if (total === 1) return failed ? "Échec" : "Terminé";
    return `${format.number(total)} terminés${failed ? `, dont ${failures(failed)}` : ""}`;
  },
  percentSent: (percent) => `${percent} envoyés`,
  kept: (amount) => `${amount} déjà reçus`,
  retryIn: (time) => `nouvelle tentative dans ${time}`,
  continueForRest: (percent, rest) => `${percent} sont arrivés. Continuez pour envoyer les derniers ${rest}.`,
  chooseForRest: (percent, filename, rest) =>
    `${percent} sont arrivés. Choisissez à nouveau ${isolate(filename)} pour envoyer les derniers ${rest}.`,
  deletingSoon: (filename) => `${isolate(filename)} et ses résultats vont être supprimés.`,
  tooLong: (seconds, limit) =>
    `Le fichier dure ${format.clock(seconds)}. La limite est de ${format.clock(limit)}.`,
  tooManyPixels: (pixels, limit) =>
    `L’image compte ${format.number(pixels / 1e6)} mégapixels. La limite est de ${format.number(limit / 1e6)}.`,
  tooLarge: (size, limit) =>
    `La taille du fichier est de ${bytes(size)}. La limite est de ${format.limit(limit)}.`,
  cancellingSoon: format.plural({ one: "L’envoi va être annulé.", other: "# envois vont être annulés." }),
  smaller: (percent) => `${percent} plus petit`,
  larger: (percent) => `${percent} plus grand`,
  sameSize: "À peu près la même taille",
  undecodable: (times) => `Le fichier est endommagé. Ces passages n’ont pas pu être lus : ${times}.`,
  incomplete: (length, declaredLength) =>
    `Le fichier est incomplet. Seules ${length} sur ${declaredLength} ont pu être lues.`,
  linkCopiedUntil: (moment) => `Le lien a été copié. Il est valable jusqu’à ${moment}.`,
  validUntil: (moment) => `Les liens vers les fichiers sont valables jusqu’à ${moment}.`,
  storedUnchanged: "Le fichier était déjà petit et a été enregistré tel quel.",
  measuredQuality: (metric, score) => `${metric} ${score}, mesuré sur des échantillons`,
  poster: (filename) => `Affiche de ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}, compressé`,
  watch: "Lire",
  closePlayer: "Fermer le lecteur",
  quality: "Qualité",
  automatic: "Automatique",
  automaticQuality: (quality) => `Automatique (${quality})`,
  filmGrows: "Vous pouvez regarder ce qui est déjà compressé.",
  filmWaits: "En attente des prochaines secondes du film.",
  filmComplete: "Le film est complet.",
  filmUnplayable: "Le film ne peut pas être lu pour le moment. Fermez le lecteur et réessayez, ou attendez que le film soit complet.",
  filmCancelled: "L’envoi a été annulé, le film s’arrête donc ici.",
  filmFailed: "La compression a échoué, le film s’arrête donc ici.",
  qualityReady: (quality) => `${quality} peut maintenant être choisi.`,
  scenes: (filename) => `Scènes de ${isolate(filename)}`,
  announced: (filename, text) => `${filename} : ${text}.`,
  announcedFailure: (filename, reason) => `${filename} : échec. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)} : non envoyé. ${reason}`,

  intake: {
    chooseFolder: "Choisir un dossier",
    takePhoto: "Prendre une photo",
    recordVideo: "Filmer une vidéo",
    skip: "Ignorer",
    sendAgain: "Envoyer à nouveau",
    pastedPicture: (time) => `Image collée ${time}`,
    sendAgainQuestion: (filename) => `${isolate(filename)} est déjà dans la liste. L’envoyer à nouveau ?`,
    sendSeveralAgainQuestion: format.plural({ other: "# fichiers sont déjà dans la liste. Les envoyer à nouveau ?" }),
    hiddenFilesSkipped: (count, names) => `${hiddenFiles(count)} : ${names}.`,
    otherFilesSkipped: (count, names) => `${otherFiles(count)} : ${names}.`,
    moreNames: (count) => `${format.number(count)} de plus`,
    emptyFolder: (folder) => `Le dossier ${isolate(folder)} ne contient aucun fichier.`,
    folderTooLarge: (folder, limit) =>
      `Le dossier ${isolate(folder)} contient plus de ${format.number(limit)} fichiers : aucun n’a été envoyé. Envoyez-en moins à la fois.`,
    folderTooDeep: (folder, limit) =>
      `Le dossier ${isolate(folder)} se trouve à plus de ${format.number(limit)} niveaux de profondeur et a été ignoré.`,
    unreadable: (name) => `${isolate(name)} n’a pas pu être lu.`,
    dropToSend: (count) => (count > 0 ? dropToSend(count) : "Déposez pour envoyer"),
    accepted: (formats, limit) => `${formats} et d’autres · jusqu’à ${limit} chacun`,
    acceptedUpTo: (limit) => `Tout fichier jusqu’à ${limit}`,
  },

  page: {
    heading: "Envoyez une vidéo ou une image",
    introduction:
      "Chaque fichier est compressé sur le serveur. Sa progression s’affiche en direct, du premier octet au résultat final.",
    language: "Langue",

    connecting: "Connexion",
    live: "En direct",
    polling: "Actualisation périodique",
    pollingNote:
      "La connexion en direct n’est pas disponible. La progression est actualisée toutes les quelques secondes.",
    reconnecting: "Reconnexion",
    reconnectingNote: "La connexion est interrompue. Reconnexion… Les envois reprendront automatiquement.",
    offline: "Hors ligne",
    offlineNote: "Vous êtes hors ligne. Les envois reprendront automatiquement dès que vous serez de nouveau en ligne.",

    token: "Jeton d’accès",
    useToken: "Utiliser le jeton",

    newUploads: "Nouveaux envois",
    fileTypes: "Vidéos, images et fichiers audio",


    showHidden: format.plural({ one: "Afficher # envoi masqué", other: "Afficher # envois masqués" }),
    noLongerStored: format.plural({
      one: "Un envoi précédent n’est plus conservé sur le serveur.",
      other: "# envois précédents ne sont plus conservés sur le serveur.",
    }),

    reference: "Référence de l’API",
    admin: "Administration",
    tokenMissing: "Jeton requis",
    tokenMissingNote: "Ce serveur exige un jeton d’accès. Saisissez-le ci-dessous pour continuer.",
    tokenRefused: "Jeton refusé",
    tokenRefusedNote: "Le jeton d’accès n’est pas valide. Vérifiez-le, ou demandez-en un autre.",
    tokenHint: "Le jeton n’est conservé que pour cet onglet.",
    template: "Pour quel usage ?",
    templateTitle: ({ title, kind }) =>
      ({ video: `${title} (vidéos uniquement)`, image: `${title} (images uniquement)`, file: `${title} (tout fichier, enregistré tel quel)` })[kind] ??
      title,
    builtInTemplates: { auto: "Vidéos, images et fichiers audio", "hero-video": "Vidéo", image: "Image" },
    notifyMe: "Me prévenir à la fin",
    notificationsOn: "Vous serez prévenu lorsque les envois seront terminés.",
    notificationsBlocked: "Ce navigateur bloque les notifications de cette page. Autorisez-les dans les réglages du navigateur.",
    titleActive: (percent) => `${percent} · Roomcast`,
    titleEnded: (result) => `${result} · Roomcast`,
    done: format.plural({ one: "# terminé", other: "# terminés" }),
    failed: format.plural({ one: "# échec", other: "# échecs" }),
  },
});
