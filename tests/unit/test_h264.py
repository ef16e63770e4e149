"""Pictures of H.264 streams that a segment may begin with."""

from __future__ import annotations

import pytest
from roomcast_workers.sources.keyframe_heads import is_idr_picture

AUD, SPS, PPS, SEI, IDR, SLICE = 9, 7, 8, 6, 5, 1


def header(length_bytes: int = 4) -> bytes:
    return b"....moov....avcC" + bytes([1, 100, 0, 31, 0xFC | (length_bytes - 1), 0xE1])


def sample(*types: int, length_bytes: int = 4) -> bytes:
    return b"".join((9).to_bytes(length_bytes, "big") + bytes([0x60 | one]) + bytes(8) for one in types)


@pytest.mark.parametrize(
    ("init", "picture", "expected"),
    [
        (header(), sample(IDR), True),
        (header(), sample(AUD, SPS, PPS, SEI, IDR, IDR), True),
        (header(2), sample(SPS, IDR, length_bytes=2), True),
        (header(), sample(SPS, IDR)[:-6], True),
        (header(), sample(SLICE), False),
        (header(), sample(AUD, SEI, SLICE, IDR), False),
        (header(), sample(AUD, SPS), False),
        (header(), sample(SPS, IDR)[:13], False),
        (header(), b"", False),
        (header(), bytes(64), False),
        (header()[:20], sample(IDR), False),
        (b"", sample(IDR), False),
    ],
)
def test_picture_is_an_idr_picture_if_its_first_slice_is(init: bytes, picture: bytes, expected: bool) -> None:
    assert is_idr_picture(init, picture) is expected
