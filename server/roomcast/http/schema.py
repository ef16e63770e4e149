"""The JSON types of HTTP bodies, besides those that every surface shares (`roomcast.uploads.messages`)."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field

from roomcast.errors import Problem
from roomcast.http.operations import FileField
from roomcast.uploads.messages import AssemblyId, Bytes, Element, Message, Shape, Timestamp, UploadId, Url

DeliveryId = Annotated[str, Field(pattern="^delivery_[0-9a-f]{32}$", examples=["delivery_" + "7c" * 16])]


class FormOfFiles(Shape, total=False):
    """A form with one or more files, in any of these fields, each as often as needed."""

    media_file: FileField
    file: FileField
    files: FileField
    type: Annotated[str, Field(examples=["auto"])]
    """The template."""
    metadata: Annotated[str, Field(examples=['{"productId": 7}'])]
    """A JSON object of at most 4 KiB, which every message about the uploads has."""


class FormInFolder(FormOfFiles, total=False):
    """A form with one or more files, and the folder of their results."""

    path: Annotated[str, Field(examples=["holidays/2026"])]
    """The prefix of the results' keys. It must not lead upwards."""


class UploadUrls(Shape, total=False):
    """Where the bytes of a reservation are sent. URLs are absolute if the server's public URL is known, else paths."""

    contentUrl: Annotated[Url, Field(examples=["/api/uploads/upload_5f0c…/content"])]
    """Takes the whole file by PUT."""
    tusUrl: Annotated[Url, Field(examples=["/api/tus/upload_5f0c…"])]
    """Takes the file in chunks, by tus."""


class PresignedUrls(Shape, total=False):
    """Where the parts of a direct upload are sent."""

    partSize: Bytes
    """The size of every part but the last."""
    partUrls: list[Url]
    """Part n is PUT to the nth of these."""
    progressUrl: Url
    """Is POSTed to after each part."""
    completeUrl: Url
    """Is POSTed to after the last part."""


class UploadEntry(UploadUrls, PresignedUrls):
    """The outcome of one file of a request."""

    uploadId: UploadId
    filename: Annotated[str, Field(examples=["holiday.mov"])]
    error: NotRequired[Problem]
    """Why the file was refused."""


class RefusedFile(Shape):
    """A file of a form that was refused before it had an upload."""

    filename: str
    error: NotRequired[Problem]


class UploadResponse(Shape):
    """The uploads of the files that were received or reserved."""

    message: Annotated[str, Field(examples=["Accepted"])]
    element: Element
    """Of the first upload; empty until it has a result."""
    uploadId: UploadId
    """Of the first upload."""
    task_id: UploadId
    """The same id, for clients that poll `/api/progress`."""
    assemblyId: AssemblyId | None
    """Null until it is known."""
    state: Message
    """Of the first upload."""
    uploads: list[UploadEntry]


class UploadPage(Shape):
    """A page of a list, newest first."""

    uploads: list[Message]
    cursor: str | None
    """Of the next page; null at the end."""


class ActionResult(Shape):
    """The action succeeded."""

    ok: Literal[True]
    state: Message
    """The upload afterwards."""


class SentPart(Shape):
    """A part that the bucket has received."""

    number: Annotated[int, Field(ge=1)]
    etag: str
    size: Bytes


class PresignedProgress(ActionResult):
    """What the bucket has received of a direct upload."""

    parts: list[SentPart]


class WebhookAttempt(Shape):
    """One request to a webhook's receiver."""

    at: Timestamp
    seconds: float
    status: int | None
    """Of the receiver's response."""
    error: str | None
    """Why there was no response."""


class WebhookDelivery(Shape):
    """The delivery of an assembly's result to its webhook."""

    id: DeliveryId
    assemblyId: AssemblyId
    status: Literal["pending", "delivered", "dead"]
    createdAt: Timestamp
    nextAttemptAt: Timestamp | None
    attempts: list[WebhookAttempt]


class Deliveries(Shape):
    """The deliveries of an assembly, newest first."""

    deliveries: list[WebhookDelivery]


class TemplateSummary(Shape):
    """A template, and which media it accepts."""

    name: Annotated[str, Field(examples=["hero-video"])]
    title: Annotated[str, Field(examples=["Video for the start page"])]
    """What the template is for; its name where the template has no title."""
    kind: Literal["video", "image", "auto", "file"]
    """`file` accepts any file, and stores it unchanged."""
    maxBytes: Bytes
    """The largest file that is accepted, never more than `maxUploadBytes`."""
    builtIn: bool
    """The template is one of the server's own, unchanged."""


class MediaFormats(Shape):
    """The formats of the files that are accepted, as people call them, the usual ones first."""

    video: Annotated[list[str], Field(examples=[["MP4", "MOV", "WebM"]])]
    image: Annotated[list[str], Field(examples=[["JPEG", "PNG", "WebP"]])]
    audio: Annotated[list[str], Field(examples=[["MP3", "M4A", "WAV"]])]


class Config(Shape):
    """The limits and templates that a page needs before it starts."""

    maxUploadBytes: Bytes
    maxFiles: Annotated[int, Field(ge=1, examples=[20])]
    maxDurationSeconds: Annotated[float, Field(gt=0, examples=[21600])]
    """Of a video or an audio file."""
    maxPixels: Annotated[int, Field(ge=1, examples=[300_000_000])]
    """Of an image: width times height."""
    formats: MediaFormats
    templates: list[TemplateSummary]
    openMode: bool
    """No token is needed."""


class Liveness(Shape):
    """The process answers requests."""

    ok: Literal[True]


class SandboxInfo(Shape):
    """How the programs that read uploads are confined."""

    bwrap: bool
    network: Literal["bwrap", "seccomp", "none"]
    files: Literal["bwrap", "landlock", "none"]


class Readiness(Shape):
    """Whether the process can do its work."""

    ok: bool
    checks: dict[str, str]
    """The result of each check by its name: `ok`, or what is wrong."""
    sandbox: NotRequired[SandboxInfo]
    """Present in a process that has workers."""
    warnings: NotRequired[list[str]]
    """What an operator should fix although the process works."""
