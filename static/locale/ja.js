/** The Japanese texts. Pure. */

import { createLocale } from "./create-locale.js";
import { Formats } from "./format.js";

const format = new Formats("ja");
const { bytes, isolate } = format;

const uploads = format.plural({ other: "#件" });
const hiddenFiles = format.plural({ other: "非表示のファイル#件をスキップしました" });
const otherFiles = format.plural({ other: "動画、画像、音声ではないファイル#件をスキップしました" });

/** The texts of the elements in Japanese. */
export const ja = createLocale({
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
  pauseAll: "すべて一時停止",
  resumeAll: "すべて再開",
  retryFailed: "失敗したものを再試行",
  undo: "元に戻す",
  download: "ダウンロード",
  showResult: "結果を表示",
  hideResult: "結果を隠す",
  sendingStep: "送信",
  compressingStep: "圧縮",
  storingStep: "保存",
  tokenRefused: "アクセストークンが無効です",
  waitingForConnection: "接続を待っています",
  continueSending: "続行",
  startedAgain: "もう一度開始しました",
  overallProgress: "すべてのアップロードの進行状況",
  reconnecting: "接続が切れました。再接続しています…",
  uploadsContinue: "アップロードは続行されます。",

  notUploaded: "アップロードされていません",
  interrupted: "アップロードが中断されました",
  failed: "失敗",
  completed: "完了",
  cancelled: "キャンセル済み",
  paused: "一時停止中",
  pausedByAdmin: "管理者が一時停止しています",
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

  advice: {
    UNSUPPORTED_TYPE: "破損しているか、対応していない形式の可能性があります。MP4またはJPEGで保存し直してみてください。",
    UNREADABLE_MEDIA: "お使いの端末で再生できるか確認し、MP4またはJPEGで保存し直してみてください。",
    TRANSCODE_ERROR: "もう一度試すか、先にMP4またはJPEGで保存してください。",
    TOO_LARGE: "小さいファイルを選ぶか、先に圧縮してください。",
    STORAGE_ERROR: "ファイルが原因ではありません。数分後にもう一度お試しください。",
    DISK_FULL: "ファイルが原因ではありません。しばらくしてからもう一度お試しください。",
    TIMEOUT: "もう一度試すか、短いファイルでお試しください。",
    STALLED: "もう一度お試しください。",
    WORKER_LOST: "ファイルが原因ではありません。もう一度お試しください。",
    SOURCE_GONE: "ファイルをもう一度送信してください。",
    INTERNAL: "繰り返し発生する場合は、アップロードIDを運営者にお知らせください。",
  },

  rowCounts: {
    sending: format.plural({ other: "送信中#件" }),
    compressing: format.plural({ other: "圧縮中#件" }),
    storing: format.plural({ other: "保存中#件" }),
    waiting: format.plural({ other: "待機中#件" }),
    needsAction: format.plural({ other: "ファイルが必要#件" }),
    done: format.plural({ other: "完了#件" }),
    failed: format.plural({ other: "失敗#件" }),
    cancelled: format.plural({ other: "キャンセル#件" }),
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
  asSentence: (text) => `${text}。`,
  fileMissing: (filename) =>
    `サーバーにファイル全体が届いていません。続けるには「${isolate(filename)}」をもう一度選択してください。`,
  fileUnreadable: "ファイルは送信中に変更、移動、または削除されました。",
  wrongFile: (size) => `別のファイルです。必要なファイルのサイズは${bytes(size)}です。`,
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
  percentSent: (percent) => `${percent}送信済み`,
  kept: (amount) => `${amount}を受信済み`,
  retryIn: (time) => `${time}後に再試行`,
  continueForRest: (percent, rest) => `${percent}が届いています。続行すると残りの${rest}を送信します。`,
  chooseForRest: (percent, filename, rest) =>
    `${percent}が届いています。「${isolate(filename)}」をもう一度選択すると、残りの${rest}を送信します。`,
  deletingSoon: (filename) => `「${isolate(filename)}」とその結果はまもなく削除されます。`,
  tooLong: (seconds, limit) => `ファイルの長さは${format.clock(seconds)}です。上限は${format.clock(limit)}です。`,
  tooManyPixels: (pixels, limit) =>
    `画像は${format.number(pixels / 1e6)}メガピクセルです。上限は${format.number(limit / 1e6)}メガピクセルです。`,
  tooLarge: (size, limit) => `ファイルのサイズは${bytes(size)}です。上限は${format.limit(limit)}です。`,
  cancellingSoon: format.plural({ other: "#件のアップロードはまもなくキャンセルされます。" }),
  smaller: (percent) => `${percent}縮小`,
  larger: (percent) => `${percent}増加`,
  sameSize: "ほぼ同じサイズ",
  incomplete: (length, declaredLength) =>
    `ファイルが不完全です。${declaredLength}のうち${length}しか読み取れませんでした。`,
  linkCopiedUntil: (moment) => `リンクをコピーしました。${moment}まで有効です。`,
  validUntil: (moment) => `ファイルへのリンクは${moment}まで有効です。`,
  storedUnchanged: "ファイルはすでに小さかったため、そのまま保存されました。",
  measuredQuality: (metric, score) => `${metric} ${score}（サンプルで測定）`,
  poster: (filename) => `${isolate(filename)}のポスター画像`,
  compressed: (filename) => `${isolate(filename)}（圧縮済み）`,
  scenes: (filename) => `${isolate(filename)}のシーン`,
  announced: (filename, text) => `${filename}：${text}。`,
  announcedFailure: (filename, reason) => `${filename}：失敗。${reason}`,
  rejected: (filename, reason) => `${isolate(filename)}：アップロードされていません。${reason}`,

  intake: {
    chooseFolder: "フォルダーを選択",
    takePhoto: "写真を撮る",
    recordVideo: "動画を撮る",
    skip: "スキップ",
    sendAgain: "もう一度送信",
    pastedPicture: (time) => `貼り付けた画像 ${time}`,
    sendAgainQuestion: (filename) => `「${isolate(filename)}」はすでにリストにあります。もう一度送信しますか？`,
    sendSeveralAgainQuestion: format.plural({ other: "#件のファイルはすでにリストにあります。もう一度送信しますか？" }),
    hiddenFilesSkipped: (count, names) => `${hiddenFiles(count)}：${names}。`,
    otherFilesSkipped: (count, names) => `${otherFiles(count)}：${names}。`,
    moreNames: (count) => `ほか${format.number(count)}件`,
    emptyFolder: (folder) => `フォルダー「${isolate(folder)}」にはファイルがありません。`,
    folderTooLarge: (folder, limit) =>
      `フォルダー「${isolate(folder)}」には${format.number(limit)}件を超えるファイルがあるため、送信されませんでした。数を減らして送信してください。`,
    folderTooDeep: (folder, limit) =>
      `フォルダー「${isolate(folder)}」は${format.number(limit)}階層より深いため、スキップされました。`,
    unreadable: (name) => `「${isolate(name)}」を読み取れませんでした。`,
    dropToSend: (count) => (count > 0 ? `ドロップすると${format.number(count)}件を送信します` : "ドロップして送信"),
    accepted: (formats, limit) => `${formats}など · 1件${limit}まで`,
    acceptedUpTo: (limit) => `${limit}までのすべてのファイル`,
  },

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
    useToken: "トークンを使用",

    newUploads: "新しいアップロード",
    fileTypes: "動画、画像、音声ファイル",


    showHidden: (count) => `非表示の${format.number(count)}件を表示`,
    noLongerStored: format.plural({ other: "以前のアップロード#件は、サーバーに保存されていません。" }),

    reference: "APIリファレンス",
    admin: "管理ページ",
    tokenMissing: "トークンが必要です",
    tokenMissingNote: "このサーバーにはアクセストークンが必要です。続けるには下に入力してください。",
    tokenRefused: "トークンが拒否されました",
    tokenRefusedNote: "アクセストークンが無効です。確認するか、新しいトークンを入手してください。",
    tokenHint: "トークンはこのタブでのみ保存されます。",
    template: "用途",
    templateTitle: ({ title, kind }) =>
      ({ video: `${title}（動画のみ）`, image: `${title}（画像のみ）`, file: `${title}（すべてのファイル、変更せずに保存）` })[kind] ??
      title,
    builtInTemplates: { auto: "動画、画像、音声ファイル", "hero-video": "動画", image: "画像" },
    notifyMe: "完了したら通知する",
    notificationsOn: "アップロードが終わると通知されます。",
    notificationsBlocked: "このブラウザーではこのページの通知がブロックされています。ブラウザーの設定で許可してください。",
    titleActive: (percent) => `${percent} · Roomcast`,
    titleEnded: (result) => `${result} · Roomcast`,
    done: format.plural({ other: "完了#件" }),
    failed: format.plural({ other: "失敗#件" }),
  },
});
