"""Conversion of any of Pillow's modes to 8 bits per channel in sRGB."""

from __future__ import annotations

import io
import math
import sys
from typing import IO, Any, cast

from PIL import Image, ImageCms, ImageMath

from .colour_space import ColourSpace
from .deep_image import deep_image
from .light import peak_light, to_srgb

_DEEP = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
_PROFILE_SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}
_BITS_PER_SAMPLE = 258
_OPAQUE = 255


Layers = list[Image.Image]


class ColourConversion:
    """Conversion of one file's images to sRGB in two steps, between which they are cropped and resized.

    `space` is what the file declares beside a profile, `deep` is `ImageRequest.deep`. All frames of an animation are
    converted alike.
    """

    def __init__(self, file: IO[bytes], space: ColourSpace | None, profile: Any, deep: str) -> None:
        self._file = file
        self._decoded = deep
        self._space = None if space is None or space.is_srgb else space
        self._profile = profile
        self._peak: float | None = None

    @property
    def needs_all_bits(self) -> bool:
        """Whether 8 bits of the source are fewer than 8 bits of sRGB."""
        return self._space is not None and self._space.transfer != "srgb"

    def load(self, image: Image.Image) -> Layers:
        """Decode the image into one or several images of its size."""
        deep = None
        if self.needs_all_bits and "transparency" not in image.info:  # a transparent colour is only known in 8 bits
            deep = deep_image(image, self._file, self._decoded)
        if deep:
            return [*deep.colours, *([deep.alpha] if deep.alpha else [])]
        image.load()
        return [to_8bit(image)]

    def finish(self, layers: Layers) -> Image.Image:
        """Return the image of which these are the layers as RGB or RGBA in sRGB."""
        space = self._space
        if space is None:
            return in_srgb(layers[0], self._profile)
        if len(layers) == 1:
            image = layers[0].convert("RGBA" if layers[0].mode in {"LA", "RGBA"} else "RGB")
            layers = list(image.split())
        if self._peak is None and space.hdr:
            self._peak = peak_light(layers[:3], space)
        colours = to_srgb(layers[:3], space, self._peak or 1.0)
        if len(layers) > 3:
            colours.putalpha(layers[3])
        return colours


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
