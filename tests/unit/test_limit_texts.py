"""A limit as people read it, and the formats that they are offered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import TooLarge, format_limit
from roomcast.uploads import sniff

UNITS = {"byte": 1, "bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (1, "1 byte"),
        (999, "999 bytes"),
        (4096, "4 kB"),
        (50_000, "50 kB"),
        (1_234_567, "1.23 MB"),
        (1_239_999, "1.23 MB"),
        (256 * 1024**2, "256 MB"),
        (2 * 1024**3, "2 GB"),
        (2_000_000_000, "2 GB"),
        (5 * 1024**4, "5 TB"),
    ],
)
def test_limit_has_few_digits(limit: int, text: str) -> None:
    assert format_limit(limit) == text


@given(st.integers(1, 2**50))
def test_a_file_of_the_size_that_people_read_is_accepted(limit: int) -> None:
    number, unit = format_limit(limit).split(" ")
    shown = float(number.replace(",", "")) * UNITS[unit]
    assert shown <= limit * (1 + 1e-12)
    assert shown > limit * 0.89


def test_error_of_a_subject_that_is_too_large_has_the_exact_limit_for_programs() -> None:
    error = TooLarge.than(2 * 1024**3)
    assert error.to_json() == {
        "code": "TOO_LARGE",
        "message": "The file is larger than the limit of 2 GB.",
        "details": {"maxBytes": 2147483648},
    }
    assert TooLarge.than(50_000, "The body").message == "The body is larger than the limit of 50 kB."


def test_people_are_offered_every_type_that_is_detected() -> None:
    detected = {sniffed.mime for _, sniffed in sniff._PREFIXES} | {*sniff._MOVIE_MIMES.values()}
    detected |= {value.mime for value in vars(sniff).values() if isinstance(value, sniff.Sniffed)}
    detected |= {"video/mp4", "video/x-msvideo", "image/webp", "audio/aiff", "video/webm", "video/x-matroska"}
    detected |= {"audio/ogg", "video/ogg", "video/mp2t"}
    formats = {**sniff.VIDEO_FORMATS, **sniff.IMAGE_FORMATS, **sniff.AUDIO_FORMATS}
    assert {mime for mimes in formats.values() for mime in mimes} == detected
