// A connection whose uploads are set by a test, for pages that show rows without a server that processes anything.

const MESSAGE = {
  seq: 1,
  epoch: "e",
  status: "starting",
  stage: "receiving",
  progress: 0,
  stageProgress: 0,
  message: "",
  metadata: {},
  bytesReceived: null,
  bytesExpected: null,
  attempt: 1,
  eta: null,
  speed: null,
  fps: null,
  queuePosition: null,
};

const STATUSES = {
  compressing: "compressing",
  thumbnails: "compressing",
  storing: "uploading",
  cleaning: "uploading",
  done: "completed",
  failed: "error",
  cancelled: "error",
  deleted: "error",
};

class FakeUpload extends EventTarget {
  id = null;
  file = null;
  state = null;
  error = null;
  sending = "no";
  needsFile = false;
  pausable = false;
  transfer = null;
  joining = false;
  /** The names of the methods that were called. */
  calls = [];

  constructor(name, addedAt) {
    super();
    this.id = `upload_${name}`;
    this.name = name;
    this.addedAt = addedAt;
  }

  /** Set the state as a message of a stage, with some of its fields, and tell the listeners. */
  reach(stage, fields = {}, own = {}) {
    const seq = (this.state?.seq ?? 0) + 1;
    const status = STATUSES[stage] ?? "starting";
    this.state = { ...MESSAGE, uploadId: this.id, filename: this.name, stage, status, seq, ...fields };
    Object.assign(this, own);
    this.dispatchEvent(new Event("change"));
    return this;
  }

  pause() {
    this.calls.push("pause");
    Object.assign(this, { sending: "paused", pausable: false });
    this.dispatchEvent(new Event("change"));
  }

  resume() {
    this.calls.push("resume");
    Object.assign(this, { sending: "now", pausable: true });
    this.dispatchEvent(new Event("change"));
  }

  async cancel() {
    this.calls.push("cancel");
    this.reach("cancelled", {}, { sending: "no", pausable: false });
  }

  async retry() {
    this.calls.push("retry");
    this.reach("queued");
  }

  async delete() {
    this.calls.push("delete");
    this.reach("deleted");
  }

  async refresh() {}
  async send() {}
  async rejoin() {}
  async leave() {}
}

class FakeConnection extends EventTarget {
  uploads = [];
  state = "online";
  url = location.origin;

  /** Add uploads as one batch, `batch` minutes after the first one. */
  add(batch, ...names) {
    const added = names.map((name) => new FakeUpload(name, batch * 60_000));
    this.uploads.push(...added);
    this.dispatchEvent(new Event("uploadadded"));
    return added;
  }

  named(name) {
    return this.uploads.find((upload) => upload.name === name);
  }
}

/** Return the result of a completed upload. */
const result = (name, percent = 77) => ({
  id: `upload_${name}`,
  type: "video",
  filename: name,
  url: "/media/result",
  original: { size: 1_000_000 },
  saved: { bytes: percent * 10_000, percent },
  outputs: [{ name: "video", kind: "image", key: name, bucket: "", url: "/favicon.ico", mime: "image/png", size: 9 }],
});

globalThis.poster = { name: "poster", kind: "poster", key: "poster", bucket: "", url: "/static/favicon.svg", mime: "image/svg+xml", size: 9 };
globalThis.connection = new FakeConnection();
globalThis.result = result;
await customElements.whenDefined("upload-progress-list");
for (const list of document.querySelectorAll("upload-progress-list")) list.roomcast = globalThis.connection;
