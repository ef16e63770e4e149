/** The Arabic texts. Pure. */

import { createLocale } from "./create-locale.js";
import { Formats } from "./format.js";

const format = new Formats("ar", { display: "long" });
const { bytes, isolate } = format;

const files = format.plural({
  zero: "لا ملفات",
  one: "ملف واحد",
  two: "ملفان",
  few: "# ملفات",
  many: "# ملفًا",
  other: "# ملف",
});

/** The texts of the elements in Arabic. */
export const ar = createLocale({
  language: "ar",
  direction: "rtl",
  format,

  heading: "الملفات المرفوعة",
  untitled: "ملف",
  cancel: "إلغاء",
  cancelling: "جارٍ الإلغاء…",
  cancelAll: "إلغاء الكل",
  pause: "إيقاف مؤقت",
  resume: "استئناف",
  retry: "إعادة المحاولة",
  choose: "اختيار الملف مجددًا",
  delete: "حذف",
  deleting: "جارٍ الحذف…",
  dismiss: "إخفاء",
  copyId: "نسخ معرّف الرفع",
  copied: "تم النسخ",
  hideFinished: "إخفاء المنتهية",
  collapse: "طيّ",
  expand: "توسيع",
  close: "إغلاق",
  showFewer: "عرض عدد أقل",
  pauseAll: "إيقاف الكل مؤقتًا",
  resumeAll: "استئناف الكل",
  retryFailed: "إعادة محاولة ما فشل",
  undo: "تراجع",
  download: "تنزيل",
  showResult: "عرض النتيجة",
  hideResult: "إخفاء النتيجة",
  sendingStep: "الإرسال",
  compressingStep: "الضغط",
  storingStep: "الحفظ",
  tokenRefused: "رمز الوصول غير صالح",
  waitingForConnection: "في انتظار الاتصال",
  continueSending: "متابعة",
  startedAgain: "بدأ من جديد",
  overallProgress: "تقدّم رفع كل الملفات",
  reconnecting: "انقطع الاتصال. جارٍ إعادة الاتصال…",
  uploadsContinue: "يستمر رفع الملفات.",

  notUploaded: "لم يُرفع",
  interrupted: "انقطع الرفع",
  failed: "فشل",
  completed: "اكتمل",
  cancelled: "أُلغي",
  paused: "متوقف مؤقتًا",
  pausedByAdmin: "أوقفه المسؤول مؤقتًا",
  waiting: "في انتظار الإرسال",
  loading: "جارٍ التحميل",
  needsToken: "في انتظار رمز الوصول",
  needsFile: "الملف مطلوب",

  dropFiles: "أفلت الملفات هنا",
  or: "أو",
  chooseFiles: "اختيار ملفات",
  emptyFile: "الملف فارغ.",
  notAccepted: "لا تُقبل هنا الملفات من هذا النوع.",
  notMedia: "هذا الملف ليس فيديو ولا صورة ولا ملفًا صوتيًا.",

  original: "الأصل",
  result: "النتيجة",
  downloads: "التنزيلات",
  openResult: "فتح",
  copyLink: "نسخ الرابط",
  copyEmbedCode: "نسخ رمز التضمين",
  linkCopied: "نُسخ الرابط، وهو صالح حتى يُحذف الملف المرفوع.",
  embedCodeCopied: "نُسخ رمز التضمين.",
  copyYourself: "لا يسمح المتصفح بالنسخ. النص محدد، فانسخه بنفسك.",
  noLastingLink: "يحتاج رمز التضمين إلى رابط دائم، ولا يمكن إنشاؤه هنا.",

  comma: "، ",

  stages: {
    receiving: "جارٍ الاستلام",
    queued: "في انتظار المعالجة",
    fetching: "جارٍ جلب الملف",
    probing: "جارٍ تحليل الملف",
    compressing: "جارٍ الضغط",
    thumbnails: "جارٍ إنشاء المعاينات",
    storing: "جارٍ حفظ النتيجة",
    cleaning: "جارٍ حذف الملفات المؤقتة",
    done: "اكتمل",
    failed: "فشل",
    cancelled: "أُلغي",
    deleted: "حُذف",
  },

  outputKinds: {
    video: "فيديو",
    audio: "صوت",
    image: "صورة",
    poster: "صورة الغلاف",
    thumbnail: "صورة",
    file: "ملف",
  },

  errors: {
    MALFORMED: "الطلب غير صالح.",
    INVALID_METADATA: "البيانات الوصفية للملف غير صالحة.",
    UNAUTHENTICATED: "يلزم رمز وصول صالح.",
    FORBIDDEN: "لا تملك الإذن للقيام بذلك.",
    NOT_FOUND: "هذا الملف المرفوع غير موجود أو لم يعد موجودًا.",
    WRONG_STATE: "لا يمكن ذلك في الحالة الحالية للملف.",
    ID_TAKEN: "يوجد ملف مرفوع بهذا المعرّف.",
    TOO_LARGE: "حجم الملف أكبر من المسموح به.",
    UNSUPPORTED_TYPE: "نوع هذا الملف غير مدعوم.",
    UNREADABLE_MEDIA: "تعذّرت قراءة الملف. قد يكون تالفًا.",
    TRANSCODE_ERROR: "تعذّر ضغط الملف.",
    STORAGE_ERROR: "التخزين غير متاح حاليًا.",
    TIMEOUT: "استغرقت المعالجة وقتًا أطول من اللازم.",
    STALLED: "توقفت المعالجة.",
    CANCELLED: "أُلغي رفع الملف.",
    DELETED: "حُذف الملف المرفوع.",
    SOURCE_GONE: "لم يعد الملف الأصلي محفوظًا.",
    ADDRESS_REFUSED: "لا تُجلب الملفات من هذا العنوان.",
    IMPORT_FAILED: "تعذّر جلب الملف من عنوانه.",
    WORKER_LOST: "انقطعت المعالجة.",
    UNREADABLE_RECORD: "الحالة المحفوظة للملف تالفة.",
    TOO_MANY: "يوجد عدد كبير من عمليات الرفع حاليًا. حاول مجددًا لاحقًا.",
    DISK_FULL: "لا توجد مساحة كافية على الخادم.",
    HOOK_FAILED: "فشل تحقّق أجراه التطبيق.",
    STEP_FAILED: "فشلت خطوة معالجة خاصة بالتطبيق.",
    INTERNAL: "حدث خطأ غير متوقع.",
    NETWORK: "انقطع الاتصال بالخادم.",
  },

  advice: {
    UNSUPPORTED_TYPE: "قد يكون الملف تالفًا أو بصيغة غير معروفة هنا. جرّب حفظه بصيغة MP4 أو JPEG.",
    UNREADABLE_MEDIA: "تحقّق من أنه يعمل على جهازك، وجرّب حفظه بصيغة MP4 أو JPEG.",
    TRANSCODE_ERROR: "حاول مجددًا، أو احفظ الملف أولًا بصيغة MP4 أو JPEG.",
    TOO_LARGE: "اختر ملفًا أصغر، أو اضغطه قبل ذلك.",
    STORAGE_ERROR: "ملفك ليس السبب. حاول مجددًا بعد بضع دقائق.",
    DISK_FULL: "ملفك ليس السبب. حاول مجددًا لاحقًا.",
    TIMEOUT: "حاول مجددًا، أو جرّب ملفًا أقصر.",
    STALLED: "حاول مجددًا.",
    WORKER_LOST: "ملفك ليس السبب. حاول مجددًا.",
    SOURCE_GONE: "أرسل الملف مجددًا.",
    INTERNAL: "إذا تكرر ذلك، فأبلغ المشغّل بمعرّف الرفع.",
  },

  rowCounts: {
    sending: format.plural({ other: "قيد الإرسال: #" }),
    compressing: format.plural({ other: "قيد الضغط: #" }),
    storing: format.plural({ other: "قيد الحفظ: #" }),
    waiting: format.plural({ other: "في الانتظار: #" }),
    needsAction: format.plural({ other: "بحاجة إلى الملف: #" }),
    done: format.plural({ other: "مكتمل: #" }),
    failed: format.plural({ other: "فشل: #" }),
    cancelled: format.plural({ other: "أُلغي: #" }),
  },

  insideSentence: (title) => title,
  ofTotal: (amount, total) => `${amount} من ${total}`,
  showMore: (count) => `عرض المزيد (${format.number(count)})`,
  secondLeft: "تبقّت ثانية تقريبًا",
  timeLeft: (time) => `الوقت المتبقي نحو ${time}`,
  queuePosition: (position) =>
    position <= 1 ? "التالي في قائمة الانتظار" : `رقم ${format.number(position)} في قائمة الانتظار`,
  compressionSpeed: (speed) => `السرعة ${format.leftToRight(speed)}`,
  framesPerSecond: (count) => `${count} إطار/ثانية`,
  expectedSize: (size) => `الحجم المتوقع ${size}`,
  expectedTime: (time) => `المدة المتوقعة ${time}`,
  attemptNumber: (attempt) => `المحاولة ${format.number(attempt)}`,
  asSentence: (text) => `${text}.`,
  fileMissing: (filename) => `الملف غير مكتمل على الخادم. اختر ${isolate(filename)} مجددًا للمتابعة.`,
  fileUnreadable: "تغيّر الملف أو نُقل أو حُذف أثناء إرساله.",
  wrongFile: (size) => `هذا ملف آخر. حجم الملف المطلوب ${bytes(size)}.`,
  wrongForTemplate: (template, kind) =>
    `القالب «${isolate(template)}» يقبل ${kind === "video" ? "الفيديو" : "الصور"} فقط.`,
  dialogTitle({ total, active, completed, failed }) {
    if (total === 0) return "الملفات المرفوعة";
    if (active) return `جارٍ رفع ${format.number(total - active + 1)} من ${format.number(total)}`;
    return failed ? `اكتمل ${format.number(completed)} من ${format.number(total)}` : `اكتمل رفع ${files(total)}`;
  },
  summary({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) {
      return `انتهى ${format.number(total - active)} من ${format.number(total)}، ${format.percent(progress)}`;
    }
    if (total === 1) return failed ? "فشل" : "انتهى";
    return `انتهت معالجة ${files(total)}${failed ? `، فشل منها ${format.number(failed)}` : ""}`;
  },
  percentSent: (percent) => `أُرسل ${percent}`,
  kept: (amount) => `وصل ${amount}`,
  retryIn: (time) => `إعادة المحاولة بعد ${time}`,
  continueForRest: (percent, rest) => `وصل ${percent}. تابع لإرسال المتبقي، وهو ${rest}.`,
  chooseForRest: (percent, filename, rest) =>
    `وصل ${percent}. اختر ${isolate(filename)} مجددًا لإرسال المتبقي، وهو ${rest}.`,
  deletingSoon: (filename) => `سيُحذف ${isolate(filename)} ونتائجه بعد قليل.`,
  tooLong: (seconds, limit) => `مدة الملف ${format.clock(seconds)}، والحد الأقصى ${format.clock(limit)}.`,
  tooManyPixels: (pixels, limit) =>
    `دقة الصورة ${format.number(pixels / 1e6)} ميغابكسل، والحد الأقصى ${format.number(limit / 1e6)}.`,
  tooLarge: (size, limit) => `حجم الملف ${bytes(size)}، والحد الأقصى ${format.limit(limit)}.`,
  cancellingSoon: (count) => `سيُلغى رفع ${files(count)} بعد قليل.`,
  smaller: (percent) => `أصغر بنسبة ${percent}`,
  larger: (percent) => `أكبر بنسبة ${percent}`,
  sameSize: "الحجم نفسه تقريبًا",
  incomplete: (length, declaredLength) => `الملف غير مكتمل. لم يُقرأ سوى ${length} من ${declaredLength}.`,
  linkCopiedUntil: (moment) => `نُسخ الرابط، وهو صالح حتى ${moment}.`,
  validUntil: (moment) => `روابط الملفات صالحة حتى ${moment}.`,
  storedUnchanged: "كان الملف صغيرًا بالفعل، فحُفظ دون تغيير.",
  measuredQuality: (metric, score) => `${format.leftToRight(`${metric} ${score}`)}، قيس على عيّنات`,
  poster: (filename) => `صورة غلاف ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}، بعد الضغط`,
  scenes: (filename) => `مشاهد ${isolate(filename)}`,
  announced: (filename, text) => `${filename}: ${text}.`,
  announcedFailure: (filename, reason) => `${filename}: فشل. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}: لم يُرفع. ${reason}`,

  intake: {
    chooseFolder: "اختيار مجلد",
    takePhoto: "التقاط صورة",
    recordVideo: "تسجيل فيديو",
    skip: "تخطّي",
    sendAgain: "إرسال مجددًا",
    pastedPicture: (time) => `صورة ملصقة ${time}`,
    sendAgainQuestion: (filename) => `${isolate(filename)} موجود في القائمة بالفعل. هل تريد إرساله مجددًا؟`,
    sendSeveralAgainQuestion: (count) => `${files(count)} في القائمة بالفعل. هل تريد الإرسال مجددًا؟`,
    hiddenFilesSkipped: (count, names) => `تُخطّيت ملفات مخفية (${format.number(count)}): ${names}.`,
    otherFilesSkipped: (count, names) => `تُخطّيت ملفات ليست فيديو ولا صورًا ولا صوتًا (${format.number(count)}): ${names}.`,
    moreNames: (count) => `${format.number(count)} أخرى`,
    emptyFolder: (folder) => `لا توجد ملفات في المجلد ${isolate(folder)}.`,
    folderTooLarge: (folder, limit) =>
      `يحتوي المجلد ${isolate(folder)} على أكثر من ${format.number(limit)} ملف، لذلك لم يُرسل أي منها. أرسل عددًا أقل في المرة الواحدة.`,
    folderTooDeep: (folder, limit) =>
      `المجلد ${isolate(folder)} أعمق من ${format.number(limit)} مستوى، لذلك تُخطّي.`,
    unreadable: (name) => `تعذّرت قراءة ${isolate(name)}.`,
    dropToSend: (count) => (count > 0 ? `أفلت لإرسال ${files(count)}` : "أفلت للإرسال"),
    accepted: (formats, limit) => `${format.leftToRight(formats)} وغيرها · حتى ${limit} لكل ملف`,
    acceptedUpTo: (limit) => `أي ملف حتى ${limit}`,
  },

  page: {
    heading: "ارفع فيديو أو صورة",
    introduction: "يُضغط كل ملف على الخادم، ويُعرض تقدّمه مباشرةً من أول بايت حتى النتيجة النهائية.",
    language: "اللغة",

    connecting: "جارٍ الاتصال",
    live: "مباشر",
    polling: "تحديث دوري",
    pollingNote: "الاتصال المباشر غير متاح. يُحدَّث التقدّم كل بضع ثوانٍ.",
    reconnecting: "جارٍ إعادة الاتصال",
    reconnectingNote: "انقطع الاتصال. جارٍ إعادة الاتصال، وسيُستأنف رفع الملفات تلقائيًا.",
    offline: "غير متصل",
    offlineNote: "أنت غير متصل بالإنترنت. سيُستأنف رفع الملفات تلقائيًا عند عودة الاتصال.",

    token: "رمز الوصول",
    useToken: "استخدام الرمز",

    newUploads: "رفع ملفات جديدة",
    fileTypes: "فيديو وصور وملفات صوتية",


    showHidden: (count) => `عرض المخفية (${format.number(count)})`,
    noLongerStored: format.plural({
      zero: "كل الملفات السابقة محفوظة على الخادم.",
      one: "ملف سابق لم يعد محفوظًا على الخادم.",
      two: "ملفان سابقان لم يعودا محفوظين على الخادم.",
      few: "# ملفات سابقة لم تعد محفوظة على الخادم.",
      many: "# ملفًا سابقًا لم يعد محفوظًا على الخادم.",
      other: "# ملف سابق لم يعد محفوظًا على الخادم.",
    }),

    reference: "مرجع واجهة البرمجة",
    admin: "صفحة الإدارة",
    tokenMissing: "الرمز مطلوب",
    tokenMissingNote: "يتطلب هذا الخادم رمز وصول. أدخله أدناه للمتابعة.",
    tokenRefused: "رُفض الرمز",
    tokenRefusedNote: "رمز الوصول غير صالح. تحقّق منه أو اطلب رمزًا جديدًا.",
    tokenHint: "يُحفظ الرمز لعلامة التبويب هذه فقط.",
    template: "ما الغرض منه؟",
    templateTitle: ({ title, kind }) =>
      ({ video: `${isolate(title)} (فيديو فقط)`, image: `${isolate(title)} (صور فقط)`, file: `${isolate(title)} (أي ملف، يُحفظ دون تغيير)` })[kind] ??
      title,
    builtInTemplates: { auto: "فيديو وصور وملفات صوتية", "hero-video": "فيديو", image: "صورة" },
    notifyMe: "إعلامي عند الانتهاء",
    notificationsOn: "ستتلقى إشعارًا عند انتهاء رفع الملفات.",
    notificationsBlocked: "يحظر هذا المتصفح إشعارات هذه الصفحة. اسمح بها من إعدادات المتصفح.",
    titleActive: (percent) => `${percent} · Roomcast`,
    titleEnded: (result) => `${result} · Roomcast`,
    done: format.plural({ other: "مكتمل: #" }),
    failed: format.plural({ other: "فشل: #" }),
  },
});
