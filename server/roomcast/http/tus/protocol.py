"""Parse and write the headers of tus 1.0.0, the protocol of resumable uploads. Pure.

The server supports the extensions creation, creation-with-upload, creation-defer-length, expiration, checksum,
termination and concatenation.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from roomcast.errors import Forbidden, InvalidMetadata, Malformed, NotFound, RoomcastError, UnsupportedType
from roomcast.http.intake.resumable import Locked
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.metadata import parse_metadata
from roomcast.uploads.model import Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"

CHUNK_TYPE = "application/offset+octet-stream"

ALGORITHMS: Mapping[str, Callable[[], Any]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}

NUMBER = r"[0-9]{1,18}"
"""The pattern of a number of bytes."""


class UnsupportedVersion(Malformed):
    """The request names another version of the protocol, or none."""


class ChecksumMismatch(Malformed):
    """The chunk does not have its declared checksum. It is not stored, and can be sent again."""

    @property
    def retryable(self) -> bool:
        return True


class Gone(NotFound):
    """The upload has failed or was cancelled."""


STATUS_OVERRIDES: Mapping[type[RoomcastError], tuple[int, str]] = {
    UnsupportedVersion: (412, "Precondition Failed"),
    ChecksumMismatch: (460, "Checksum Mismatch"),
    Gone: (410, "Gone"),
    Locked: (423, "Locked"),
}
"""Errors for which the protocol requires another status than that of their code."""


@dataclass(frozen=True)
class Checksum:
    """The declared digest of a chunk, and its algorithm: a key of `ALGORITHMS`."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True)
class Creation:
    """What a POST asks for.

    `length` is None when the client will declare it later. `metadata` is the header as received, `values` its decoded
    pairs, and `application_metadata` the JSON object of its key `metadata`. A `partial` upload is to be concatenated
    later; `concat` are the ids of those that make up a final upload.
    """

    length: int | None
    metadata: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    application_metadata: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False
    concat: tuple[str, ...] = ()

    @property
    def filename(self) -> str | None:
        return self.values.get("filename") or self.values.get("name")

    @property
    def template(self) -> str | None:
        """The template in `type`; None for a MIME type, which some clients send there."""
        named = self.values.get("type", "")
        return named if named and "/" not in named else None


def check_version(headers: Mapping[str, str]) -> None:
    """Raise `UnsupportedVersion` unless the request names the version that the server supports."""
    if headers.get("Tus-Resumable") != VERSION:
        raise UnsupportedVersion(f"This server supports tus {VERSION}. Send the header Tus-Resumable: {VERSION}.")


def check_chunk_type(content_type: str) -> None:
    """Raise `UnsupportedType` unless this is the type of chunks."""
    if content_type != CHUNK_TYPE:
        raise UnsupportedType(f"The Content-Type must be {CHUNK_TYPE}.")


def creation(headers: Mapping[str, str]) -> Creation:
    """Parse the headers of a POST. Raises `Malformed` and `InvalidMetadata`."""
    metadata = headers.get("Upload-Metadata", "").strip()
    values = _values(metadata)
    application = _application_metadata(metadata)
    concat, _, urls = headers.get("Upload-Concat", "").strip().partition(";")
    deferred = headers.get("Upload-Defer-Length")
    declared = length(headers)
    if concat == "final":
        ids = tuple(map(_last_segment, urls.split()))
        if declared is not None or deferred is not None or not ids:
            raise Malformed("A final upload names its partial uploads in Upload-Concat, and has no Upload-Length.")
        if len(set(ids)) < len(ids):
            raise Malformed("Upload-Concat names a partial upload more than once.")
        return Creation(None, metadata, values, application, concat=ids)
    if concat not in ("", "partial") or urls:
        raise Malformed("Upload-Concat must be “partial”, or “final;” and the URLs of the partial uploads.")
    if deferred not in (None, "1") or (deferred is None) == (declared is None):
        raise Malformed("Send the file's size in Upload-Length, or Upload-Defer-Length: 1 to send it later.")
    return Creation(declared, metadata, values, application, partial=concat == "partial")


def offset(headers: Mapping[str, str]) -> int:
    """Return where the chunk begins. Raises `Malformed`, also without the header."""
    found = _number(headers, "Upload-Offset")
    if found is None:
        raise Malformed("Send the offset of the chunk's first byte in Upload-Offset.")
    return found


def length(headers: Mapping[str, str]) -> int | None:
    """Return the size of the complete file; None when the request does not declare it. Raises `Malformed`."""
    return _number(headers, "Upload-Length")


def checksum(headers: Mapping[str, str]) -> Checksum | None:
    """Return the declared checksum of the chunk, if there is one. Raises `Malformed`."""
    value = headers.get("Upload-Checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Malformed(f"The algorithms of Upload-Checksum are {', '.join(ALGORITHMS)}.")
    digest = _from_base64(encoded.strip())
    if digest is None:
        raise Malformed("The value of Upload-Checksum is not valid Base64.")
    if len(digest) != ALGORITHMS[algorithm]().digest_size:
        raise Malformed(f"The value of Upload-Checksum is not a {algorithm} digest.")
    return Checksum(algorithm, digest)


def require_writable(upload: Upload) -> None:
    """Raise `Forbidden` for a presigned upload, and `Gone` for one that has failed, was cancelled or was deleted."""
    if upload.imported:
        raise Forbidden("The server fetches the bytes of this upload from their address.")
    if upload.direct_token:
        raise Forbidden("The bytes of this upload must be sent to the bucket.")
    if upload.stage in (Stage.FAILED, Stage.CANCELLED, Stage.DELETED):
        raise Gone("The upload has ended.", details={"why": upload.error and upload.error["code"]})


def server_headers(max_bytes: int) -> dict[str, str]:
    """Return the headers of the response to OPTIONS."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def offset_headers(upload: Upload, received: int, *, expires_after: float) -> dict[str, str]:
    """Return the headers about the stored bytes. The upload expires so many seconds after its last change."""
    concatenating = upload.stage is Stage.RECEIVING and upload.resumable is not None and upload.resumable.concat
    headers = {} if concatenating else {"Upload-Offset": str(received)}
    if upload.stage is Stage.RECEIVING:
        headers["Upload-Expires"] = formatdate(upload.updated_at + expires_after, usegmt=True)
    return headers


def upload_headers(upload: Upload, url: Callable[[str], str]) -> dict[str, str]:
    """Return the headers about the upload itself. `url` returns the URL of a partial upload by its id."""
    headers = {}
    if upload.bytes_expected is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.bytes_expected)
    state = upload.resumable
    if state and state.metadata:
        headers["Upload-Metadata"] = state.metadata
    if state and state.partial:
        headers["Upload-Concat"] = "partial"
    if state and state.concat:
        headers["Upload-Concat"] = f"final;{' '.join(map(url, state.concat))}"
    return headers


def _last_segment(url: str) -> str:
    """Return the last segment of a URL's path. The URL need not be valid."""
    return re.split(r"[?#]", url, maxsplit=1)[0].rpartition("/")[2]


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    if not re.fullmatch(NUMBER, value, re.ASCII):
        raise Malformed(f"The header {name} must be a number of bytes.")
    return int(value)


def _values(metadata: str) -> dict[str, str]:
    """Parse pairs of a key and a Base64 value, separated by commas. The value is optional.

    As tusd does, skip what is not such a pair, and let the last of several values of a key count: clients send trailing
    commas, Base64 of other alphabets and plain text, and their upload needs none of it.
    """
    values: dict[str, str] = {}
    for pair in metadata.split(","):
        key, _, encoded = pair.strip().partition(" ")
        value = _from_base64(encoded)
        if key and value is not None:
            values[key] = value.decode("utf-8", "replace")
    return values


def _application_metadata(header: str) -> dict[str, Any]:
    """Parse the value of the key `metadata`. Unlike others it is not skipped when it is wrong: an application needs
    it."""
    for pair in header.split(","):
        key, _, encoded = pair.strip().partition(" ")
        if key == "metadata":
            text = _from_base64(encoded)
            if text is None:
                raise InvalidMetadata("The metadata in Upload-Metadata is not valid Base64.")
            return parse_metadata(text)
    return {}


def _from_base64(encoded: str) -> bytes | None:
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        return None
