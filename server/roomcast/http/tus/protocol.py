"""The headers of tus 1.0.0 (the protocol of resumable uploads), both ways. Pure.

Its extensions are creation, creation-with-upload, creation-defer-length, expiration, checksum, termination and
concatenation.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from roomcast.errors import Forbidden, Malformed, NotFound, RoomcastError, UnsupportedType
from roomcast.http.intake.resumable import Busy
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
TUS = "/api/tus"
"""What the address of every upload in pieces begins with."""

REQUEST_HEADERS = (
    "Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Offset, Upload-Checksum,"
    " Upload-Concat, X-HTTP-Method-Override, X-Requested-With, X-Request-ID"
)
ANSWER_HEADERS = (
    "Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Length,"
    " Upload-Defer-Length, Upload-Metadata, Upload-Offset, Upload-Concat, Upload-Expires"
)
"""What pages of other origins may send, and read."""

PIECE_TYPE = "application/offset+octet-stream"

ALGORITHMS: Mapping[str, Callable[[], Any]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}

NUMBER = r"[0-9]{1,18}"
"""How a number of bytes is written."""

_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+", re.ASCII)


class OtherVersion(Malformed):
    """The client speaks another version of the protocol, or none."""


class ChecksumMismatch(Malformed):
    """The piece's bytes are not those that were sent; they do not count, and can be sent again."""

    @property
    def retryable(self) -> bool:
        return True


class Gone(NotFound):
    """The upload has ended otherwise than by being whole."""


OWN_STATUS: Mapping[type[RoomcastError], tuple[int, str]] = {
    OtherVersion: (412, "Precondition Failed"),
    ChecksumMismatch: (460, "Checksum Mismatch"),
    Gone: (410, "Gone"),
    Busy: (423, "Locked"),
}
"""Where the protocol wants another status than the error's code has."""


@dataclass(frozen=True)
class Checksum:
    """What a piece's digest must be, and the algorithm by which it is made."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True)
class Creation:
    """What a client wants to upload. `length` is None when it is to be told later. `metadata` is the header as it came,
    `values` what it says. `concat` are the URLs of the parts of a file that are all here."""

    length: int | None
    metadata: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    concat: tuple[str, ...] = ()

    @property
    def filename(self) -> str | None:
        return self.values.get("filename") or self.values.get("name")

    @property
    def template(self) -> str | None:
        """`type` names the template; some clients put the file's MIME type there, which counts for nothing."""
        named = self.values.get("type", "")
        return named if named and "/" not in named else None


def check_version(headers: Mapping[str, str]) -> None:
    if headers.get("Tus-Resumable") != VERSION:
        raise OtherVersion(f"This server speaks tus {VERSION}; name it in Tus-Resumable.")


def check_piece_type(content_type: str) -> None:
    if content_type != PIECE_TYPE:
        raise UnsupportedType(f"The Content-Type must be {PIECE_TYPE}.")


def creation(headers: Mapping[str, str]) -> Creation:
    """What a POST asks for."""
    metadata = headers.get("Upload-Metadata", "").strip()
    values = _values(metadata)
    kind, _, urls = headers.get("Upload-Concat", "").strip().partition(";")
    deferred = headers.get("Upload-Defer-Length")
    told = length(headers)
    if kind == "final":
        if told is not None or deferred is not None or not urls.split():
            raise Malformed("A final upload names its parts in Upload-Concat, and no length.")
        return Creation(None, metadata, values, concat=tuple(urls.split()))
    if kind not in ("", "partial") or urls:
        raise Malformed("Upload-Concat must be “partial”, or “final;” and the URLs of the parts.")
    if deferred not in (None, "1") or (deferred is None) == (told is None):
        raise Malformed("Upload-Length must tell the file's length, or Upload-Defer-Length: 1 that it will be told.")
    return Creation(told, metadata, values, partial=kind == "partial")


def offset(headers: Mapping[str, str]) -> int:
    """Where a piece begins."""
    found = _number(headers, "Upload-Offset")
    if found is None:
        raise Malformed("Upload-Offset must tell where the piece begins.")
    return found


def length(headers: Mapping[str, str]) -> int | None:
    """How long the whole file is, if that is told."""
    return _number(headers, "Upload-Length")


def checksum(headers: Mapping[str, str]) -> Checksum | None:
    """What the piece's checksum is said to be."""
    value = headers.get("Upload-Checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Malformed(f"Upload-Checksum knows {', '.join(ALGORITHMS)}.")
    digest = _from_base64(encoded.strip())
    if len(digest) != ALGORITHMS[algorithm]().digest_size:
        raise Malformed(f"This is no {algorithm} checksum.")
    return Checksum(algorithm, digest)


def check_takes_pieces(upload: Upload) -> None:
    """Raises what a client is told that would go on with an upload that has ended, or has no pieces."""
    if upload.direct_token:
        raise Forbidden("The bytes of this upload go to the bucket.")
    if upload.stage in (Stage.FAILED, Stage.CANCELLED):
        raise Gone("The upload has ended.", details={"why": upload.error and upload.error["code"]})


def capabilities(largest_bytes: int) -> dict[str, str]:
    """The headers that answer OPTIONS."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(largest_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def standing(upload: Upload, received: int, *, patience_seconds: float) -> dict[str, str]:
    """The headers that tell how far an upload has come, and until when it waits for more."""
    joining = upload.stage is Stage.RECEIVING and upload.resumable is not None and upload.resumable.concat
    headers = {} if joining else {"Upload-Offset": str(received)}
    if upload.stage is Stage.RECEIVING:
        headers["Upload-Expires"] = formatdate(upload.updated_at + patience_seconds, usegmt=True)
    return headers


def description(upload: Upload, url: Callable[[str], str]) -> dict[str, str]:
    """The headers that tell what an upload is. `url` gives the address of the parts it is made of, by their ids."""
    headers = {}
    if upload.bytes_expected is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.bytes_expected)
    known = upload.resumable
    if known and known.metadata:
        headers["Upload-Metadata"] = known.metadata
    if known and known.partial:
        headers["Upload-Concat"] = "partial"
    if known and known.concat:
        headers["Upload-Concat"] = f"final;{' '.join(map(url, known.concat))}"
    return headers


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    if not re.fullmatch(NUMBER, value, re.ASCII):
        raise Malformed(f"{name} must be a number of bytes.")
    return int(value)


def _values(metadata: str) -> dict[str, str]:
    """Pairs of a key and a value in Base64, with commas between; a value may be missing."""
    values: dict[str, str] = {}
    for pair in metadata.split(",") if metadata else ():
        key, _, encoded = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in values:
            raise Malformed("Upload-Metadata must hold pairs of a key and a value in Base64, each key once.")
        values[key] = _from_base64(encoded.strip()).decode("utf-8", "replace")
    return values


def _from_base64(encoded: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except ValueError as error:
        raise Malformed("Invalid Base64.") from error
