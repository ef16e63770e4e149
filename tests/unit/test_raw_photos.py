"""Raw photographs are no images, whatever preview they have."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Literal

import pytest
from PIL import Image
from roomcast.uploads.raw_photos import is_raw_photo
from roomcast.uploads.sniff import sniff

Entry = tuple[int, int, Sequence[int]]
"""Tag, type and values."""
THUMBNAIL: list[Entry] = [(254, 4, [1]), (256, 4, [160]), (257, 4, [120]), (259, 3, [1]), (262, 3, [2])]
SENSOR: list[Entry] = [(254, 4, [0]), (256, 4, [6000]), (259, 3, [1]), (262, 3, [32803])]


def raw(content: bytes) -> bool:
    return is_raw_photo(lambda offset, count: content[offset : offset + count])


def tiff(
    *directories: Sequence[Entry],
    sub: Sequence[Sequence[Entry]] = (),
    order: Literal["<", ">"] = "<",
    big: bool = False,
) -> bytes:
    """Return a TIFF of these directories, one after the other; the first has `sub` as its subordinate ones."""
    magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = magic + struct.pack(order + "HHQ", 8, 0, 16) if big else magic + struct.pack(order + "I", 8)
    word, counts = ("Q", "Q") if big else ("I", "H")
    codes = {3: "H", 4: "I", 13: "I"}
    content = bytearray(head)
    waiting = [list(entries) for entries in directories]
    subordinate = [list(entries) for entries in sub]
    if subordinate:
        waiting[0].append((330, 13, [0] * len(subordinate)))
    for number, entries in enumerate([*waiting, *subordinate]):
        start, size = len(content), (8 if big else 2) + (20 if big else 12) * len(entries) + (8 if big else 4)
        values = b""
        body = struct.pack(order + counts, len(entries))
        for tag, form, stated in entries:
            numbers = stated
            if tag == 330:  # where the subordinate directories will be: after the offsets themselves, if they are two
                first = start + size + len(values) + (4 * len(stated) if len(stated) * 4 > (8 if big else 4) else 0)
                numbers = [first, first + _size(subordinate[0], big)][: len(stated)]
            packed = b"".join(struct.pack(order + codes[form], value) for value in numbers)
            inline = 8 if big else 4
            if len(packed) > inline:
                field = struct.pack(order + word, start + size + len(values))
                values += packed
            else:
                field = packed.ljust(inline, b"\0")
            body += struct.pack(order + "HH" + word, tag, form, len(numbers)) + field
        following = start + size + len(values) if number + 1 < len(waiting) else 0
        content += body + struct.pack(order + word, following) + values
    return bytes(content)


def _size(entries: Sequence[Entry], big: bool) -> int:
    return (8 if big else 2) + (20 if big else 12) * len(entries) + (8 if big else 4)


CAMERAS = {
    "DNG by its version": tiff([*THUMBNAIL, (50706, 4, [1])]),
    "NEF, PEF, 3FR: sensor in a subordinate directory": tiff(THUMBNAIL, sub=[SENSOR]),
    "ProRAW: linear values": tiff(THUMBNAIL, sub=[[(262, 3, [34892])]]),
    "two subordinate directories": tiff(THUMBNAIL, sub=[THUMBNAIL, SENSOR]),
    "sensor in the second directory": tiff(THUMBNAIL, SENSOR),
    "sensor alone": tiff(SENSOR),
    "compression of Nikon": tiff(THUMBNAIL, sub=[[(259, 3, [34713])]]),
    "compression of Sony": tiff([(259, 3, [32767])]),
    "compression of Pentax": tiff([(259, 3, [65535])]),
    "Kodak": tiff([*THUMBNAIL, (33424, 4, [8])]),
    "Canon": b"II*\0\x10\0\0\0CR\x02\0" + bytes(50),
    "Phase One": b"II*\0\x08\0\0\0IIII" + bytes(50),
}


@pytest.mark.parametrize("content", CAMERAS.values(), ids=CAMERAS.keys())
def test_raw_photograph_is_no_image(content: bytes) -> None:
    assert raw(content)
    assert sniff(content) is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_raw_photograph_is_detected_in_every_form_of_tiff(order: Literal["<", ">"], big: bool) -> None:
    assert raw(tiff(THUMBNAIL, sub=[SENSOR], order=order, big=big))
    assert not raw(tiff(THUMBNAIL, sub=[THUMBNAIL], order=order, big=big))


@pytest.mark.parametrize(
    "head",
    [
        b"IIRO\x08\0\0\0", b"IIRS\x08\0\0\0", b"MMOR\0\0\0\x08", b"IIU\0\x18\0\0\0", b"FUJIFILMCCD-RAW 0201",
        b"FOVb\0\0", b"\0MRM\0\0", b"II\x1a\0\0\0HEAPCCDR", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    ],
)  # fmt: skip
def test_raw_photograph_with_a_signature_of_its_own_is_no_image(head: bytes) -> None:
    assert sniff(head + bytes(200)) is None


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group4"])
def test_plain_tiff_is_an_image(compression: str | None) -> None:
    output = io.BytesIO()
    pages = [Image.new("1" if compression == "group4" else "RGB", (32, 32)) for _ in range(3)]
    pages[0].save(output, "TIFF", compression=compression, save_all=True, append_images=pages[1:])
    assert not raw(output.getvalue())


def test_directories_in_a_circle_or_outside_the_file_end() -> None:
    circle = bytearray(tiff(THUMBNAIL))
    circle[-4:] = struct.pack("<I", 8)
    assert not raw(bytes(circle))
    assert not raw(b"II*\0\xff\xff\xff\x7f")
    assert not raw(b"II+\0\x08\0\0\0" + b"\xff" * 8)
    assert not raw(b"II*\0")
