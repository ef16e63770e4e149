"""Keys of results: the folders that clients may choose for them, and the HTTP headers that follow from a key. Pure."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from roomcast.errors import Malformed
from roomcast.uploads.filenames import DIRECTION_CHANGING
from roomcast.uploads.ids import CLIENT_CHOSEN, GENERATED
from roomcast.uploads.sniff import OCTETS

DOWNLOAD = "download"
"""The folder, in an upload's own, of a file that is handed out unchanged."""

SEGMENTS = "segments"
"""The folder, in an upload's own, of a film's segments and their playlists."""

SUBFOLDERS = (DOWNLOAD, SEGMENTS)
"""The folders, in an upload's own, that have results of the upload."""

MAX_KEY_BYTES = 1024
"""In UTF-8; the limit of S3."""

MAX_FOLDER_BYTES = 400
"""In UTF-8. The rest of the key is the upload's id and the file's name."""

MAX_FOLDER_NAME_BYTES = 200
"""In UTF-8, between two slashes. File systems allow 255."""

MAX_PREFIX_LENGTH = 100
"""Of a prefix, which has ASCII characters only."""

_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")

_MAX_PATH = 2 * MAX_FOLDER_BYTES
"""Characters of a path before it is tidied up. Normalising takes a time that is quadratic in the number of accents."""

_MIME_TYPES = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4a": "audio/mp4",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".vtt": "text/vtt",
    ".webm": "video/webm",
    ".webp": "image/webp",
}

_PIECES = frozenset({".m3u8", ".m4s", ".vtt"})
_MAIN_RESULTS = frozenset({"video", "audio", "image"})


def is_download(key: str) -> bool:
    """Return whether a result is a client's own file, which browsers must save and never display."""
    return PurePosixPath(key).parent.name == DOWNLOAD


def is_segment(key: str) -> bool:
    """Return whether a result belongs to a film in segments: one, its initialization segment, or a playlist."""
    return PurePosixPath(key).parent.name == SEGMENTS


def is_possible(key: str) -> bool:
    """Return whether a result may have this key. No store is asked for another one: each refuses it in its own way."""
    return len(key.encode()) <= MAX_KEY_BYTES and not any(unicodedata.category(character) == "Cc" for character in key)


def is_saved(key: str) -> bool:
    """Return whether a person may save a result as a file: it is no piece of another one."""
    return PurePosixPath(key).suffix.lower() not in _PIECES and not is_segment(key)


def saved_filename(filename: str, key: str) -> str:
    """Return the name under which a browser saves a result of the file `filename`: `holiday.mov` becomes `holiday.mp4`.

    The results beside the main one have their own name after it: `holiday-poster.jpg`.
    """
    result, stem = PurePosixPath(key), PurePosixPath(filename).stem
    return f"{stem}{result.suffix}" if result.stem in _MAIN_RESULTS else f"{stem}-{result.name}"


def content_disposition(key: str, filename: str | None = None) -> str:
    """Return the `Content-Disposition` header of a result. `filename` is the name of the client's file, if known."""
    if is_download(key):
        return _with_filename("attachment", PurePosixPath(key).name)
    return _with_filename("inline", saved_filename(filename, key)) if filename and is_saved(key) else "inline"


def attachment(key: str, filename: str | None = None) -> str:
    """Return the `Content-Disposition` header (RFC 6266) with which browsers save a result: under the name of the
    client's file `filename` with the result's suffix, or under its own name if that is not known."""
    name = PurePosixPath(key).name
    if filename and not is_download(key):
        name = saved_filename(filename, key)
    # Clients that do not know `filename*`, such as curl, read the first parameter.
    fallback = re.sub(r"[^A-Za-z0-9 ._()-]", "_", name)
    return _with_filename(f'attachment; filename="{fallback}"', name)


def _with_filename(disposition: str, name: str) -> str:
    return f"{disposition}; filename*=UTF-8''{quote(name, safe='')}"


def mime_type(key: str) -> str | None:
    """Return the media type of a result, by its suffix, or None if no result has that suffix."""
    return OCTETS if is_download(key) else _MIME_TYPES.get(PurePosixPath(key).suffix.lower())


def clean_folder(path: str) -> str:
    """Return a client's `path` as folder names joined by single slashes, or "" for the top folder.

    The folder becomes the first part of the keys of an upload's results, so it must not lead out of the media store.
    What is only untidy is corrected: slashes at either end, double slashes, `.` and backslashes. Raise `Malformed` for
    what could mean another folder than it says, and for a folder that is named like an upload, whose results it would
    be mixed with.
    """
    if len(path) > _MAX_PATH:
        raise Malformed(f"The path is longer than {MAX_FOLDER_BYTES} bytes.")
    text = unicodedata.normalize("NFC", path.encode("utf-8", "replace").decode()).replace("\\", "/")
    if any(unicodedata.category(character) == "Cc" or character in DIRECTION_CHANGING for character in text):
        raise Malformed("The path contains a control character.")
    names = [name for name in (name.strip() for name in text.split("/")) if name not in ("", ".")]
    if ".." in names:
        raise Malformed("The path must not lead to a parent folder.")
    # Ids that clients choose are reserved at the top only, because such an upload has no folder but its own.
    if any(re.fullmatch(GENERATED, name) for name in names) or re.fullmatch(CLIENT_CHOSEN, names[0] if names else ""):
        raise Malformed("A folder in the path must not be named like an upload.")
    if len("/".join(names).encode()) > MAX_FOLDER_BYTES:
        raise Malformed(f"The path is longer than {MAX_FOLDER_BYTES} bytes.")
    if any(len(name.encode()) > MAX_FOLDER_NAME_BYTES for name in names):
        raise Malformed(f"A folder name in the path is longer than {MAX_FOLDER_NAME_BYTES} bytes.")
    return "/".join(names)


def check_prefix(prefix: object) -> str:
    """Return an application's prefix without the slash at its end; raise `ValueError` if it cannot be one.

    Its names have letters, digits, `_`, `-` and `.`, and do not begin with a dot, so none of them is `..`. None is
    named like an upload, because results would be mixed. All of it has at most `MAX_PREFIX_LENGTH` characters.
    """
    text = prefix.removesuffix("/") if isinstance(prefix, str) else ""
    if text == "" and prefix in ("", "/"):
        return ""
    if not _PREFIX.fullmatch(text) or len(text) > MAX_PREFIX_LENGTH:
        raise ValueError(
            f"The prefix {prefix!r:.200} must be names of letters, digits, `_`, `-` and `.`, joined by slashes, of at "
            f"most {MAX_PREFIX_LENGTH} characters."
        )
    if any(re.fullmatch(f"{GENERATED}|{CLIENT_CHOSEN}", name) for name in text.split("/")):
        raise ValueError("A folder of the prefix must not be named like an upload.")
    return text
