/** Measures a media file as the browser reads it: how long it lasts, how many pixels it has. */

/** @typedef {{seconds: number | null, pixels: number | null}} Measures   Null where the browser cannot read it. */

const TIMEOUT_MS = 2_000;

/**
 * Return the measures of a file. Never rejects.
 *
 * @param {File} file @param {"video" | "image"} mediaType   `video` for audio as well.
 * @returns {Promise<Measures>}
 */
export async function measuresOf(file, mediaType) {
  const url = URL.createObjectURL(file);
  try {
    return mediaType === "video" ? await measureVideo(url) : await measureImage(url);
  } catch {
    return { seconds: null, pixels: null };
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {string} url @returns {Promise<Measures>} */
async function measureVideo(url) {
  const media = Object.assign(document.createElement("video"), { preload: "metadata", muted: true });
  const loaded = eventOf(media, "loadedmetadata");
  media.src = url;
  try {
    await loaded;
    return { seconds: Number.isFinite(media.duration) ? media.duration : null, pixels: null };
  } finally {
    media.removeAttribute("src"); // frees the decoder
    media.load();
  }
}

/** @param {string} url @returns {Promise<Measures>} */
async function measureImage(url) {
  const image = new Image();
  const loaded = eventOf(image, "load");
  image.src = url;
  await loaded;
  return { seconds: null, pixels: image.naturalWidth * image.naturalHeight };
}

/** Resolve with an event, or reject when loading fails or lasts too long.
 * @param {HTMLElement} element @param {string} name */
function eventOf(element, name) {
  return new Promise((resolve, reject) => {
    element.addEventListener(name, resolve, { once: true });
    element.addEventListener("error", reject, { once: true });
    setTimeout(reject, TIMEOUT_MS);
  });
}
