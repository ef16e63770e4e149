/** The French texts. Pure. */

import { createTranslation } from "./create-locale.js";
import { ENGLISH_TEXTS } from "./en.js";
import { Formats } from "./format.js";

const format = new Formats("fr");
const { bytes, isolate } = format;

const uploads = format.plural({ one: "# envoi", other: "# envois" });
const completed = format.plural({ one: "# envoi terminé", other: "# envois terminés" });
const failures = format.plural({ one: "# échec", other: "# échecs" });

/** The texts of the elements in French. */
export const fr = createTranslation(ENGLISH_TEXTS, {
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
  overallProgress: "Progression de tous les envois",
  reconnecting: "La connexion est interrompue. Reconnexion…",
  uploadsContinue: "Les envois continuent.",

  notUploaded: "Non envoyé",
  interrupted: "Envoi interrompu",
  failed: "Échec",
  completed: "Terminé",
  cancelled: "Annulé",
  paused: "Suspendu",
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
    UNSUPPORTED_TYPE: "Les fichiers de ce type ne sont pas pris en charge.",
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
  attempt: (attempt) => `Tentative ${format.number(attempt)}.`,
  fileMissing: (filename) =>
    `Le serveur n’a pas le fichier complet. Choisissez à nouveau ${isolate(filename)} pour continuer.`,
  confirmDelete: (filename) => `Supprimer ${isolate(filename)} et ses résultats ?`,
  wrongFile: (size) => `C’est un autre fichier. La taille du fichier attendu est de ${bytes(size)}.`,
  tooLarge: (size, limit) =>
    `La taille du fichier est de ${bytes(size)}. Ce serveur accepte les fichiers jusqu’à ${bytes(limit)}.`,
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
  smaller: (percent) => `${percent} plus petit`,
  larger: (percent) => `${percent} plus grand`,
  sameSize: "À peu près la même taille",
  incomplete: (length, declaredLength) =>
    `Le fichier est incomplet. Seules ${length} sur ${declaredLength} ont pu être lues.`,
  linkCopiedUntil: (moment) => `Le lien a été copié. Il est valable jusqu’à ${moment}.`,
  validUntil: (moment) => `Les liens sont valables jusqu’à ${moment}.`,
  storedUnchanged: "Le fichier était déjà petit et a été enregistré tel quel.",
  measuredQuality: (metric, score) => `${metric} ${score}, mesuré sur des échantillons`,
  poster: (filename) => `Affiche de ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}, compressé`,
  scenes: (filename) => `Scènes de ${isolate(filename)}`,
  announced: (filename, text) => `${filename} : ${text}.`,
  announcedFailure: (filename, reason) => `${filename} : échec. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)} : non envoyé. ${reason}`,

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
    tokenHint: "Ce serveur exige une authentification. Le jeton n’est conservé que pour cet onglet.",
    useToken: "Utiliser le jeton",

    newUploads: "Nouveaux envois",
    fileTypes: "Vidéos, images et fichiers audio",
    template: "À quoi sert-il ?",

    steps: "Étapes du traitement",
    received: "Reçu et vérifié",
    compressed: "Compressé",
    stored: "Enregistré",

    showHidden: format.plural({ one: "Afficher # envoi masqué", other: "Afficher # envois masqués" }),
    noLongerStored: format.plural({
      one: "Un envoi précédent n’est plus conservé sur le serveur.",
      other: "# envois précédents ne sont plus conservés sur le serveur.",
    }),
  },
});
