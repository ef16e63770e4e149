"""Conversion of any of Pillow's modes to 8 bits per channel in sRGB."""

from __future__ import annotations

import io
import math
import sys
from typing import Any, cast

from PIL import Image, ImageCms, ImageMath

_DEEP = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
_PROFILE_SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}
_BITS_PER_SAMPLE = 258
_OPAQUE = 255


def to_8bit(image: Image.Image) -> Image.Image:
    """Return the image as L, LA, RGB, RGBA or CMYK, 8 bits per channel, with alpha only if it is not fully opaque."""
    if image.mode in _DEEP:
        image = _grey_to_8bit(image)
    elif image.mode == "La":
        image = image.convert("LA")
    elif image.mode in {"RGBa", "PA"} or image.has_transparency_data:
        image = image if image.mode == "LA" else image.convert("RGBA")
    elif image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        image = _to_srgb(image, ImageCms.ImageCmsProfile(lab))
    elif image.mode not in {"RGB", "L", "CMYK"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    return _drop_opaque_alpha(image)


def in_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """Return an 8-bit image in sRGB, as RGB or RGBA. Ignores a profile that is broken or for another colour space."""
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    colours = image.convert(image.mode[:-1]) if alpha is not None else image
    if isinstance(profile, bytes) and profile:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if embedded.profile.xcolor_space == _PROFILE_SPACES[colours.mode]:
                colours = _to_srgb(colours, embedded)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
            sys.stderr.write("colour profile ignored\n")
    colours = colours.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def on_white(image: Image.Image) -> Image.Image:
    """Return the image without alpha, composed onto white."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _grey_to_8bit(image: Image.Image) -> Image.Image:
    """Convert deep grey to 8 bits. 16-bit keeps its scale; 32-bit and float are stretched to 256 levels."""
    wide = image.convert("F")
    low, high = _grey_range(image, *cast("tuple[float, float]", wide.getextrema()))
    scale = 255.0 / ((high - low) or 1.0)
    grey = wide.point(lambda level: level * scale + (0.5 - low * scale)).convert("L")
    clear = image.info.get("transparency")
    if isinstance(clear, int):  # the one grey level that a PNG declares transparent
        alpha = ImageMath.lambda_eval(
            lambda names: names["convert"]((names["grey"] != clear) * _OPAQUE, "L"), grey=image.convert("I")
        )
        grey.putalpha(alpha)
    return grey


def _grey_range(image: Image.Image, low: float, high: float) -> tuple[float, float]:
    """Return the levels of black and white."""
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
        return 0.0, 4095.0 if bits == (12,) else 65535.0
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    if image.mode == "F" and low >= 0 and high <= 1:
        return 0.0, 1.0
    for white in (255.0, 65535.0):
        if low >= 0 and high <= white:
            return 0.0, white
    return low, high


def _drop_opaque_alpha(image: Image.Image) -> Image.Image:
    if image.mode in {"LA", "RGBA"} and image.getchannel("A").getextrema() == (_OPAQUE, _OPAQUE):
        return image.convert(image.mode[:-1])
    return image


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    return image if converted is None else converted
