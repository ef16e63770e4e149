"""The JSON shapes of the HTTP answers, beside those that every surface shares (`roomcast.uploads.messages`)."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field

from roomcast.errors import Problem
from roomcast.uploads.messages import AssemblyId, Bytes, Element, Message, Shape, Timestamp, UploadId, Url

DeliveryId = Annotated[str, Field(pattern="^delivery_[0-9a-f]{32}$", examples=["delivery_" + "7c" * 16])]


class UploadUrls(Shape, total=False):
    """Where the bytes of a reservation go: absolute where the server's public address is known, or else paths."""

    contentUrl: Annotated[Url, Field(examples=["/api/uploads/upload_5f0c…/content"])]
    """All at once, by PUT."""
    tusUrl: Annotated[Url, Field(examples=["/api/tus/upload_5f0c…"])]
    """In pieces, by tus."""


class PresignedUrls(Shape, total=False):
    """Where they go when the client sends them to the bucket itself."""

    partSize: Bytes
    """Of every part but the last."""
    partUrls: list[Url]
    """Part n is PUT to the nth."""
    progressUrl: Url
    """To be POSTed to after each."""
    completeUrl: Url
    """To be POSTed to in the end."""


class UploadEntry(UploadUrls, PresignedUrls):
    """What became of one of the files."""

    uploadId: UploadId
    filename: Annotated[str, Field(examples=["holiday.mov"])]
    error: NotRequired[Problem]
    """Why this one was not taken."""


class RefusedFile(Shape):
    """A file of a form that was refused before there was an upload of it."""

    filename: str
    error: NotRequired[Problem]


class UploadResponse(Shape):
    """Files that were taken in, or reserved."""

    message: Annotated[str, Field(examples=["Accepted"])]
    element: Element
    """Of the first; empty as long as there is no result."""
    uploadId: UploadId
    """Of the first."""
    task_id: UploadId
    """The same, for clients that poll `/api/progress`."""
    assemblyId: AssemblyId | None
    """Null until it can be known."""
    state: Message
    """Of the first."""
    uploads: list[UploadEntry]


class UploadPage(Shape):
    """A part of a list, newest first."""

    uploads: list[Message]
    cursor: str | None
    """For the next part; null at the end."""


class ActionResult(Shape):
    """It was done, and this is how the upload stands."""

    ok: Literal[True]
    state: Message


class SentPart(Shape):
    """A part that the bucket has."""

    number: Annotated[int, Field(ge=1)]
    etag: str
    size: Bytes


class PresignedProgress(ActionResult):
    """What the bucket has of a direct upload."""

    parts: list[SentPart]


class WebhookAttempt(Shape):
    """One request to a webhook's receiver."""

    at: Timestamp
    seconds: float
    status: int | None
    """The answer's."""
    error: str | None
    """Why there was none."""


class WebhookDelivery(Shape):
    """One telling of how an assembly ended."""

    id: DeliveryId
    assemblyId: AssemblyId
    status: Literal["pending", "delivered", "dead"]
    createdAt: Timestamp
    nextAttemptAt: Timestamp | None
    attempts: list[WebhookAttempt]


class Deliveries(Shape):
    """The deliveries of an assembly, newest first."""

    deliveries: list[WebhookDelivery]


class TemplateKind(Shape):
    """A template, and which media it takes."""

    name: Annotated[str, Field(examples=["hero-video"])]
    kind: Literal["video", "image", "auto", "file"]
    """`file` takes whatever comes, and stores it as it is."""


class Config(Shape):
    """What a page needs to know before it starts."""

    maxUploadBytes: Bytes
    maxFiles: Annotated[int, Field(ge=1, examples=[20])]
    templates: list[TemplateKind]
    openMode: bool
    """Nobody needs a token."""


class Alive(Shape):
    """The process answers."""

    ok: Literal[True]


class Walls(Shape):
    """What confines the programs that read uploads."""

    bwrap: bool
    network: Literal["bwrap", "seccomp", "none"]
    files: Literal["bwrap", "landlock", "none"]


class Confinement(Shape, total=False):
    """Told by a process that has workers."""

    sandbox: Walls


class Readiness(Confinement):
    """Whether it can do its work, and a word on each part."""

    ok: bool
    checks: dict[str, str]
    """By part: `ok`, or what is wrong."""
    warnings: NotRequired[list[str]]
    """What an operator should put right, although the work goes on."""
