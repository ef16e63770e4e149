"""Give Hypothesis the characters of the usual codecs, which it would find by encoding each of a million characters."""

from __future__ import annotations

import codecs

from hypothesis.internal import charmap
from hypothesis.internal.intervalsets import IntervalSet

CHARACTERS = {
    "utf-8": ((0, 0xD7FF), (0xE000, 0x10FFFF)),
    "iso8859-1": ((0, 0xFF),),
    "ascii": ((0, 0x7F),),
}
"""By the codec's own name, the first and the last code point of each interval that it encodes."""

_find_characters = charmap.intervals_from_codec


def _known_characters(codec_name: str) -> tuple[IntervalSet, IntervalSet]:
    """Return the characters that a codec encodes, and those of them that it decodes to other ones."""
    if codec_name in CHARACTERS:
        return IntervalSet(CHARACTERS[codec_name]), IntervalSet(())
    return _find_characters(codec_name)


def install() -> None:
    assert all(codecs.lookup(name).name == name for name in CHARACTERS)
    vars(charmap)["intervals_from_codec"] = _known_characters
