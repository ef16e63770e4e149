/** Guesses a file's media type on the client. The server decides from the file's bytes. Pure. */

const EXTENSIONS = {
  video: "mp4 m4v mov webm mkv avi wmv flv mpg mpeg m2v ts mts m2ts 3gp 3g2 ogv asf".split(" "),
  audio: "mp3 m4a m4b aac wav flac ogg oga opus aif aiff caf amr".split(" "),
  image: "jpg jpeg png gif webp avif tif tiff bmp heic heif jxl".split(" "),
};
const TOP_LEVEL_TYPES = /** @type {(keyof typeof EXTENSIONS)[]} */ (Object.keys(EXTENSIONS));

/**
 * Return the top-level media type of a file, or null if it is not a media file.
 *
 * @param {{name: string, type: string}} file
 * @returns {"video" | "audio" | "image" | null}
 */
export function topLevelTypeOf({ name, type }) {
  const extension = name.split(".").pop()?.toLowerCase() ?? "";
  const declared = TOP_LEVEL_TYPES.find((media) => type.startsWith(`${media}/`));
  return declared ?? TOP_LEVEL_TYPES.find((media) => EXTENSIONS[media].includes(extension)) ?? null;
}

/**
 * Return the kind of template that a file needs, or null if it is not a media file. Audio files use video templates.
 *
 * @param {{name: string, type: string}} file @returns {"video" | "image" | null}
 */
export function mediaTypeOf(file) {
  const type = topLevelTypeOf(file);
  return type === "audio" ? "video" : type;
}
