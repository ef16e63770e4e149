"""Find the sizes of a video's frames, which change in recordings of calls, in broadcasts and in joined files. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from roomcast_workers.media_info.probe import VideoStream
from roomcast_workers.sandbox.output_lines import OutputLines

FRAME_ENTRIES = "frame=width,height,sample_aspect_ratio:side_data=rotation"
"""ffprobe's `-show_entries`, with `-of compact`: one line per frame."""

_MAX_LINE = 1024
_MAX_SIZES = 64
_MAX_SIDE = 1 << 20
_SIDE = re.compile(rb"\b(width|height)=(\d{1,7})\b")
_ASPECT = re.compile(rb"\bsample_aspect_ratio=(\d{1,9}):(\d{1,9})\b")
_ROTATION = re.compile(rb"\brotation=(-?\d{1,3})\b")


@dataclass(frozen=True)
class FrameSize:
    """The size of a frame as it is displayed, in pixels, and its rotation in degrees."""

    width: int
    height: int
    rotation: int = 0


class FrameSizes:
    """Incremental parser of ffprobe's list of frames. Accepts any bytes in any chunks and never raises."""

    def __init__(self) -> None:
        self.sizes: dict[FrameSize, int] = {}
        self._lines = OutputLines(_MAX_LINE)

    def feed(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            size = _parse_size(line) if len(line) <= _MAX_LINE else None
            if size is not None and (size in self.sizes or len(self.sizes) < _MAX_SIZES):
                self.sizes[size] = self.sizes.get(size, 0) + 1

    def applied_to(self, video: VideoStream) -> VideoStream:
        """Return the video with the largest of these sizes, marked if there are several."""
        if len(self.sizes) < 2:
            return video
        largest = max(self.sizes, key=lambda size: size.width * size.height)
        return replace(video, width=largest.width, height=largest.height, size_varies=True, as_is=False)


def _parse_size(line: bytes) -> FrameSize | None:
    sides = {name: int(value) for name, value in _SIDE.findall(line)}
    width, height = sides.get(b"width", 0), sides.get(b"height", 0)
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        return None
    aspect = _ASPECT.search(line)
    if aspect is not None and int(aspect[1]) and int(aspect[2]):
        width = min(_MAX_SIDE, max(1, round(width * int(aspect[1]) / int(aspect[2]))))
    turned = _ROTATION.search(line)
    rotation = int(turned[1]) % 360 if turned is not None else 0
    if rotation % 180 == 90:
        width, height = height, width
    return FrameSize(width, height, rotation)
