"""The size of a JPEG, from its header. Pure, but for reading the file."""

from __future__ import annotations

from pathlib import Path

from roomcast.errors import UnreadableMedia

_START, _END = b"\xff\xd8", b"\xff\xd9"
_MARKER = 0xFF
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of frame headers, of every coding process."""
_SCAN = 0xDA
_SEGMENT_HEADER, _FRAME_HEADER = 4, 9
_HEADER_BYTES = 64 * 1024


def read_jpeg_size(path: Path) -> tuple[int, int]:
    """Return the width and the height of a JPEG that ffmpeg made, in pixels.

    Raises `UnreadableMedia` when the file is missing or is no complete JPEG.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
            file.seek(-min(len(_END), file.seek(0, 2)), 2)
            size = jpeg_size(header) if file.read() == _END else None
    except OSError:
        size = None
    if size is None:
        raise UnreadableMedia("The picture could not be made.")
    return size


def jpeg_size(header: bytes) -> tuple[int, int] | None:
    """Return the width and the height that the first bytes of a JPEG declare, or None if they do not."""
    at = len(_START)
    while header.startswith(_START) and at + _FRAME_HEADER <= len(header) and header[at] == _MARKER:
        marker, length = header[at + 1], int.from_bytes(header[at + 2 : at + _SEGMENT_HEADER], "big")
        if marker in _FRAMES:
            height, width = (int.from_bytes(header[at + offset : at + offset + 2], "big") for offset in (5, 7))
            return (width, height) if width and height else None
        if marker == _SCAN:
            break
        at += 2 + length
    return None
