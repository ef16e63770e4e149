"""Conversion of a declared colour space to sRGB in floating point, on Pillow's images of mode F.

HDR becomes SDR: light up to half the reference white stays as it is, brighter light is compressed so that the image's
peak becomes white. Where no light is above the reference white, nothing is compressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageMath

from .colour_space import HLG_GAMMA, HLG_PEAK, PQ_PEAK, REFERENCE_WHITE, ColourSpace, luminances, to_srgb_light

_KNEE = 0.5
_WHITE_TOLERANCE = 1.1
"""A peak up to this is that of an SDR image, and is clipped."""
_HIGHLIGHTS = 0.001
"""The share of the pixels that may be brighter than the peak: they are clipped."""
_SMALLEST = 1e-6


def to_srgb(channels: Sequence[Image.Image], space: ColourSpace, peak: float) -> Image.Image:
    """Return the image of three channels, of mode L or I;16, as RGB in sRGB. Of HDR, light of `peak` becomes white."""
    lights = _lights(channels, space)
    if space.hdr:
        lights = _compressed(lights, peak)
    return Image.merge("RGB", [_encoded(lights, row) for row in to_srgb_light(space.primaries)])


def peak_light(channels: Sequence[Image.Image], space: ColourSpace) -> float:
    """Return the brightest light of an HDR image that is not a mere highlight."""
    most = PQ_PEAK / REFERENCE_WHITE
    lights = _named(_lights(channels, space))
    scaled = _computed(lambda images: (_brightest(images) / most) ** 0.25 * 255.0, **lights).convert("L")
    counts, code = scaled.histogram(), 255
    allowed = _HIGHLIGHTS * sum(counts)
    while code > 0 and (allowed := allowed - counts[code]) >= 0:
        code -= 1
    return float(((code + 1) / 255.0) ** 4 * most)


def _lights(channels: Sequence[Image.Image], space: ColourSpace) -> list[Image.Image]:
    """Return the light of each channel, in which 1 is the reference white."""
    lights = [_light(channel, space) for channel in channels]
    return _displayed(lights, space) if space.transfer == "hlg" else lights


def _light(channel: Image.Image, space: ColourSpace) -> Image.Image:
    """Return the light of one channel: of the display, where 1 is the reference white, or for HLG of the scene."""
    top = 255.0 if channel.mode == "L" else 65535.0
    transfer = space.transfer

    def convert(images: dict[str, Any]) -> Any:
        code = images["float"](images["codes"]) / top
        match transfer:
            case "pq":  # SMPTE ST 2084
                power = code ** (1 / 78.84375)
                ratio = images["max"](power - 0.8359375, 0.0) / (18.8515625 - 18.6875 * power)
                return ratio ** (1 / 0.1593017578125) * (PQ_PEAK / REFERENCE_WHITE)
            case "hlg":  # ARIB STD-B67
                low = images["float"](code <= 0.5)
                high = (2.718281828459045 ** ((code - 0.55991073) / 0.17883277) + 0.28466892) / 12.0
                return low * (code * code / 3.0) + (1.0 - low) * high
            case "srgb":
                low = images["float"](code <= 0.04045)
                return low * (code / 12.92) + (1.0 - low) * ((code + 0.055) / 1.055) ** 2.4
            case exponent:
                return code ** float(exponent)

    wide = channel.convert("I") if channel.mode != "L" else channel
    return _computed(convert, codes=wide)


def _displayed(scene: Sequence[Image.Image], space: ColourSpace) -> list[Image.Image]:
    """Return the light that a display with a peak of 1,000 cd/m² makes of HLG's scene (BT.2100)."""
    red, green, blue = luminances(space.primaries)

    def scale(images: dict[str, Any]) -> Any:
        luminance = images["red"] * red + images["green"] * green + images["blue"] * blue
        return images["max"](luminance, _SMALLEST) ** (HLG_GAMMA - 1) * (HLG_PEAK / REFERENCE_WHITE)

    scales = _computed(scale, **_named(scene))
    return [_computed(lambda images: images["light"] * images["scales"], light=light, scales=scales) for light in scene]


def _compressed(lights: Sequence[Image.Image], peak: float) -> list[Image.Image]:
    """Return the light with its peak at 1. Each pixel keeps its hue: its channels are scaled alike."""
    if peak <= _WHITE_TOLERANCE:
        return list(lights)
    bend = 1 / (1 - _KNEE) - 1 / (peak - _KNEE)

    def scale(images: dict[str, Any]) -> Any:
        brightest = images["max"](_brightest(images), _SMALLEST)
        above = images["max"](images["min"](brightest, peak) - _KNEE, 0.0)
        return (images["min"](brightest, _KNEE) + above / (above * bend + 1.0)) / brightest

    scales = _computed(scale, **_named(lights))
    return [
        _computed(lambda images: images["light"] * images["scales"], light=light, scales=scales) for light in lights
    ]


def _encoded(lights: Sequence[Image.Image], row: Sequence[float]) -> Image.Image:
    """Return one channel of sRGB, of which `row` is that of the matrix from these lights."""

    def convert(images: dict[str, Any]) -> Any:
        mixed = images["red"] * row[0] + images["green"] * row[1] + images["blue"] * row[2]
        light = images["min"](images["max"](mixed, 0.0), 1.0)
        low = images["float"](light <= 0.0031308)
        code = low * (light * 12.92) + (1.0 - low) * (light ** (1 / 2.4) * 1.055 - 0.055)
        return code * 255.0 + 0.5

    return _computed(convert, **_named(lights)).convert("L")


def _brightest(images: dict[str, Any]) -> Any:
    return images["max"](images["max"](images["red"], images["green"]), images["blue"])


def _named(lights: Sequence[Image.Image]) -> dict[str, Image.Image]:
    return dict(zip(("red", "green", "blue"), lights, strict=True))


def _computed(expression: Any, **images: Image.Image) -> Image.Image:
    result: Image.Image = ImageMath.lambda_eval(expression, **images)
    return result
