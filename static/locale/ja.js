/** The Japanese texts. Pure. */

import { createTranslation } from "./create-locale.js";
import { ENGLISH_TEXTS } from "./en.js";
import { Formats } from "./format.js";

const format = new Formats("ja");
const { bytes, isolate } = format;

const uploads = format.plural({ other: "#件" });

/** The texts of the elements in Japanese. */
export const ja = createTranslation(ENGLISH_TEXTS, {
  language: "ja",
  direction: "ltr",
  format,

  heading: "アップロード",
  untitled: "アップロード",
  cancel: "キャンセル",
  cancelling: "キャンセルしています…",
  cancelAll: "すべてキャンセル",
  pause: "一時停止",
  resume: "再開",
  retry: "再試行",
  choose: "ファイルをもう一度選択",
  delete: "削除",
  deleting: "削除しています…",
  dismiss: "非表示にする",
  copyId: "アップロードIDをコピー",
  copied: "コピーしました",
  hideFinished: "完了したものを非表示",
  collapse: "折りたたむ",
  expand: "展開する",
  close: "閉じる",
  showFewer: "表示を減らす",
  overallProgress: "すべてのアップロードの進行状況",
  reconnecting: "接続が切れました。再接続しています…",
  uploadsContinue: "アップロードは続行されます。",

  notUploaded: "アップロードされていません",
  interrupted: "アップロードが中断されました",
  failed: "失敗",
  completed: "完了",
  cancelled: "キャンセル済み",
  paused: "一時停止中",
  waiting: "送信待ち",
  loading: "読み込み中",
  needsToken: "アクセストークン待ち",
  needsFile: "ファイルが必要です",

  dropFiles: "ここにファイルをドロップ",
  or: "または",
  chooseFiles: "ファイルを選択",
  emptyFile: "ファイルが空です。",
  notAccepted: "この種類のファイルはここでは受け付けていません。",
  notMedia: "動画、画像、音声のいずれのファイルでもありません。",

  original: "元のファイル",
  result: "結果",
  downloads: "ダウンロード",
  openResult: "開く",
  copyLink: "リンクをコピー",
  copyEmbedCode: "埋め込みコードをコピー",
  linkCopied: "リンクをコピーしました。アップロードが削除されるまで有効です。",
  embedCodeCopied: "埋め込みコードをコピーしました。",
  copyYourself: "ブラウザーでコピーが許可されていません。選択されているテキストをコピーしてください。",
  noLastingLink: "埋め込みコードには無期限のリンクが必要ですが、ここでは作成できません。",

  comma: "、",

  stages: {
    receiving: "受信中",
    queued: "処理待ち",
    fetching: "ファイルを取得中",
    probing: "ファイルを解析中",
    compressing: "圧縮中",
    thumbnails: "プレビューを作成中",
    storing: "結果を保存中",
    cleaning: "一時ファイルを削除中",
    done: "完了",
    failed: "失敗",
    cancelled: "キャンセル済み",
    deleted: "削除済み",
  },

  outputKinds: {
    video: "動画",
    audio: "音声",
    image: "画像",
    poster: "ポスター画像",
    thumbnail: "画像",
    file: "ファイル",
  },

  errors: {
    MALFORMED: "リクエストが正しくありません。",
    INVALID_METADATA: "アップロードのメタデータが正しくありません。",
    UNAUTHENTICATED: "有効なアクセストークンが必要です。",
    FORBIDDEN: "この操作を行う権限がありません。",
    NOT_FOUND: "このアップロードは存在しないか、すでに削除されています。",
    WRONG_STATE: "アップロードの現在の状態では、この操作はできません。",
    ID_TAKEN: "このIDのアップロードはすでに存在します。",
    TOO_LARGE: "ファイルが許可されているサイズを超えています。",
    UNSUPPORTED_TYPE: "この種類のファイルには対応していません。",
    UNREADABLE_MEDIA: "ファイルを読み取れません。破損している可能性があります。",
    TRANSCODE_ERROR: "ファイルを圧縮できませんでした。",
    STORAGE_ERROR: "現在、ストレージを利用できません。",
    TIMEOUT: "処理に時間がかかりすぎました。",
    STALLED: "処理が止まりました。",
    CANCELLED: "アップロードはキャンセルされました。",
    DELETED: "アップロードは削除されました。",
    SOURCE_GONE: "このアップロードの元のファイルはもう保存されていません。",
    ADDRESS_REFUSED: "このアドレスからはファイルを取り込めません。",
    IMPORT_FAILED: "指定されたアドレスからファイルを取得できませんでした。",
    WORKER_LOST: "処理が中断されました。",
    UNREADABLE_RECORD: "保存されているアップロードの状態が破損しています。",
    TOO_MANY: "進行中のアップロードが多すぎます。しばらくしてからもう一度お試しください。",
    DISK_FULL: "サーバーの空き容量がありません。",
    HOOK_FAILED: "アプリケーションの確認処理に失敗しました。",
    STEP_FAILED: "アプリケーションの処理手順に失敗しました。",
    INTERNAL: "予期しないエラーが発生しました。",
    NETWORK: "サーバーとの接続が切れました。",
  },

  insideSentence: (title) => title,
  ofTotal: (amount, total) => `${amount} / ${total}`,
  showMore: (count) => `さらに${format.number(count)}件を表示`,
  secondLeft: "残り約1秒",
  timeLeft: (time) => `残り約${time}`,
  queuePosition: (position) => (position <= 1 ? "次に処理されます" : `${format.number(position)}番目に処理されます`),
  compressionSpeed: (speed) => `速度 ${speed}`,
  framesPerSecond: (count) => `${count} fps`,
  expectedSize: (size) => `予想サイズ ${size}`,
  expectedTime: (time) => `予想時間 ${time}`,
  attemptNumber: (attempt) => `${format.number(attempt)}回目の試行`,
  attempt: (attempt) => `${format.number(attempt)}回目の試行です。`,
  fileMissing: (filename) =>
    `サーバーにファイル全体が届いていません。続けるには「${isolate(filename)}」をもう一度選択してください。`,
  confirmDelete: (filename) => `「${isolate(filename)}」とその結果を削除しますか？`,
  wrongFile: (size) => `別のファイルです。必要なファイルのサイズは${bytes(size)}です。`,
  tooLarge: (size, limit) =>
    `ファイルのサイズは${bytes(size)}です。このサーバーで受け付けるのは${bytes(limit)}までです。`,
  wrongForTemplate: (template, kind) =>
    `テンプレート「${template}」で受け付けるのは${kind === "video" ? "動画" : "画像"}のみです。`,
  dialogTitle({ total, active, completed, failed }) {
    if (total === 0) return "アップロード";
    if (active) return `アップロード中 ${format.number(total - active + 1)} / ${format.number(total)}`;
    return failed ? `${uploads(total)}中${uploads(completed)}が完了` : `${uploads(total)}が完了`;
  },
  summary({ total, active, failed, progress }) {
    if (total === 0) return "";
    if (active) return `${uploads(total)}中${uploads(total - active)}が終了、${format.percent(progress)}`;
    if (total === 1) return failed ? "失敗" : "終了";
    return `${uploads(total)}すべて終了${failed ? `、${uploads(failed)}が失敗` : ""}`;
  },
  smaller: (percent) => `${percent}縮小`,
  larger: (percent) => `${percent}増加`,
  sameSize: "ほぼ同じサイズ",
  incomplete: (length, declaredLength) =>
    `ファイルが不完全です。${declaredLength}のうち${length}しか読み取れませんでした。`,
  linkCopiedUntil: (moment) => `リンクをコピーしました。${moment}まで有効です。`,
  validUntil: (moment) => `リンクは${moment}まで有効です。`,
  storedUnchanged: "ファイルはすでに小さかったため、そのまま保存されました。",
  measuredQuality: (metric, score) => `${metric} ${score}（サンプルで測定）`,
  poster: (filename) => `${isolate(filename)}のポスター画像`,
  compressed: (filename) => `${isolate(filename)}（圧縮済み）`,
  scenes: (filename) => `${isolate(filename)}のシーン`,
  announced: (filename, text) => `${filename}：${text}。`,
  announcedFailure: (filename, reason) => `${filename}：失敗。${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}：アップロードされていません。${reason}`,

  page: {
    heading: "動画や画像をアップロード",
    introduction:
      "ファイルはサーバーで圧縮されます。最初の1バイトから結果ができあがるまで、進行状況がリアルタイムで表示されます。",
    language: "言語",

    connecting: "接続中",
    live: "リアルタイム",
    polling: "定期更新",
    pollingNote: "リアルタイム接続を利用できません。進行状況は数秒ごとに更新されます。",
    reconnecting: "再接続中",
    reconnectingNote: "接続が切れました。再接続しています。アップロードは自動的に再開されます。",
    offline: "オフライン",
    offlineNote: "オフラインです。オンラインに戻ると、アップロードは自動的に再開されます。",

    token: "アクセストークン",
    tokenHint: "このサーバーでは認証が必要です。トークンはこのタブでのみ保存されます。",
    useToken: "トークンを使用",

    newUploads: "新しいアップロード",
    fileTypes: "動画、画像、音声ファイル",
    template: "用途",

    steps: "処理の手順",
    received: "受信と確認",
    compressed: "圧縮",
    stored: "保存",

    showHidden: (count) => `非表示の${format.number(count)}件を表示`,
    noLongerStored: format.plural({ other: "以前のアップロード#件は、サーバーに保存されていません。" }),
  },
});
