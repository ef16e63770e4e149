"""Filter chains that normalise every frame of a video: orientation, square pixels, deinterlacing, colours. Pure.

ffmpeg turns frames upright before the first filter. These chains deinterlace, scale, blend transparency onto black, and
convert colours to what every screen and browser shows correctly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roomcast_workers.media_info.probe import VideoStream

Filter = tuple[str, dict[str, str | int]]
"""The name of an ffmpeg filter, and its options."""

ToneMapper = Literal["zscale", "swscale", "none"]
"""How the installed ffmpeg can convert HDR to SDR; with "none" the result looks dull."""

_HD_LINES = 720
_PAL_LINES = 576
_SD = {"smpte170m", "bt470bg"}


@dataclass(frozen=True)
class Colours:
    """A video's colour tags, by ffmpeg's names."""

    matrix: str
    primaries: str
    transfer: str


BT709 = Colours("bt709", "bt709", "bt709")
_CODES = {"bt709": 1, "bt470bg": 5, "smpte170m": 6}
_NTSC = Colours("smpte170m", "smpte170m", "smpte170m")
_PAL = Colours("bt470bg", "bt470bg", "smpte170m")


def output_colours(video: VideoStream) -> Colours:
    """Return the colours of the result: BT.709, except for SD television colours, which stay.

    A small video without tags counts as SD, as players assume.
    """
    lines = min(video.width, video.height)
    small = video.matrix is None and video.pix_fmt is not None and video.pix_fmt.startswith("yuv") and lines < _HD_LINES
    if video.needs_colour_management or not (video.matrix in _SD or small):
        return BT709
    return _PAL if video.matrix == "bt470bg" or (video.matrix is None and lines == _PAL_LINES) else _NTSC


def colour_codes(colours: Colours) -> dict[str, int]:
    """Return the tags as numbers (ITU-T H.273), by the option names of `h264_metadata`."""
    names = ("colour_primaries", "transfer_characteristics", "matrix_coefficients")
    values = (colours.primaries, colours.transfer, colours.matrix)
    return {name: _CODES[value] for name, value in zip(names, values, strict=True)}


def video_filters(video: VideoStream, width: int, height: int, tone_mapper: ToneMapper) -> list[Filter]:
    """Return the filters for a result of `width` × `height`: 8-bit 4:2:0 in TV range, tagged with `output_colours`."""
    colours = output_colours(video)
    tags = {"colorspace": colours.matrix, "color_primaries": colours.primaries, "color_trc": colours.transfer}
    return [
        *deinterlaced(video),
        *_scaled(video, width, height, colours, "tv", tone_mapper),
        ("setsar", {"sar": 1}),
        ("format", {"pix_fmts": "yuv420p"}),
        ("sidedata", {"mode": "delete", "type": "MASTERING_DISPLAY_METADATA"}),
        ("sidedata", {"mode": "delete", "type": "CONTENT_LIGHT_LEVEL"}),
        ("setparams", {"range": "tv", "field_mode": "prog", **tags}),
    ]


def jpeg_filters(video: VideoStream, width: int, height: int, tone_mapper: ToneMapper) -> list[Filter]:
    """Return the filters for a JPEG: full range, with the colour matrix that JPEG prescribes."""
    jpeg = Colours("bt470bg", "bt709", "bt709")
    return [
        *deinterlaced(video),
        *_scaled(video, width, height, jpeg, "pc", tone_mapper),
        ("setsar", {"sar": 1}),
        ("format", {"pix_fmts": "yuvj420p"}),
    ]


def deinterlaced(video: VideoStream) -> list[Filter]:
    """Return the filter that makes whole frames of an interlaced video's fields; none for another video."""
    return [("bwdif", {"mode": "send_frame", "deint": "interlaced"})] if video.interlaced else []


def _scaled(
    video: VideoStream, width: int, height: int, colours: Colours, levels: str, tone_mapper: ToneMapper
) -> list[Filter]:
    size: dict[str, str | int] = {"w": width, "h": height}
    framed: list[Filter] = []
    if video.size_varies:
        size = {"w": f"2*trunc(min({width},{height}*dar)/2+0.01)", "h": f"2*trunc(min({height},{width}/dar)/2+0.01)"}
        framed = [("pad", {"w": width, "h": height, "x": "(ow-iw)/2", "y": "(oh-ih)/2"})]
    # Both ranges and both matrices are given: otherwise a full-range source only loses its tag and not its levels.
    options = size | {"out_range": levels, "out_color_matrix": colours.matrix}
    if video.matrix is None:
        options["in_color_matrix"] = output_colours(video).matrix
    if video.alpha:
        options["alphablend"] = "uniform_color"
    if not video.needs_colour_management:
        return [("scale", options), *framed]
    if tone_mapper == "zscale":
        return [("scale", size), *_ZSCALE, ("scale", options), *framed]
    if tone_mapper == "swscale":
        # In two steps: the second is expensive for every pixel.
        managed: dict[str, str | int] = {"out_primaries": "bt709", "out_transfer": "bt709", "intent": "perceptual"}
        return [("scale", size), ("scale", options | managed), *framed]
    return [("scale", options), *framed]


# In linear light, where 1.0 is reference white (ITU-R BT.2408: 203 cd/m²).
_ZSCALE: list[Filter] = [
    ("zscale", {"transfer": "linear", "npl": 203}),
    ("format", {"pix_fmts": "gbrpf32le"}),
    ("zscale", {"primaries": "bt709"}),
    ("tonemap", {"tonemap": "mobius", "desat": 0}),
    ("zscale", {"transfer": "bt709", "matrix": "bt709", "range": "tv"}),
    ("format", {"pix_fmts": "yuv420p"}),
]
