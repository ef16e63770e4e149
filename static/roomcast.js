/**
 * Roomcast for the browser: sends files and reports the progress of their uploads.
 *
 * ```js
 * import { connect } from "/static/roomcast.js";
 *
 * const roomcast = connect();
 * const upload = roomcast.upload(file, { onProgress: (state) => (bar.value = state.progress) });
 * const { element } = await upload.finished;
 * ```
 *
 * Each upload has a Socket.IO room. Without a socket, event streams are used, and polling where those are blocked. On
 * every transport, an upload's `state` is the server's latest message, and progress never goes backwards. Files of more
 * than 1 MiB are sent in chunks: they can be paused, survive a lost connection, and are resumed after a reload when the
 * same file is given again. All errors are `RoomcastError`s, and no promise rejects unhandled.
 *
 * @typedef {import("./protocol/messages.js").Status} Status
 * @typedef {import("./protocol/messages.js").Stage} Stage
 * @typedef {import("./protocol/messages.js").Output} Output
 * @typedef {import("./protocol/messages.js").Element} Element
 * @typedef {import("./protocol/messages.js").Forecast} Forecast
 * @typedef {import("./protocol/messages.js").Message} Message
 * @typedef {import("./client/aggregate.js").Aggregate} Aggregate
 * @typedef {import("./client/connection.js").ConnectionState} ConnectionState
 */

export { Roomcast, connect } from "./client/connection.js";
export { Upload } from "./client/upload.js";
export { RoomcastError } from "./protocol/errors.js";
