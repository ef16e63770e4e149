"""tus 1.0.0, as `roomcast.http.tus.protocol` speaks it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from roomcast.api_docs.native import INTAKE
from roomcast.api_docs.operations import JSON, Answer, Binary, Operation, Parameter
from roomcast.dialects.errors import ErrorResponse
from roomcast.errors import Forbidden, NotFound, TimedOut
from roomcast.http.intake.resumable import Locked
from roomcast.http.tus import protocol as tus

TUS = "Resumable uploads"

_ALL = (tus.TUS, f"{tus.TUS}/")
_ONE = f"{tus.TUS}/{{id}}"

_LENGTH = Annotated[str, Field(pattern=f"^{tus.NUMBER}$", examples=["1048576"])]
_BEGIN = Annotated[str, Field(pattern=f"^{tus.NUMBER}$", examples=["0"])]
_VERSION = Parameter("Tus-Resumable", Literal["1.0.0"], "The version of the protocol.", "header", required=True)
_SPOKEN = Parameter("Tus-Resumable", Literal["1.0.0"], "The version of the protocol.", "header")
_TOLD_LENGTH = Parameter("Upload-Length", _LENGTH, "The whole file's, in bytes.", "header")
_METADATA = Parameter(
    "Upload-Metadata",
    Annotated[str, Field(examples=["filename aG9saWRheS5tb3Y=,type YXV0bw=="])],
    "Pairs of a key and a value in Base64: `filename`, and `type` for the template.",
    "header",
)
_CHECKSUM = Parameter(
    "Upload-Checksum",
    Annotated[
        str,
        Field(pattern=rf"^({'|'.join(tus.ALGORITHMS)}) [A-Za-z0-9+/]+=*$", examples=["md5 1B2M2Y8AsgTpgAmY7PhCfg=="]),
    ],
    "The algorithm, and the digest of this body in Base64.",
    "header",
)
_OFFSET = Parameter("Upload-Offset", _LENGTH, "How much of the file is here, and durable.", "header")
_EXPIRES = Parameter("Upload-Expires", str, "Until when it waits for more, as an HTTP date.", "header")
_STANDING = (_SPOKEN, _OFFSET, _EXPIRES)
_CREATE = (
    _VERSION,
    _TOLD_LENGTH,
    Parameter("Upload-Defer-Length", Literal["1"], "The length will be told later.", "header"),
    _METADATA,
    Parameter(
        "Upload-Concat",
        Annotated[str, Field(pattern=r"^(partial|final;.+)$", examples=["partial"])],
        "`partial`, or `final;` and the URLs of the parts.",
        "header",
    ),
    _CHECKSUM,
)
_PIECE = {tus.CHUNK_TYPE: Binary}
_PIECE_REFUSED = (
    tus.UnsupportedVersion, tus.ChecksumMismatch, tus.Gone, Locked, NotFound, Forbidden, *INTAKE,
)  # fmt: skip


_CAPABILITIES = Answer(
    204,
    "The version, the extensions, the largest file and the checksums that are known.",
    headers=(
        _SPOKEN,
        Parameter("Tus-Version", str, "Versions.", "header"),
        Parameter("Tus-Extension", str, "Extensions.", "header"),
        Parameter("Tus-Max-Size", _LENGTH, "The largest file.", "header"),
        Parameter("Tus-Checksum-Algorithm", str, "Algorithms.", "header"),
    ),
)
_CREATED = Answer(
    201,
    "The upload is there; its id is the last segment of `Location`.",
    headers=(Parameter("Location", str, "Where its pieces go.", "header", required=True), *_STANDING),
)
_OTHER_METHOD = Answer(
    405,
    "No such method.",
    {JSON: ErrorResponse},
    (Parameter("Allow", str, "Those there are.", "header", required=True),),
)
_ANYTHING = (Parameter("id", str, "Whatever it is.", "path", required=True),)

RESUMABLE = (
    *(
        Operation("OPTIONS", path, TUS, "Ask what it can do", (_CAPABILITIES,), parameters=_ANYTHING)
        for path in (tus.TUS, f"{tus.TUS}/", f"{tus.TUS}/{{id}}")
    ),
    *(
        Operation(
            "POST",
            path,
            TUS,
            "Create an upload",
            (_CREATED,),
            text="tus 1.0.0, with the first piece or without. Give either `Upload-Length` or `Upload-Defer-Length`, or "
            "in `Upload-Concat` the parts of a file that are all here.",
            parameters=_CREATE,
            takes=_PIECE,
            takes_nothing=True,
            refuses=_PIECE_REFUSED,
        )
        for path in _ALL
    ),
    Operation(
        "HEAD",
        _ONE,
        TUS,
        "Ask how far it is",
        (
            Answer(
                200,
                "Where to go on. Whoever is still sending is stopped, so that this stays true.",
                headers=(*_STANDING, _TOLD_LENGTH, _METADATA),
            ),
        ),
        parameters=(_VERSION,),
        refuses=_PIECE_REFUSED,
    ),
    Operation(
        "PATCH",
        _ONE,
        TUS,
        "Send a piece",
        (Answer(204, "The piece is here, and durable.", headers=_STANDING),),
        parameters=(
            _VERSION,
            Parameter("Upload-Offset", _BEGIN, "Where the piece begins.", "header", required=True),
            _TOLD_LENGTH,
            _CHECKSUM,
        ),
        takes=_PIECE,
        refuses=_PIECE_REFUSED,
    ),
    Operation(
        "DELETE",
        _ONE,
        TUS,
        "Cancel",
        (Answer(204, "It is cancelled, and its bytes are gone.", headers=(_SPOKEN,)),),
        parameters=(_VERSION,),
        refuses=(*_PIECE_REFUSED, TimedOut),
    ),
    Operation(
        "POST",
        _ONE,
        TUS,
        "Do one of these by POST",
        (
            Answer(200, "As HEAD answers.", headers=_STANDING),
            Answer(204, "As PATCH and DELETE answer.", headers=_STANDING),
            _OTHER_METHOD,
        ),
        text="For clients whose network knows no PATCH or DELETE.",
        parameters=(
            _VERSION,
            Parameter(
                "X-HTTP-Method-Override", Literal["HEAD", "PATCH", "DELETE"], "Which one.", "header", required=True
            ),
            Parameter("Upload-Offset", _BEGIN, "For PATCH: where the piece begins.", "header"),
            _TOLD_LENGTH,
            _CHECKSUM,
        ),
        takes=_PIECE,
        takes_nothing=True,
        refuses=(*_PIECE_REFUSED, TimedOut),
    ),
)
