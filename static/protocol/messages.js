/**
 * The shapes of the server's messages. Pure: no socket, no clock, no page.
 *
 * @typedef {"starting" | "compressing" | "uploading" | "completed" | "error"} Status
 * @typedef {"receiving" | "queued" | "fetching" | "probing" | "compressing" | "thumbnails" | "storing" | "cleaning"
 *   | "done" | "failed" | "cancelled" | "deleted"} Stage
 *
 * @typedef {object} Output   One file that the server made from an upload.
 * @property {string} name
 * @property {"video" | "audio" | "image" | "thumbnail" | "poster" | "sprite" | "storyboard" | "hls"} kind
 * @property {string} key
 * @property {string} bucket
 * @property {string} url      Absolute, even where the server sent a relative URL.
 * @property {string} [downloadUrl]   Browsers save the file from it, under the name of the uploaded file.
 * @property {string} mime
 * @property {number} size     In bytes.
 * @property {number} [width]
 * @property {number} [height]
 * @property {number} [duration]   In seconds.
 * @property {string} [codec]      Of the video, or of the audio without a video.
 *
 * @typedef {object} Original   What is known of the file that was uploaded.
 * @property {number} size      In bytes.
 * @property {string} [mime]
 * @property {number} [width]
 * @property {number} [height]
 * @property {number} [duration]   In seconds.
 * @property {string | null} [codec]   Of the video.
 * @property {number | null} [fps]     Frames per second.
 * @property {string | null} [audioCodec]
 *
 * @typedef {object} Element   The result of a completed upload.
 * @property {string} id
 * @property {string} type
 * @property {string} filename
 * @property {string} url
 * @property {Output[]} outputs
 * @property {string} [urlsExpireAt]   When the URLs of the outputs expire, in ISO 8601; absent if they do not.
 * @property {Original} [original]
 * @property {{bytes: number, percent: number}} [saved]
 * @property {{seconds: number, declaredSeconds: number, missing?: [number, number][]}} [partial]   Present when the source
 *   file is incomplete: how much of it could be read. `missing` has what could not be decoded: from and to, in seconds.
 * @property {boolean} [copied]   True when the source was already small enough and was stored unchanged.
 * @property {string[]} [copiedDespite]   In what a copy is unlike the template, such as `orientation` or `keyframe_gap`.
 * @property {string} [codec]   The codec that was used instead of the template's.
 * @property {Quality} [quality]   With a target quality.
 * @property {{blurhash: string}} [placeholder]
 *
 * @typedef {object} Quality   The quality that was reached. Of a film in segments, that of the worst one.
 * @property {"vmaf" | "ssim" | null} metric   Null if it could not be measured; then there is no score.
 * @property {number} crf
 * @property {number} [target]
 * @property {number | null} [score]   Measured on samples; null if the result is one that was not measured.
 * @property {boolean} [reached]
 * @property {{start: number, seconds: number, score: number, crf: number}} [worst]   The segment with the lowest score.
 *
 * @typedef {object} Forecast   An estimate of the compression's outcome.
 * @property {number} bytes     Expected size of the result.
 * @property {number} seconds   Expected duration of the whole compression.
 * @property {number} [bytesLow]      The size is probably between these two; absent from half of the compression on.
 * @property {number} [bytesHigh]
 * @property {number} [secondsLow]    The duration, likewise.
 * @property {number} [secondsHigh]
 *
 * @typedef {object} Playable   What can be played of a long film while the rest of it is compressed.
 * @property {string} url      A playlist (HLS) that grows, from the beginning of the film on. Signed; a later message has
 *   a newer one.
 * @property {string} mime
 * @property {string} key
 * @property {{name: string, width: number, height: number}[]} qualities   The sizes that can be played so far, the
 *   largest first. `name` is the short side in pixels.
 * @property {number} [duration]   That of the complete film, in seconds.
 *
 * @typedef {object} ApplicationEvent   What the server's application has sent to the room of an upload.
 * @property {string} name
 * @property {any} payload
 * @property {string} at        The time, in ISO 8601.
 *
 * @typedef {object} Message   The state of an upload, the same on every transport.
 * @property {string} uploadId
 * @property {number} seq
 * @property {string} epoch
 * @property {Status} status
 * @property {Stage} stage
 * @property {number} progress        Overall, 0–100.
 * @property {number} stageProgress   Of the current stage, 0–100.
 * @property {string} message
 * @property {string} filename
 * @property {Record<string, any> & {path?: string}} metadata   The application's; `path` is the folder of the results.
 * @property {number | null} bytesReceived
 * @property {number | null} bytesExpected
 * @property {number} attempt
 * @property {boolean} [retried]      True when a person, not the server, has started this attempt.
 * @property {string} updatedAt
 * @property {number | null} eta      In seconds.
 * @property {number | null} speed
 * @property {number | null} fps
 * @property {number | null} queuePosition
 * @property {boolean} [paused]       True while it is queued and an administrator has paused its template.
 * @property {Output} [poster]        A preview that is available before the result.
 * @property {Playable} [playable]    Absent from films of less than 20 seconds, and at the end.
 * @property {Forecast} [forecast]
 * @property {Element} [element]
 * @property {ApplicationEvent} [event]   The event that this message brings; nothing else has changed.
 * @property {{code: string, message: string, step: string, retryable: boolean}} [error]
 */

/**
 * Return whether a message reports a terminal state: `completed` or `error`.
 *
 * @param {Message | null} message
 * @returns {boolean}
 */
export function isTerminal(message) {
  return message !== null && (message.status === "completed" || message.status === "error");
}

/**
 * Return the message with absolute URLs. A server that does not know its public address sends paths, which are relative
 * to the server and not to the page that shows them.
 *
 * @param {Message} message
 * @param {(url: string) => string} resolve
 * @returns {Message}
 */
export function withAbsoluteUrls(message, resolve) {
  const { poster, playable, element } = message;
  if (!poster && !playable && !element) return message;
  const resolved = { ...message };
  if (playable) resolved.playable = { ...playable, url: resolve(playable.url) };
  if (poster) resolved.poster = resolvedOutput(poster, resolve);
  if (element) {
    const outputs = element.outputs.map((output) => resolvedOutput(output, resolve));
    resolved.element = { ...element, url: element.url && resolve(element.url), outputs };
  }
  return resolved;
}

/** @param {Output} output @param {(url: string) => string} resolve */
function resolvedOutput(output, resolve) {
  const { url, downloadUrl } = output;
  return { ...output, url: resolve(url), ...(downloadUrl && { downloadUrl: resolve(downloadUrl) }) };
}
