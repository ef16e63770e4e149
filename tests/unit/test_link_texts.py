"""The language of the pages of lasting links."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.http.links.texts import texts_for


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,en;q=0.8", "de"),
        ("pl, fr;q=0.5, ja;q=0.9", "ja"),
        ("de;q=0, ES", "es"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("fr;q=high, ar-EG;q=0.1", "ar"),
    ],
)
def test_language_is_the_preferred_one_of_those_there_are(accepted: str, language: str) -> None:
    assert texts_for(accepted).language == language


@given(st.text(max_size=60))
def test_every_header_has_a_language(accepted: str) -> None:
    assert texts_for(accepted).language


def test_each_language_has_its_own_texts_and_arabic_its_direction() -> None:
    every = [texts_for(language) for language in ("en", "de", "es", "fr", "ja", "ar")]
    assert all(all(astuple(texts)) for texts in every)
    assert len({(texts.not_found, texts.no_such_link) for texts in every}) == 6
    assert [texts.language for texts in every if texts.direction == "rtl"] == ["ar"]
