"""File names that clients give: shown to people, never used as paths. Pure."""

from __future__ import annotations

import unicodedata

LONGEST = 200
LONGEST_STORED_BYTES = 200
"""A directory's entry has 255, and its partial file a longer name than the whole one."""

_UNTITLED = "untitled"
DIRECTION_CHANGING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def stored_filename(filename: str) -> str:
    """Return a clean file name as the name of a stored file: no more than `LONGEST_STORED_BYTES`, the ending kept."""
    stem, dot, ending = filename.rpartition(".")
    if not stem or len(ending.encode()) > 64:
        stem, dot, ending = filename, "", ""
    room = LONGEST_STORED_BYTES - len((dot + ending).encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + dot + ending


def clean_filename(name: str | None) -> str:
    """The last part of `name`, without control and direction-changing characters, at most `LONGEST` characters.

    What is cut is cut before the ending, so that it still tells what the file is.
    """
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    text = unicodedata.normalize("NFC", last.encode("utf-8", "replace").decode())
    shown = "".join(
        char for char in text if unicodedata.category(char) != "Cc" and char not in DIRECTION_CHANGING
    ).strip(" .")
    if not shown:
        return _UNTITLED
    stem, dot, ending = shown.rpartition(".")
    if len(shown) > LONGEST and stem and len(ending) <= 16:
        return stem[: LONGEST - len(ending) - 1] + dot + ending
    return shown[:LONGEST]
