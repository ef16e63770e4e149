"""One tree of errors, each with a stable code that clients may rely on.

Every failure a client can meet is a `RoomcastError`. The code decides the HTTP status (a table on the web side)
and whether trying again can help; the message is a sentence for a person and never holds a path, a command line
or another user's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NotRequired

from typing_extensions import TypedDict


class Code(StrEnum):
    """The stable error codes."""

    MALFORMED = "MALFORMED"
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
    WORKER_LOST = "WORKER_LOST"
    TOO_MANY = "TOO_MANY"
    DISK_FULL = "DISK_FULL"
    INTERNAL = "INTERNAL"


RETRYABLE = frozenset(
    {
        Code.TRANSCODE_ERROR,
        Code.STORAGE_ERROR,
        Code.TIMEOUT,
        Code.STALLED,
        Code.CANCELLED,
        Code.WORKER_LOST,
        Code.TOO_MANY,
        Code.DISK_FULL,
        Code.INTERNAL,
    }
)
"""Codes after which the same upload may succeed if it is tried again."""


class Problem(TypedDict):
    """What went wrong: a stable code, a sentence for a person, and facts that help, by name."""

    code: Code
    message: str
    details: NotRequired[dict[str, Any]]


class RoomcastError(Exception):
    """A failure with a stable code; `details` are facts safe to show a client."""

    code: Code = Code.INTERNAL

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE

    def as_json(self) -> Problem:
        """The one shape of an error."""
        body: Problem = {"code": self.code, "message": self.message}
        if self.details:
            body["details"] = dict(self.details)
        return body


class Malformed(RoomcastError):
    """The request could not be understood."""

    code = Code.MALFORMED


class Interrupted(Malformed):
    """The connection closed before the whole file had arrived; it may be sent again."""

    @property
    def retryable(self) -> bool:
        return True


class Unauthenticated(RoomcastError):
    """No token, or one that does not hold."""

    code = Code.UNAUTHENTICATED


class Forbidden(RoomcastError):
    """Known, but not allowed."""

    code = Code.FORBIDDEN


class NotFound(RoomcastError):
    """No such thing, or no longer."""

    code = Code.NOT_FOUND


class WrongState(RoomcastError):
    """The upload's stage does not allow this."""

    code = Code.WRONG_STATE


class IdTaken(RoomcastError):
    """The id that a client chose belongs to an upload already; whose, nobody is told."""

    code = Code.ID_TAKEN

    def __init__(self) -> None:
        super().__init__("This upload id is taken already: choose another one.")


class LeaseLost(WrongState):
    """A write came with a lease that is no longer the upload's; the writer must stop."""


class TooLarge(RoomcastError):
    """More bytes than the template or the server takes."""

    code = Code.TOO_LARGE


class UnsupportedType(RoomcastError):
    """The bytes are not of a type that this template takes."""

    code = Code.UNSUPPORTED_TYPE


class UnreadableMedia(RoomcastError):
    """The type is right but the content cannot be decoded, or is not whole."""

    code = Code.UNREADABLE_MEDIA


class TranscodeError(RoomcastError):
    """The encoder failed on a file that could be read."""

    code = Code.TRANSCODE_ERROR


class StorageError(RoomcastError):
    """The media store failed."""

    code = Code.STORAGE_ERROR


class TimedOut(RoomcastError):
    """A step took longer than it may."""

    code = Code.TIMEOUT


class Stalled(RoomcastError):
    """A step, or the bytes of an upload, stopped moving."""

    code = Code.STALLED


class CancelledByOwner(RoomcastError):
    """The upload was cancelled while something else was under way with it."""

    code = Code.CANCELLED


class TooMany(RoomcastError):
    """A limit on the number of things at once."""

    code = Code.TOO_MANY


class DiskFull(RoomcastError):
    """No room for the bytes."""

    code = Code.DISK_FULL
