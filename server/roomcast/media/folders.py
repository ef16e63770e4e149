"""The folders that clients name for their files: checked, and brought into one form. Pure.

A folder becomes the first part of the keys of an upload's results, so it must not lead out of the media store. What is
only untidy is tidied (slashes at either end, doubled ones, `.`); what could mean another folder than it says is
refused, and so is the folder of an upload, whose results it would lie among.
"""

from __future__ import annotations

import re
import unicodedata

from roomcast.errors import Malformed
from roomcast.uploads.filenames import DIRECTION_CHANGING
from roomcast.uploads.ids import CLIENT_CHOSEN, SERVER_MADE

LONGEST = 400
"""Bytes in UTF-8. A key of S3 has 1,024, and holds the upload's id and the file's name too."""

LONGEST_PART = 200
"""Bytes in UTF-8 between two slashes. A directory's name has 255."""


def clean_folder(path: str) -> str:
    """Return a client's `path` as folders joined by single slashes, "" for the top; `Malformed` for a bad one."""
    text = unicodedata.normalize("NFC", path.encode("utf-8", "replace").decode()).replace("\\", "/")
    if any(unicodedata.category(character) == "Cc" or character in DIRECTION_CHANGING for character in text):
        raise Malformed("The path holds a control character.")
    parts = [part for part in (part.strip() for part in text.split("/")) if part not in ("", ".")]
    if ".." in parts:
        raise Malformed("The path must not lead to a parent folder.")
    # An upload whose client chose its id has no folder but its own.
    if any(re.fullmatch(SERVER_MADE, part) for part in parts) or re.fullmatch(CLIENT_CHOSEN, parts[0] if parts else ""):
        raise Malformed("A folder in the path must not be named like an upload.")
    if len("/".join(parts).encode()) > LONGEST:
        raise Malformed(f"The path is longer than {LONGEST} bytes.")
    if any(len(part.encode()) > LONGEST_PART for part in parts):
        raise Malformed(f"A folder's name in the path is longer than {LONGEST_PART} bytes.")
    return "/".join(parts)
