"""Turn one untrusted picture into the web's formats: the only code that lets Pillow read an upload.

Started by path, confined, as `python -I image_child.py ORDER` (see `workers.image`), so it imports nothing of ours.
ORDER is JSON: the fields of `Order`. On stdout, one JSON object a line: `{"fraction": 0–1}`, `{"output": name, "width",
"height"}`, and at a bad end `{"failed": reason}` and exit code 1, with reason one of `unreadable`, `too-many-pixels`,
`disk-full`, `too-large`, `memory`, `failed`.
"""

from __future__ import annotations

import errno
import io
import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from PIL import Image, ImageCms

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WITH_ALPHA = {"RGBA", "RGBa", "LA", "La", "PA"}
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
_PROFILE_SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}

# Sloppy metadata is common in good photographs, and none of it is used: these do not make a picture unreadable.
_HARMLESS = (
    "Corrupt EXIF data",
    "Possibly corrupt EXIF",
    "Truncated File Read",
    "Metadata Warning",
    "Tag (offset|data)",
    "Invalid APNG",
    "Palette images with Transparency",
    "Image appears to be a malformed MPO file",
)


@dataclass(frozen=True)
class Order:
    """What is asked for; the fields of ORDER."""

    source: str
    format: str
    out: str
    long_side: int
    thumbnail_side: int
    quality: int
    max_pixels: int


def main(argv: list[str]) -> int:
    """Do what `argv[0]` orders; the exit code."""
    order = Order(**json.loads(argv[0]))
    warnings.simplefilter("error")
    for message in _HARMLESS:
        warnings.filterwarnings("ignore", message=message)
    Image.MAX_IMAGE_PIXELS = order.max_pixels
    blame = "unreadable"
    try:
        picture = _decoded(order)
        blame = "failed"
        _encode(picture, order)
    except Exception as problem:  # noqa: BLE001 - a decoder may raise anything, and all of it must have a name
        sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
        _say(failed=_reason(problem) or blame)
        return 1
    return 0


def _say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _reason(problem: Exception) -> str | None:
    """The reason that the problem itself gives; None when it depends on what was being done."""
    if isinstance(problem, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too-many-pixels"
    if isinstance(problem, MemoryError):
        return "memory"
    if not isinstance(problem, OSError) or problem.errno is None:  # Pillow's own OSErrors carry no number
        return None
    known = {errno.ENOSPC: "disk-full", errno.EDQUOT: "disk-full", errno.EFBIG: "too-large", errno.ENOMEM: "memory"}
    return known.get(problem.errno, "failed")


def _decoded(order: Order) -> Image.Image:
    """The picture at its final size: upright, sRGB, RGB or RGBA, nothing else attached."""
    # Only the decoder that the first bytes call for; and only the first frame: nothing here ever seeks.
    with Image.open(order.source, formats=[order.format]) as opened:
        _say(fraction=0.05)
        turn = _UPRIGHT.get(_orientation(opened))
        profile = opened.info.get("icc_profile")
        target = fit(opened.size, order.long_side)
        opened.draft(opened.mode, target)
        opened.load()
        _say(fraction=0.4)
        picture = in_srgb(shrunk(plain(opened), target), profile)
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info.clear()  # or the encoders would copy comments and profiles from it
    return picture


def _encode(picture: Image.Image, order: Order) -> None:
    _say(fraction=0.6)
    thumbnail = shrunk(picture, fit(picture.size, order.thumbnail_side))
    for name, image, done in (
        ("image.webp", picture, 0.8),
        ("image.jpg", picture, 0.9),
        ("thumbnail.webp", thumbnail, 1.0),
    ):
        write(Path(order.out, name), image, order.quality)
        _say(output=name, width=image.width, height=image.height)
        _say(fraction=done)


def fit(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """The size of the same shape with its longest side at most `long_side`; never larger than `size`."""
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def plain(image: Image.Image) -> Image.Image:
    """The picture as L, RGB, RGBA or CMYK, 8 bits a channel."""
    if image.mode in _DEEP:
        return _eight_bits(image)
    if image.mode in _WITH_ALPHA or image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in {"RGB", "L", "CMYK"}:
        return image
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _converted(image, ImageCms.ImageCmsProfile(lab))
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey keeps its scale; where the scale is not fixed (32-bit, float), what there is fills the 256 levels."""
    wide = image.convert("F")
    low, high = cast("tuple[float, float]", wide.getextrema())
    if image.mode.startswith("I;16") or (low >= 0 and 255 < high <= 65535):
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    scale = 255.0 / ((high - low) or 1.0)
    return wide.point(lambda level: level * scale - low * scale).convert("L")


def shrunk(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resampled to `size`, alpha weighed in; the picture itself when that is its size."""
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def in_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """The picture in sRGB, as RGB or RGBA. A profile that is broken, or for another kind of picture, counts as none."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha is not None else image
    if isinstance(profile, bytes) and profile:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if embedded.profile.xcolor_space == _PROFILE_SPACES[colours.mode]:
                colours = _converted(colours, embedded)
        except (ImageCms.PyCMSError, OSError, ValueError):
            sys.stderr.write("colour profile ignored\n")
    colours = colours.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    return image if converted is None else converted


def write(path: Path, image: Image.Image, quality: int) -> None:
    """Save by the suffix, without metadata, and read it back: what cannot be read again was not written."""
    if path.suffix == ".jpg":
        flattened(image).save(path, "JPEG", quality=quality, optimize=True, progressive=True)
        expected = "JPEG"
    else:
        image.save(path, "WEBP", quality=quality, method=4)
        expected = "WEBP"
    with Image.open(path, formats=[expected]) as again:
        again.load()
        if again.size != image.size or {"exif", "icc_profile", "xmp", "comment"} & set(again.info):
            raise RuntimeError("the result is not what was written")


def flattened(image: Image.Image) -> Image.Image:
    """Without alpha: what is transparent becomes white."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - a photograph whose EXIF cannot be read is still a photograph
        return 1
    return value if isinstance(value, int) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
