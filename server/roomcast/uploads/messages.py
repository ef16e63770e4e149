"""The JSON shapes that every native client sees, as types.

mypy holds the code that builds them to these types, and `roomcast.api_docs` reads the published documents from them,
so that neither can say what the other does not. They cost nothing when they are used: a shape is a plain dict.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from roomcast.errors import Code
from roomcast.uploads.ids import CLIENT_CHOSEN, SERVER_MADE
from roomcast.uploads.lifecycle import Stage, Status


@with_config(use_attribute_docstrings=True)
class Shape(TypedDict):
    """What all shapes are: the text below a field is its description."""


def _with_url(schema: JsonDict) -> None:
    schema["required"] = [*schema["required"], "url"]  # type: ignore[misc]


_sent = with_config(use_attribute_docstrings=True, json_schema_extra=_with_url)
"""Of a shape that is kept without its `url`, which all who are sent it find in it."""

UploadId = Annotated[
    str, Field(pattern=f"^({SERVER_MADE}|{CLIENT_CHOSEN})$", examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])
]
AssemblyId = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["3b1e" * 16])]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T12:00:00.000Z"])]
Bytes = Annotated[int, Field(ge=0, examples=[1048576])]
Percent = Annotated[float, Field(ge=0, le=100, examples=[62.5])]
Url = Annotated[str, Field(json_schema_extra={"format": "uri-reference"}, examples=["/media/1767225600.c2ln/…"])]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]+$", examples=["d41d8cd98f00b204e9800998ecf8427e"])]


@_sent
class Output(Shape):
    """A result that is stored."""

    name: Annotated[str, Field(examples=["video"])]
    kind: Literal["video", "audio", "image", "thumbnail", "poster", "sprite", "storyboard", "hls", "file"]
    key: Annotated[str, Field(examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5/video.mp4"])]
    """Its key in the media store."""
    bucket: str | None
    mime: Annotated[str, Field(examples=["video/mp4"])]
    size: Bytes
    width: int | None
    """Pixels."""
    height: int | None
    """Pixels."""
    duration: float | None
    """Seconds."""
    url: NotRequired[Url]
    """Signed when it is sent, and good for a while. Absolute where the server's public address is known; otherwise a
    path on the server."""


class Original(Shape):
    """What the source turned out to be."""

    filename: str
    size: Bytes | None
    mime: NotRequired[str]
    md5: NotRequired[Hex]
    sha256: NotRequired[Hex]
    width: NotRequired[int]
    height: NotRequired[int]
    duration: NotRequired[float]
    codec: NotRequired[str | None]
    fps: NotRequired[float | None]
    audioCodec: NotRequired[str | None]
    hdr: NotRequired[bool]
    format: NotRequired[str]
    hasAlpha: NotRequired[bool]
    animated: NotRequired[bool]
    frames: NotRequired[int]


class Saved(Shape):
    """What compressing has gained; negative where the result is larger."""

    bytes: int
    percent: float


class Partial(Shape):
    """The source was cut short, and this is what could be read of it."""

    seconds: float
    declaredSeconds: float


class Quality(Shape):
    """How a template's `target_quality` was met."""

    metric: Literal["vmaf", "ssim"] | None
    crf: int
    target: NotRequired[float]
    score: NotRequired[float]


class Placeholder(Shape):
    """What can be shown of a picture before it is there."""

    blurhash: str | None


@_sent
class Element(Shape):
    """What became of an upload. The first of its outputs is the main one."""

    id: UploadId
    type: Annotated[str, Field(examples=["hero-video"])]
    """The template; `file` for a file that was stored as it came."""
    filename: Annotated[str, Field(examples=["holiday.mp4"])]
    url: NotRequired[Url | None]
    """The main output's; null as long as there is none."""
    outputs: list[Output]
    original: Original
    saved: Saved | None
    copied: NotRequired[bool]
    """It was as it should be already, and was put into a new file only."""
    codec: NotRequired[str]
    """Another than the template's had to be used."""
    partial: NotRequired[Partial]
    quality: NotRequired[Quality]
    placeholder: NotRequired[Placeholder]


class UploadError(Shape):
    """Why an upload failed."""

    code: Code
    message: Annotated[str, Field(examples=["The file is broken."])]
    step: Stage
    retryable: bool
    """Whether trying the same file again can help."""


class ForecastJson(Shape):
    """What a long compression is expected to come to."""

    bytes: Bytes
    """Of the result."""
    seconds: float
    """That all of it takes."""


class Metadata(Shape, total=False):
    """What the client said of the file."""

    path: Annotated[str, Field(examples=["holidays/2026"])]
    """The folder that it is to be in, which the keys of its results begin with."""


class Message(Shape):
    """The state of an upload: an *event*, numbered and kept, or a *tick* between two events, of which the latest
    counts."""

    uploadId: UploadId
    seq: Annotated[int, Field(ge=1, examples=[7])]
    """The event's number, 1, 2, 3 … without gaps; a tick's is that of the event before it."""
    epoch: Annotated[str, Field(examples=["9f86d081"])]
    """Which log `seq` counts in. Another one than before: forget what you know."""
    status: Annotated[Status, Field(examples=["compressing"])]
    stage: Annotated[Stage, Field(examples=["compressing"])]
    progress: Percent
    """Of all the work. It never falls within one attempt, and is 100 when the result is stored."""
    stageProgress: Percent
    message: Annotated[str, Field(examples=["Compressing the film"])]
    """A sentence for the person who waits."""
    filename: Annotated[str, Field(examples=["holiday.mov"])]
    metadata: Metadata
    bytesReceived: Bytes
    bytesExpected: Bytes | None
    attempt: Annotated[int, Field(ge=1, examples=[1])]
    updatedAt: Timestamp
    eta: Annotated[float | None, Field(examples=[12.5])]
    """Seconds that are left."""
    speed: Annotated[float | None, Field(examples=[3.2])]
    """Seconds of film in a second."""
    fps: Annotated[float | None, Field(examples=[96.0])]
    """Frames in a second."""
    queuePosition: int | None
    """Its place in the queue, while it waits for a worker."""
    poster: NotRequired[Output]
    """Can be shown while the work goes on."""
    forecast: NotRequired[ForecastJson]
    element: NotRequired[Element]
    """What became of it, when it is `completed`."""
    error: NotRequired[UploadError]
    """Why, when it is in `error`."""
