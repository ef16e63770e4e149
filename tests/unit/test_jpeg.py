"""The size of a JPEG from its header."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from roomcast.errors import UnreadableMedia
from roomcast_workers.media_info.jpeg import jpeg_size, read_jpeg_size


def _jpeg(width: int, height: int, *, progressive: bool) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height)).save(content, "JPEG", progressive=progressive, comment=b"\xff\xc0 is no header")
    return content.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
def test_size_of_a_jpeg_is_the_one_of_its_frame(progressive: bool, tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    path.write_bytes(_jpeg(300, 7, progressive=progressive))
    assert read_jpeg_size(path) == (300, 7)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xd9", _jpeg(8, 8, progressive=False)[:-1], b"\x89PNG\xff\xd9"])
def test_picture_that_is_missing_or_no_complete_jpeg_is_unreadable(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableMedia):
        read_jpeg_size(path)


@given(st.binary(max_size=64), st.integers(2, 40), st.booleans())
def test_any_header_is_a_size_or_none(noise: bytes, kept: int, progressive: bool) -> None:
    size = jpeg_size(_jpeg(16, 16, progressive=progressive)[:kept] + noise)
    assert size is None or min(size) > 0
