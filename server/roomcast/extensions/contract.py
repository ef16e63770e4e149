"""What an application's own functions are called with, and what they may return or raise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from roomcast.credentials import CallerRequest
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer


class ExtensionError(ValueError):
    """An application has added something that cannot work. The message is a full sentence."""


Intake = Literal["form", "reservation", "direct", "tus", "import", "process"]
"""The ways in which an upload begins: a form, a reservation, one whose bytes go to the bucket directly, tus, the import
of a file from its address, or the processing of a source that is stored already."""


@dataclass
class NewUpload:
    """A file that a client is about to send. A check may change the fields from `template` on.

    `size` is in bytes, and `md5` in hexadecimal, as the client has declared them; None if it has not. A `partial` file
    is one of several that tus concatenates.
    """

    id: str
    intake: Intake
    filename: str
    size: int | None
    md5: str | None
    partial: bool
    request: CallerRequest | None
    """The request that sends it."""
    template: str
    """The name of the template."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """At most 4 KB of JSON."""
    max_bytes: int | None = None
    """The most bytes that the file may have, besides the limits of the server and the template."""
    prefix: str = ""
    """The folder, below the media store's, that the file and its results are stored in."""


Authenticate = Callable[[CallerRequest], Awaitable[Viewer | None] | Viewer | None]
"""Returns who makes a request; None for unknown credentials. A plain function runs in a thread."""

BeforeCreate = Callable[[NewUpload, Viewer], Awaitable[None] | None]
"""Checks and changes a new upload, or raises `Rejected`. A plain function runs in a thread."""

EventListener = Callable[[Upload], Awaitable[None] | None]
"""Is called with an upload after one of its events, at least once. A plain function runs in a thread."""

EventName = Literal["created", "status", "completed", "error", "cancelled", "deleted"]
"""The events that an application can listen to; `status` is every change of the status."""

Function = TypeVar("Function", bound=Callable[..., Any])
