"""Clean the file names that clients send. They are shown to people, and never used as paths. Pure."""

from __future__ import annotations

import unicodedata

MAX_LENGTH = 200
"""Characters of a clean file name."""

MAX_STORED_BYTES = 200
"""Bytes of a stored file's name in UTF-8. File systems allow 255, and the name of the temporary file is longer."""

_MAX_READ = 1000
"""Characters that are read of a name, of its beginning and its end. Normalising takes a time that is quadratic in the
number of accents."""

_UNTITLED = "untitled"
DIRECTION_CHANGING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def stored_filename(filename: str) -> str:
    """Return the name under which a file is stored: a clean name, cut before its suffix to `MAX_STORED_BYTES`."""
    stem, dot, suffix = filename.rpartition(".")
    if not stem or len(suffix.encode()) > 64:
        stem, dot, suffix = filename, "", ""
    space = MAX_STORED_BYTES - len((dot + suffix).encode())
    return stem.encode()[:space].decode("utf-8", "ignore") + dot + suffix


def clean_filename(name: str | None) -> str:
    """Return the last segment of `name` without control and direction-changing characters, at most `MAX_LENGTH` long.

    A longer name is cut before its suffix, so that it still shows what the file is.
    """
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    if len(last) > _MAX_READ:
        last = last[: _MAX_READ // 2] + last[-_MAX_READ // 2 :]
    text = last.encode("utf-8", "replace").decode()
    visible = (char for char in text if unicodedata.category(char) != "Cc" and char not in DIRECTION_CHANGING)
    clean = unicodedata.normalize("NFC", "".join(visible)).strip(" .")
    if not clean:
        return _UNTITLED
    stem, dot, suffix = clean.rpartition(".")
    if len(clean) > MAX_LENGTH and stem and len(suffix) <= 16:
        return stem[: MAX_LENGTH - len(suffix) - 1] + dot + suffix
    return clean[:MAX_LENGTH].rstrip(" .")
