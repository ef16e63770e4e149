"""PNG chunks (PNG third edition): what decoding needs of them, and the colour space that they declare.

A decoder gets no text and no profile to unpack, and no ancillary chunk with a wrong checksum: as in browsers, those are
discarded. An animation that breaks its rules is dropped, which leaves the still image.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from .segmented_file import FileSegment, segmented_file

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DATA = {b"IDAT", b"fdAT"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_COLOUR = {b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"}
_KEPT = {b"tRNS", b"eXIf"}
_TEXT = {b"tEXt", b"zTXt", b"iTXt"}
_ORIENTATION_TEXTS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""Texts that may carry the orientation."""

_MAX_KEPT = 1 << 20
_MAX_PROFILE = 16 << 20
_MAX_TEXT = 1 << 20  # Pillow's own limit


class PngColour(NamedTuple):
    """What a PNG declares of its colours, the strongest first: at most one of `cicp`, `profile`, `srgb` and the last
    two together applies. `gamma` is the exponent of encoding; `chromaticities` are x and y of white, red, green, blue.
    """

    cicp: tuple[int, int, int, int] | None = None
    profile: bytes | None = None
    srgb: bool = False
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None


class RepairedPng(NamedTuple):
    """The file for the decoder, its colours, and whether it ends with a chunk, as opposed to within one."""

    file: IO[bytes]
    colour: PngColour
    complete: bool


class _Chunk(NamedTuple):
    name: bytes
    offset: int
    """Of the content, which its length and name precede and its checksum follows."""
    length: int
    complete: bool

    @property
    def ancillary(self) -> bool:
        return bool(self.name[0] & 0x20)


def repaired_png(file: IO[bytes]) -> RepairedPng:
    """Return the file with the chunks that decoding needs, and its colour space. Leaves a file that is no PNG as is."""
    file.seek(0)
    if file.read(8) != _SIGNATURE:
        return RepairedPng(file, PngColour(), complete=False)
    colour_type = (file.read(18)[17:] or b"\0")[0]  # in IHDR, which is first
    complete, pixels_begun = True, False
    segments: list[tuple[bytes, FileSegment]] = [(b"", _SIGNATURE)]
    colours: dict[bytes, bytes] = {}
    animation = _AnimationRules()
    for chunk in _chunks(file):
        complete = complete and (chunk.complete or (chunk.ancillary and chunk.name not in _ANIMATION))
        pixels_begun = pixels_begun or chunk.name == b"IDAT"
        if chunk.name in _DATA or not chunk.ancillary:
            _append(segments, chunk)
        elif (content := _content(file, chunk)) is None:
            animation.broken = animation.broken or chunk.name in _ANIMATION
            continue
        elif chunk.name in _COLOUR and not pixels_begun:
            colours.setdefault(chunk.name, content)
        elif chunk.name == b"tRNS" and not _possible_transparency(content, colour_type):
            continue
        elif chunk.name in _KEPT | _ANIMATION or _carries_orientation(chunk.name, content):
            segments.append((chunk.name, _encoded(chunk.name, content)))
        animation.check(file, chunk, pixels_begun=pixels_begun)
    if complete and not animation.valid:  # of a cut file, the decoder shall find that frames are missing
        segments = [(name, segment) for name, segment in segments if name not in _ANIMATION]
    return RepairedPng(segmented_file(file, [segment for _, segment in segments]), _colour(colours), complete)


def _append(segments: list[tuple[bytes, FileSegment]], chunk: _Chunk) -> None:
    """Add the chunk as it is, joined to one of its name that it follows: a file may have millions of empty ones."""
    name, last = segments[-1]
    start, length = chunk.offset - 8, chunk.length + 12
    if name == chunk.name and isinstance(last, tuple) and sum(last) == start:
        segments[-1] = name, (last[0], last[1] + length)
    else:
        segments.append((chunk.name, (start, length)))


def _chunks(file: IO[bytes]) -> Iterator[_Chunk]:
    """Yield the chunks until IEND or the end of the file."""
    end = file.seek(0, io.SEEK_END)
    offset = len(_SIGNATURE)
    while offset + 8 <= end:
        file.seek(offset)
        length, name = struct.unpack(">I4s", file.read(8))
        if not name.isalpha():
            return
        yield _Chunk(name, offset + 8, length, offset + 12 + length <= end)
        offset += 12 + length
        if name == b"IEND":
            return


def _content(file: IO[bytes], chunk: _Chunk) -> bytes | None:
    """Return the content of an ancillary chunk; None if it is not needed, too long, cut or has a wrong checksum."""
    needed = chunk.name in _KEPT | _ANIMATION | _COLOUR | _TEXT
    if not needed or not chunk.complete or chunk.length > (_MAX_PROFILE if chunk.name == b"iCCP" else _MAX_KEPT):
        return None
    file.seek(chunk.offset)
    content, checksum = file.read(chunk.length), file.read(4)
    return content if zlib.crc32(chunk.name + content) == int.from_bytes(checksum, "big") else None


def _encoded(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _possible_transparency(content: bytes, colour_type: int) -> bool:
    """Return whether this is transparency for an image of grey, of colour or with a palette."""
    lengths: dict[int, range] = {0: range(2, 3), 2: range(6, 7), 3: range(1, 257)}
    return len(content) in lengths.get(colour_type, ())


def _carries_orientation(name: bytes, content: bytes) -> bool:
    """Return whether this is a text that may carry the orientation, and that is not too long when it is unpacked."""
    if name not in _TEXT or not content.startswith(_ORIENTATION_TEXTS):
        return False
    keyword, _, rest = content.partition(b"\0")
    if name == b"iTXt" and rest[:1] == b"\1":
        rest = rest[2:].split(b"\0", 2)[-1]
    elif name == b"zTXt":
        rest = rest[1:]
    else:
        return True
    return len(keyword) > 0 and _unpacked(rest, _MAX_TEXT) is not None


def _unpacked(packed: bytes, limit: int) -> bytes | None:
    """Return the inflated bytes; None if they are broken or more than `limit`."""
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(packed, limit)
    except zlib.error:
        return None
    return None if inflate.unconsumed_tail or not inflate.eof else data


class _AnimationRules:
    """The rules of an APNG's chunks, so far. `broken` is set when one is violated."""

    def __init__(self) -> None:
        self.broken = False
        self._declared = 0
        self._frames = 0
        self._sequence = 0
        self._size = (0, 0)
        self._awaits_data = False

    @property
    def valid(self) -> bool:
        """Whether all frames that are declared are there."""
        return not self.broken and not self._awaits_data and 0 < self._declared <= self._frames

    def check(self, file: IO[bytes], chunk: _Chunk, *, pixels_begun: bool) -> None:
        """Check the next chunk."""
        if chunk.name not in {b"IHDR", b"acTL", b"fcTL", *_DATA}:
            return
        file.seek(chunk.offset)
        head = file.read(min(chunk.length, 26))
        match chunk.name:
            case b"IHDR" if len(head) >= 8:
                self._size = struct.unpack(">II", head[:8])
            case b"acTL" if len(head) >= 8 and not pixels_begun:
                self._declared = int.from_bytes(head[:4], "big")
            case b"fcTL" if len(head) == 26 and not self._awaits_data:
                number, width, height, left, top = struct.unpack(">5I", head[:20])
                self._next_in_sequence(number)
                fits = 0 < width <= self._size[0] - left and 0 < height <= self._size[1] - top
                first_is_partial = not pixels_begun and (left, top, width, height) != (0, 0, *self._size)
                self.broken = self.broken or not fits or first_is_partial or head[24] > 2 or head[25] > 1
                self._frames += 1
                self._awaits_data = True
            case b"fdAT" if len(head) >= 4 and chunk.complete:
                self._next_in_sequence(int.from_bytes(head[:4], "big"))
                self._awaits_data = False
            case b"IDAT":
                self._awaits_data = False
            case _:
                self.broken = True

    def _next_in_sequence(self, number: int) -> None:
        self.broken = self.broken or number != self._sequence
        self._sequence += 1


def _colour(chunks: dict[bytes, bytes]) -> PngColour:
    cicp, gamma, chromaticities = chunks.get(b"cICP", b""), chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    profile = chunks.get(b"iCCP", b"").partition(b"\0")[2]
    return PngColour(
        (cicp[0], cicp[1], cicp[2], cicp[3]) if len(cicp) == 4 else None,
        _unpacked(profile[1:], _MAX_PROFILE) if profile[:1] == b"\0" else None,
        b"sRGB" in chunks,
        int.from_bytes(gamma, "big") / 100_000 if len(gamma) == 4 else None,
        tuple(value / 100_000 for value in struct.unpack(">8I", chromaticities)) if len(chromaticities) == 32 else None,
    )
