"""The characters of codecs that Hypothesis is given instead of finding them."""

from __future__ import annotations

import sys

import pytest

from tests.support.codec_characters import CHARACTERS


@pytest.mark.parametrize("codec", CHARACTERS)
def test_intervals_end_where_the_codec_encodes_no_further_character(codec: str) -> None:
    def encodes(code_point: int) -> bool:
        try:
            return chr(code_point).encode(codec).decode(codec) == chr(code_point)
        except UnicodeEncodeError:
            return False

    for first, last in CHARACTERS[codec]:
        assert encodes(first)
        assert encodes(last)
        assert first == 0 or not encodes(first - 1)
        assert last == sys.maxunicode or not encodes(last + 1)
