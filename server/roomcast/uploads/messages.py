"""Define the JSON messages of the native clients as typed dictionaries.

mypy checks the code that builds a message against its type, and `roomcast.api_docs` generates the published documents
from the same types, so code and documents cannot differ. At run time a message is a plain dict.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from roomcast.uploads.ids import CLIENT_CHOSEN, GENERATED
from roomcast.uploads.lifecycle import Stage, Status


@with_config(use_attribute_docstrings=True)
class Shape(TypedDict):
    """The base of all JSON shapes. The string below a field is its published description."""


def _with_url(schema: JsonDict) -> None:
    schema["required"] = [*schema["required"], "url"]  # type: ignore[misc]


_sent = with_config(use_attribute_docstrings=True, json_schema_extra=_with_url)
"""Decorates a shape that is stored without a `url` and always sent with one."""

UploadId = Annotated[
    str, Field(pattern=f"^({GENERATED}|{CLIENT_CHOSEN})$", examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])
]
AssemblyId = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["3b1e" * 16])]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T12:00:00.000Z"])]
Bytes = Annotated[int, Field(ge=0, examples=[1048576])]
Percent = Annotated[float, Field(ge=0, le=100, examples=[62.5])]
Url = Annotated[str, Field(json_schema_extra={"format": "uri-reference"}, examples=["/media/1767225600.c2ln/…"])]
ApplicationStep = Annotated[str, Field(pattern="^[a-z0-9-]{1,64}$", examples=["virus-scan"])]
"""The name of a step of the application."""
ApplicationKind = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$", examples=["report"])]
"""The kind of an output that the application has added."""
ErrorCode = Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]{0,63}$", examples=["UNREADABLE_MEDIA"])]
"""A stable code: one of `Code`, or the application's own."""

Metadata = Annotated[
    dict[str, Any],
    Field(
        description="The JSON object that the application attached to the upload. `path` is the folder of the results, "
        "if the client chose one.",
        examples=[{"productId": 7}],
    ),
]
Difference = Literal["codec", "orientation", "pixel_aspect", "full_range", "odd_size", "keyframe_gap"]
"""In what a copy may be unlike what the template asks for; players show it right all the same."""
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]+$", examples=["d41d8cd98f00b204e9800998ecf8427e"])]


@_sent
class Output(Shape):
    """A stored result."""

    name: Annotated[str, Field(examples=["video"])]
    kind: (
        Literal["video", "audio", "image", "thumbnail", "poster", "sprite", "storyboard", "hls", "file"]
        | ApplicationKind
    )
    key: Annotated[str, Field(examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5/video.mp4"])]
    """The key in the media store."""
    bucket: str | None
    mime: Annotated[str, Field(examples=["video/mp4"])]
    size: Bytes
    width: int | None
    """Pixels."""
    height: int | None
    """Pixels."""
    duration: float | None
    """Seconds."""
    codec: NotRequired[Annotated[str, Field(examples=["h264"])]]
    """Of the video, or of the audio without a video."""
    url: NotRequired[Url]
    """Signed when the message is sent; it expires. Absolute where the server's public address is known, else a path."""
    downloadUrl: NotRequired[Url]
    """The same, but browsers save the file, under the name of the uploaded file. Absent for pieces of a player."""


class Original(Shape):
    """What is known of the source file."""

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
    """The bytes and percent saved by compression; negative when the result is larger."""

    bytes: int
    percent: float


class Partial(Shape):
    """The source is incomplete: how much of it could be read, and how much it declares. `missing` lists what could not
    be decoded, or only with damage: from and to, in seconds from the beginning of the result."""

    seconds: float
    declaredSeconds: float
    missing: NotRequired[list[tuple[float, float]]]


class WorstSegment(Shape):
    """A segment of a film, which begins at `start` and lasts `seconds`, with what its samples scored."""

    start: float
    seconds: float
    score: float
    crf: int


class Quality(Shape):
    """The quality that was reached, for a template with `target_quality`: of a film in segments, that of the worst."""

    metric: Literal["vmaf", "ssim"] | None
    """Null where the server's ffmpeg cannot measure it."""
    crf: int
    target: NotRequired[float]
    score: NotRequired[float | None]
    """Measured on samples; null where the video had to be compressed again because it was larger than its source."""
    reached: NotRequired[bool]
    worst: NotRequired[WorstSegment]
    """The segment of a film that has the lowest score. Each has its own `crf`, with which it reaches the target."""


class Placeholder(Shape):
    """What a client can show before the image is loaded."""

    blurhash: str | None


@_sent
class Element(Shape):
    """The result of an upload. The first of its outputs is the main one."""

    id: UploadId
    type: Annotated[str, Field(examples=["hero-video"])]
    """The template; `file` for a file that was stored unchanged."""
    filename: Annotated[str, Field(examples=["holiday.mp4"])]
    url: NotRequired[Url | None]
    """The URL of the main output; null while there is none."""
    outputs: list[Output]
    urlsExpireAt: NotRequired[Timestamp]
    """When the URLs of the outputs expire. Absent if they do not. Get the upload again for new ones."""
    original: Original
    saved: Saved | None
    copied: NotRequired[bool]
    """True when the video did not need to be compressed and was only copied into a new file."""
    copiedDespite: NotRequired[list[Difference | Literal["size"]]]
    """In what the copy is unlike the template, because compressing it would have made it larger than its source; `size`
    if only the index of the new container makes it larger."""
    codec: NotRequired[str]
    """The codec that was used instead of the template's."""
    partial: NotRequired[Partial]
    quality: NotRequired[Quality]
    placeholder: NotRequired[Placeholder]


class UploadError(Shape):
    """Why an upload failed."""

    code: ErrorCode
    message: Annotated[str, Field(examples=["The file is broken."])]
    step: Stage | ApplicationStep
    """The stage in which it failed, or the step of the application."""
    retryable: bool
    """Whether another attempt with the same file can succeed."""


class ForecastJson(Shape):
    """The expected outcome of a long compression."""

    bytes: Bytes
    """The expected size of the result."""
    seconds: float
    """The expected time of the whole compression."""
    bytesLow: NotRequired[Bytes]
    """Until about half of the work is done, the size is between these two in nine of ten cases."""
    bytesHigh: NotRequired[Bytes]
    secondsLow: NotRequired[float]
    """The time, likewise."""
    secondsHigh: NotRequired[float]


class PlayableQuality(Shape):
    """A size in which a film can be played before it is complete."""

    name: Annotated[str, Field(examples=["720"])]
    """The short side in pixels."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


@_sent
class Playable(Shape):
    """A playlist that grows while the film is compressed, and can be played from its beginning."""

    key: Annotated[str, Field(examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5/segments/hls.m3u8"])]
    """The key in the media store."""
    mime: Literal["application/vnd.apple.mpegurl"]
    qualities: list[PlayableQuality]
    """The sizes that can be played so far, the largest first."""
    duration: NotRequired[float]
    """Of the complete film, in seconds."""
    url: NotRequired[Url]
    """Signed when the message is sent; it expires."""


class ApplicationEventJson(Shape):
    """An event of the application's own."""

    name: Annotated[str, Field(examples=["captioned"])]
    payload: Any
    """What the application has sent, any JSON."""
    at: Timestamp


class Message(Shape):
    """The state of an upload: an *event*, which is numbered and stored, or a *tick* between two events, of which only
    the latest matters."""

    uploadId: UploadId
    seq: Annotated[int, Field(ge=1, examples=[7])]
    """The event's number, 1, 2, 3 … without gaps. A tick has the number of the event before it."""
    epoch: Annotated[str, Field(examples=["9f86d081"])]
    """Identifies the log that `seq` counts in. When it changes, discard what you know of the upload."""
    status: Annotated[Status, Field(examples=["compressing"])]
    stage: Annotated[Stage, Field(examples=["compressing"])]
    progress: Percent
    """Overall. It never falls within one attempt, and is 100 only when the result is stored."""
    stageProgress: Percent
    message: Annotated[str, Field(examples=["Compressing the video"])]
    """A sentence for the person who waits for the upload."""
    filename: Annotated[str, Field(examples=["holiday.mov"])]
    metadata: Metadata
    bytesReceived: Bytes
    bytesExpected: Bytes | None
    attempt: Annotated[int, Field(ge=1, examples=[1])]
    retried: NotRequired[Literal[True]]
    """Present if a person has started this attempt over, and not the server."""
    updatedAt: Timestamp
    eta: Annotated[float | None, Field(examples=[12.5])]
    """The expected remaining time in seconds."""
    speed: Annotated[float | None, Field(examples=[3.2])]
    """Seconds of video encoded per second."""
    fps: Annotated[float | None, Field(examples=[96.0])]
    """Frames encoded per second."""
    queuePosition: int | None
    """The position in the queue, while the upload waits for a worker."""
    paused: NotRequired[Literal[True]]
    """Present while the upload is queued and an administrator has paused its template."""
    poster: NotRequired[Output]
    """An image of the video that can be shown during compression."""
    playable: NotRequired[Playable]
    """What can be played of a long film while the rest of it is compressed. It comes with an event of its own name."""
    forecast: NotRequired[ForecastJson]
    element: NotRequired[Element]
    """The result, with status `completed`."""
    error: NotRequired[UploadError]
    """The reason, with status `error`."""
    event: NotRequired[ApplicationEventJson]
    """An event of the application, which this message carries: nothing else has changed."""


def timestamp(seconds: float) -> str:
    """Return the time as ISO 8601 in UTC with milliseconds, as JavaScript's `Date` writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
