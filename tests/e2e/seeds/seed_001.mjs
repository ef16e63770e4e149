// The front end of seed document 001 without its components: the socket service, the hook that tracks one upload, and
// the service that creates an element. A program of tests/node/host.mjs.
// arguments: URL '{"token": "…", "origin": "https://…"}'
// in:  {"create": "/path/clip.mp4", "type": "hero-video"} | {"track": ID} | {"cancel": ID} | {"retry": ID} | {"hook": true}
// out: {"name": "connect" | "created" | "progress" | "hook" | "connect_error", ...}
import { createRequire } from "node:module";
import { openAsBlob } from "node:fs";
import { basename } from "node:path";

const require = createRequire(new URL("../../../static/package.json", import.meta.url));
const { io } = require("socket.io-client");

export async function run([apiUrl, given], lines, print) {
  const { token, origin } = JSON.parse(given);
  const say = (name, more = {}) => print({ name, ...more });

  /** One connection for the whole page. No call asks for an acknowledgement. */
  class SocketService {
    #socket = null;
    #joined = new Set();

    connect() {
      this.#socket ??= io(apiUrl, {
        transports: ["websocket", "polling"],
        forceNew: true, // as in a page of its own
        timeout: 20_000,
        reconnection: true,
        reconnectionAttempts: 5,
        reconnectionDelay: 1_000,
        ...(token && { auth: { token } }),
        ...(origin && { extraHeaders: { Origin: origin } }),
      });
      this.#socket.io.on("reconnect", () => this.#joined.forEach((id) => this.#socket.emit("join-upload", id)));
      this.#socket.on("connect", () => say("connect"));
      this.#socket.on("connect_error", (error) => say("connect_error", { message: error.message }));
    }

    disconnect() {
      this.#socket?.disconnect();
      this.#socket = null;
    }

    joinUpload(uploadId) {
      this.#joined.add(uploadId);
      this.#socket.emit("join-upload", uploadId);
    }

    leaveUpload(uploadId) {
      this.#joined.delete(uploadId);
      this.#socket.emit("leave-upload", uploadId);
    }

    cancelUpload(uploadId) {
      this.#socket.emit("cancel-upload", uploadId);
    }

    retryUpload(uploadId) {
      this.#socket.emit("retry-upload", uploadId);
    }

    onUploadProgress(callback) {
      this.#socket.on("upload-progress", callback);
    }
  }

  /** What a component knows of the upload that it shows. */
  class UploadProgressHook {
    progress = null;
    isUploading = false;
    isCompleted = false;
    isError = false;
    error = null;
    #service;

    constructor(service) {
      this.#service = service;
      service.onUploadProgress((progress) => this.#handle(progress));
    }

    startTracking(uploadId) {
      this.progress = { uploadId, status: "starting", progress: 0, message: "Starting upload" };
      Object.assign(this, { isUploading: true, isCompleted: false, isError: false, error: null });
      this.#service.joinUpload(uploadId);
    }

    #handle(progress) {
      say("progress", { progress });
      if (progress.uploadId !== this.progress?.uploadId) return;
      this.progress = progress;
      this.isCompleted = progress.status === "completed";
      this.isError = progress.status === "error";
      this.isUploading = !this.isCompleted && !this.isError;
      this.error = this.isError ? progress.message : null;
      if (!this.isUploading) this.#service.leaveUpload(progress.uploadId);
    }
  }

  const elementService = {
    async createElement(formData) {
      const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(origin && { Origin: origin }) };
      const response = await fetch(`${apiUrl}/api/uploads`, { method: "POST", headers, body: formData });
      return { status: response.status, body: await response.json() };
    },
  };

  async function handleUpload(path, type) {
    const formData = new FormData();
    formData.append("type", type);
    formData.append("media_file", await openAsBlob(path), basename(path));
    const result = await elementService.createElement(formData);
    say("created", result);
    if (result.body.uploadId) hook.startTracking(result.body.uploadId);
  }

  const socketService = new SocketService();
  socketService.connect();
  const hook = new UploadProgressHook(socketService);

  for await (const line of lines) {
    const { create, type, track, cancel, retry } = JSON.parse(line);
    if (create) void handleUpload(create, type);
    else if (track) hook.startTracking(track);
    else if (cancel) socketService.cancelUpload(cancel);
    else if (retry) socketService.retryUpload(retry);
    else say("hook", { hook: { ...hook } });
  }
  socketService.disconnect();
}
