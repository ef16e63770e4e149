/** The Arabic texts. Pure. */

import { createTranslation } from "./create-locale.js";
import { ENGLISH_TEXTS } from "./en.js";
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
export const ar = createTranslation(ENGLISH_TEXTS, {
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
  overallProgress: "تقدّم رفع كل الملفات",
  reconnecting: "انقطع الاتصال. جارٍ إعادة الاتصال…",
  uploadsContinue: "يستمر رفع الملفات.",

  notUploaded: "لم يُرفع",
  interrupted: "انقطع الرفع",
  failed: "فشل",
  completed: "اكتمل",
  cancelled: "أُلغي",
  paused: "متوقف مؤقتًا",
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
    UNSUPPORTED_TYPE: "هذا النوع من الملفات غير مدعوم.",
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
  attempt: (attempt) => `المحاولة ${format.number(attempt)}.`,
  fileMissing: (filename) => `الملف غير مكتمل على الخادم. اختر ${isolate(filename)} مجددًا للمتابعة.`,
  confirmDelete: (filename) => `هل تريد حذف ${isolate(filename)} ونتائجه؟`,
  wrongFile: (size) => `هذا ملف آخر. حجم الملف المطلوب ${bytes(size)}.`,
  tooLarge: (size, limit) => `حجم الملف ${bytes(size)}. يقبل هذا الخادم ملفات يصل حجمها إلى ${bytes(limit)}.`,
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
  smaller: (percent) => `أصغر بنسبة ${percent}`,
  larger: (percent) => `أكبر بنسبة ${percent}`,
  sameSize: "الحجم نفسه تقريبًا",
  incomplete: (length, declaredLength) => `الملف غير مكتمل. لم يُقرأ سوى ${length} من ${declaredLength}.`,
  linkCopiedUntil: (moment) => `نُسخ الرابط، وهو صالح حتى ${moment}.`,
  validUntil: (moment) => `الروابط صالحة حتى ${moment}.`,
  storedUnchanged: "كان الملف صغيرًا بالفعل، فحُفظ دون تغيير.",
  measuredQuality: (metric, score) => `${format.leftToRight(`${metric} ${score}`)}، قيس على عيّنات`,
  poster: (filename) => `صورة غلاف ${isolate(filename)}`,
  compressed: (filename) => `${isolate(filename)}، بعد الضغط`,
  scenes: (filename) => `مشاهد ${isolate(filename)}`,
  announced: (filename, text) => `${filename}: ${text}.`,
  announcedFailure: (filename, reason) => `${filename}: فشل. ${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}: لم يُرفع. ${reason}`,

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
    tokenHint: "يتطلب هذا الخادم المصادقة. يُحفظ الرمز لعلامة التبويب هذه فقط.",
    useToken: "استخدام الرمز",

    newUploads: "رفع ملفات جديدة",
    fileTypes: "فيديو وصور وملفات صوتية",
    template: "ما الغرض منه؟",

    steps: "خطوات المعالجة",
    received: "الاستلام والتحقّق",
    compressed: "الضغط",
    stored: "الحفظ",

    showHidden: (count) => `عرض المخفية (${format.number(count)})`,
    noLongerStored: format.plural({
      zero: "كل الملفات السابقة محفوظة على الخادم.",
      one: "ملف سابق لم يعد محفوظًا على الخادم.",
      two: "ملفان سابقان لم يعودا محفوظين على الخادم.",
      few: "# ملفات سابقة لم تعد محفوظة على الخادم.",
      many: "# ملفًا سابقًا لم يعد محفوظًا على الخادم.",
      other: "# ملف سابق لم يعد محفوظًا على الخادم.",
    }),
  },
});
