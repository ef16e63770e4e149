"""Define the errors that clients can get, each with a stable code.

The code decides the HTTP status (the table is in `http/errors.py`) and whether another attempt can succeed. The message
is a full sentence for a person, and never contains a path, a command line or the name of another user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NotRequired, Self

from typing_extensions import TypedDict


class Code(StrEnum):
    """The stable error codes."""

    MALFORMED = "MALFORMED"
    INVALID_METADATA = "INVALID_METADATA"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    WRONG_STATE = "WRONG_STATE"
    ID_TAKEN = "ID_TAKEN"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    UNREADABLE_MEDIA = "UNREADABLE_MEDIA"
    TRANSCODE_ERROR = "TRANSCODE_ERROR"
    STORAGE_ERROR = "STORAGE_ERROR"
    TIMEOUT = "TIMEOUT"
    STALLED = "STALLED"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"
    SOURCE_GONE = "SOURCE_GONE"
    ADDRESS_REFUSED = "ADDRESS_REFUSED"
    IMPORT_FAILED = "IMPORT_FAILED"
    WORKER_LOST = "WORKER_LOST"
    UNREADABLE_RECORD = "UNREADABLE_RECORD"
    TOO_MANY = "TOO_MANY"
    DISK_FULL = "DISK_FULL"
    HOOK_FAILED = "HOOK_FAILED"
    STEP_FAILED = "STEP_FAILED"
    INTERNAL = "INTERNAL"


RETRYABLE = frozenset(
    {
        Code.TRANSCODE_ERROR,
        Code.STORAGE_ERROR,
        Code.TIMEOUT,
        Code.STALLED,
        Code.CANCELLED,
        Code.WORKER_LOST,
        Code.UNREADABLE_RECORD,
        Code.TOO_MANY,
        Code.DISK_FULL,
        Code.HOOK_FAILED,
        Code.STEP_FAILED,
        Code.INTERNAL,
    }
)
"""Codes after which another attempt with the same file may succeed."""


def format_limit(max_bytes: int) -> str:
    """Return a limit as people write it: `2 GB` for 2 GiB and for 2,000,000,000 bytes, `1.23 MB` for 1,234,567.

    It is rounded down, so a file of the size that a person reads is accepted. Every binary unit is larger than the
    decimal one of its name, so a whole number of binary units is rounded down, too.
    """
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if max_bytes >= 1024**power and max_bytes % 1024**power == 0:
            return f"{max_bytes // 1024**power:,} {unit}"
        if max_bytes >= 1000**power:
            hundredths = max_bytes * 100 // 1000**power
            return f"{hundredths / 100:,.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return "1 byte" if max_bytes == 1 else f"{max_bytes} bytes"


class Problem(TypedDict):
    """An error in JSON: a stable code, a sentence for a person, and facts by name."""

    code: str
    message: str
    details: NotRequired[dict[str, Any]]


class RoomcastError(Exception):
    """An error with a stable code. `details` are facts that a client may see."""

    code: str = Code.INTERNAL

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE

    def to_json(self) -> Problem:
        """Return the error as JSON."""
        body: Problem = {"code": self.code, "message": self.message}
        if self.details:
            body["details"] = dict(self.details)
        return body


def unexpected_error() -> RoomcastError:
    """Return the error that is reported for an exception which was not expected: its own text may have internals."""
    return RoomcastError("Something went wrong on the server.")


class Malformed(RoomcastError):
    """The request is not valid."""

    code = Code.MALFORMED


class Interrupted(Malformed):
    """The connection closed before the complete file was received. It can be sent again."""

    @property
    def retryable(self) -> bool:
        return True


class InvalidMetadata(Malformed):
    """The metadata of an upload is not a small JSON object."""

    code = Code.INVALID_METADATA


class Unauthenticated(RoomcastError):
    """The request has no valid token."""

    code = Code.UNAUTHENTICATED


class Forbidden(RoomcastError):
    """The viewer is not allowed to do this."""

    code = Code.FORBIDDEN


class NotFound(RoomcastError):
    """What was requested does not exist, or no longer exists."""

    code = Code.NOT_FOUND


class WrongState(RoomcastError):
    """The upload's stage does not allow this."""

    code = Code.WRONG_STATE


class IdTaken(RoomcastError):
    """An upload with the id that the client chose exists. The error does not say whose it is."""

    code = Code.ID_TAKEN

    def __init__(self) -> None:
        super().__init__("An upload with this id already exists. Choose another id.")


class LeaseLost(WrongState):
    """The lease of a write is no longer the upload's. The writer must stop."""


class TooLarge(RoomcastError):
    """The file has more bytes than the template or the server accepts."""

    code = Code.TOO_LARGE

    @classmethod
    def than(cls, max_bytes: int, subject: str = "The file") -> Self:
        """Return the error of a subject, such as a file or a body, that has more than `max_bytes`."""
        message = f"{subject} is larger than the limit of {format_limit(max_bytes)}."
        return cls(message, details={"maxBytes": max_bytes})


class UnsupportedType(RoomcastError):
    """The file is not of a type that the template accepts."""

    code = Code.UNSUPPORTED_TYPE


class UnreadableMedia(RoomcastError):
    """The file's type is accepted, but its content cannot be decoded or is incomplete."""

    code = Code.UNREADABLE_MEDIA


class TranscodeError(RoomcastError):
    """The encoder failed on a file that could be read."""

    code = Code.TRANSCODE_ERROR


class EncodingFailed(TranscodeError):
    """The encoder failed, or its result is wrong, because of what the file contains. It would fail again."""

    @property
    def retryable(self) -> bool:
        return False


class StorageError(RoomcastError):
    """The media store failed."""

    code = Code.STORAGE_ERROR


class Unavailable(StorageError):
    """A server of the storage cannot be used. The code that raises it reports that to the server's `Availability`."""


class StorageRefused(StorageError):
    """A server of the storage refuses what this deployment needs. `reason` is its own word for that."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnreadableRecord(RoomcastError):
    """What is stored about an upload or an assembly is damaged."""

    code = Code.UNREADABLE_RECORD


class TimedOut(RoomcastError):
    """A step took longer than allowed."""

    code = Code.TIMEOUT


class OutOfProcessorTime(TimedOut):
    """A step needed more processor time than allowed. It would need it again."""

    @property
    def retryable(self) -> bool:
        return False


class Stalled(RoomcastError):
    """A step made no progress, or no more bytes of an upload came."""

    code = Code.STALLED


class CancelledByOwner(RoomcastError):
    """The upload was cancelled by its owner during another operation."""

    code = Code.CANCELLED


class WasDeleted(NotFound):
    """The upload existed, and was deleted."""

    code = Code.DELETED

    def __init__(self) -> None:
        super().__init__("The upload was deleted.")


class SourceGone(WrongState):
    """The source of the upload is no longer stored."""

    code = Code.SOURCE_GONE

    def __init__(self) -> None:
        super().__init__("The source of this upload is no longer stored.")


class AddressRefused(RoomcastError):
    """A file is not imported from this address."""

    code = Code.ADDRESS_REFUSED


class ImportFailed(RoomcastError):
    """A file could not be fetched from its address."""

    code = Code.IMPORT_FAILED


class TooMany(RoomcastError):
    """A limit on the number of simultaneous operations was reached."""

    code = Code.TOO_MANY


class DiskFull(RoomcastError):
    """The disk is full."""

    code = Code.DISK_FULL


class LedgerDiskFull(DiskFull):
    """The disk of a database is full. The code that raises it reports that to the database's `Availability`."""


class HookFailed(RoomcastError):
    """A function of the application, or the URL that replaces it, raised an error or did not answer as it must."""

    code = Code.HOOK_FAILED


class StepFailed(RoomcastError):
    """A step of the application raised an error or did not end in time."""

    code = Code.STEP_FAILED


class Rejected(RoomcastError):
    """The application refuses a caller or an upload, for a reason with a code of its own. Another attempt would be
    refused, too."""

    code = "REJECTED"

    def __init__(self, code: str, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        """`code` consists of capital letters, digits and underscores. The client gets it with the message.

        Raise `ValueError` for another one, and for an empty message.
        """
        if not (isinstance(code, str) and _CODE.fullmatch(code)):
            raise ValueError(
                f"The code {code!r} of a rejection must consist of capital letters, digits and underscores."
            )
        if not (isinstance(message, str) and message.strip()):
            raise ValueError("A rejection needs a message that says why.")
        super().__init__(message, details=details)
        self.code = code

    @property
    def retryable(self) -> bool:
        return False


_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
