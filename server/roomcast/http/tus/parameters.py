"""The headers of tus requests and responses as parameters of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from roomcast.errors import Forbidden, NotFound
from roomcast.http.intake.resumable import Locked
from roomcast.http.operations import INTAKE_ERRORS, Binary, ErrorType, Parameter, ResponseSpec
from roomcast.http.tus import protocol

_VERSION = Literal["1.0.0"]
_NUMBER = f"^{protocol.NUMBER}$"
_LENGTH = Annotated[str, Field(pattern=_NUMBER, examples=["1048576"])]
_START = Annotated[str, Field(pattern=_NUMBER, examples=["0"])]
_ALGORITHMS = "|".join(protocol.ALGORITHMS)

VERSION_HEADER = Parameter("Tus-Resumable", _VERSION, "The version of the protocol.", "header", required=True)
SERVER_VERSION = Parameter("Tus-Resumable", _VERSION, "The version of the protocol.", "header")
LENGTH = Parameter("Upload-Length", _LENGTH, "The length of the whole file in bytes.", "header")
DEFER_LENGTH = Parameter("Upload-Defer-Length", Literal["1"], "The length will be sent later.", "header")
METADATA = Parameter(
    "Upload-Metadata",
    Annotated[str, Field(examples=["filename aG9saWRheS5tb3Y=,type YXV0bw=="])],
    "Pairs of a key and a value in Base64: `filename`, `type` for the template, and `metadata`, a JSON object.",
    "header",
)
CONCAT = Parameter(
    "Upload-Concat",
    Annotated[str, Field(pattern=r"^(partial|final;.+)$", examples=["partial"])],
    "`partial`, or `final;` and the URLs of the partial uploads.",
    "header",
)
CHECKSUM = Parameter(
    "Upload-Checksum",
    Annotated[str, Field(pattern=rf"^({_ALGORITHMS}) [A-Za-z0-9+/]+=*$", examples=["md5 1B2M2Y8AsgTpgAmY7PhCfg=="])],
    "The algorithm, and the digest of this body in Base64.",
    "header",
)
CHUNK_OFFSET = Parameter("Upload-Offset", _START, "Where the chunk begins.", "header", required=True)
OPTIONAL_OFFSET = Parameter("Upload-Offset", _START, "For PATCH: where the chunk begins.", "header")
METHOD_OVERRIDE = Parameter(
    "X-HTTP-Method-Override", Literal["HEAD", "PATCH", "DELETE"], "The method.", "header", required=True
)
ANY_ID = Parameter("id", str, "Any id.", "path", required=True)

OFFSET_HEADERS = (
    SERVER_VERSION,
    Parameter("Upload-Offset", _LENGTH, "How many bytes are stored durably.", "header"),
    Parameter("Upload-Expires", str, "Until when the upload waits for more, as an HTTP date.", "header"),
)

CAPABILITIES = ResponseSpec(
    204,
    "The versions, extensions and checksums that are supported, and the size of the largest file.",
    headers=(
        SERVER_VERSION,
        Parameter("Tus-Version", str, "The versions.", "header"),
        Parameter("Tus-Extension", str, "The extensions.", "header"),
        Parameter("Tus-Max-Size", _LENGTH, "The size of the largest file.", "header"),
        Parameter("Tus-Checksum-Algorithm", str, "The algorithms.", "header"),
    ),
)
CREATED = ResponseSpec(
    201,
    "The upload was created; its id is the last segment of `Location`.",
    headers=(Parameter("Location", str, "Where its chunks are sent.", "header", required=True), *OFFSET_HEADERS),
)

CHUNK_BODY = {protocol.CHUNK_TYPE: Binary}
CHUNK_ERRORS: Sequence[ErrorType] = (
    protocol.UnsupportedVersion, protocol.ChecksumMismatch, protocol.Gone, Locked, NotFound, Forbidden, *INTAKE_ERRORS,
)  # fmt: skip
STATUSES = {error: status for error, (status, _) in protocol.STATUS_OVERRIDES.items()}
"""The statuses that the protocol requires instead of those of the errors' codes."""
