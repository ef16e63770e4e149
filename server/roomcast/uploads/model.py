"""The upload record, the changes that may be made to it, and the message that describes it. Pure.

An `Upload` is one immutable record. An *event* makes the next record (`apply_event`: numbered, durable). A *tick* makes
a fresher view of the same record (`apply_tick`: same `seq`, never stored). `message` renders either into the JSON shape
that every native client receives.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import PlainValidator

from roomcast.errors import RoomcastError
from roomcast.uploads.codec import ExtensibleRecord, JsonCodec, encode_record
from roomcast.uploads.lifecycle import (
    Cancelled,
    Deleted,
    Entered,
    Fact,
    Failed,
    HandedBack,
    Progressed,
    Stage,
    State,
    Status,
    advance,
)
from roomcast.uploads.messages import Element, ForecastJson, Message, Output, Playable, UploadError, timestamp

SourceKind = Literal["video", "image", "file"]
"""How a source is processed; a `file` is stored unchanged."""


@dataclass(frozen=True)
class Source(ExtensibleRecord):
    """The received bytes. `format` is named by the magic bytes; digests are hexadecimal, None if not computed."""

    key: str
    size: int
    kind: SourceKind
    format: str
    mime: str
    md5: str | None
    sha256: str | None

    @property
    def digests(self) -> dict[str, str]:
        """Map the name of each computed digest to its value."""
        return {name: made for name, made in (("md5", self.md5), ("sha256", self.sha256)) if made}


@dataclass(frozen=True)
class Forecast(ExtensibleRecord):
    """The estimate for a long compression: the size of the result in bytes, and the total duration in seconds.

    Each has a range while it is uncertain, which holds in nine of ten cases.
    """

    bytes: int
    seconds: float
    bytes_low: int | None = None
    bytes_high: int | None = None
    seconds_low: float | None = None
    seconds_high: float | None = None

    later_fields: ClassVar[frozenset[str]] = frozenset({"bytes_low", "bytes_high", "seconds_low", "seconds_high"})

    def at_least(self, size: int) -> Forecast:
        """Return the forecast after `size` bytes have been written: the result is not smaller."""
        low = None if self.bytes_low is None else max(size, self.bytes_low)
        high = None if self.bytes_high is None else max(size, self.bytes_high)
        return replace(self, bytes=max(size, self.bytes), bytes_low=low, bytes_high=high)

    def over_share(self, share: float) -> Forecast:
        """Return the forecast of a whole of which this one's time is a share of 0–1."""
        low, high = (None if each is None else round(each / share, 1) for each in (self.seconds_low, self.seconds_high))
        return replace(self, seconds=round(self.seconds / share, 1), seconds_low=low, seconds_high=high)

    def to_json(self) -> ForecastJson:
        """Return the forecast of the client contract's message."""
        body: ForecastJson = {"bytes": self.bytes, "seconds": self.seconds}
        if self.bytes_low is not None and self.bytes_high is not None:
            body |= {"bytesLow": self.bytes_low, "bytesHigh": self.bytes_high}
        if self.seconds_low is not None and self.seconds_high is not None:
            body |= {"secondsLow": self.seconds_low, "secondsHigh": self.seconds_high}
        return body


@dataclass(frozen=True)
class TusState(ExtensibleRecord):
    """The tus protocol's state of an upload: the client's `Upload-Metadata` header, unchanged.

    A `partial` upload receives bytes for another one and is never queued. The upload that concatenates partial ones
    lists their ids in `concat`.
    """

    metadata: str = ""
    partial: bool = False
    concat: tuple[str, ...] = ()

    earlier_names: ClassVar[Mapping[str, str]] = {"part": "partial", "joins": "concat"}


def _check_error(error: Any) -> Any:
    """Raise `ValueError` unless `error` has the form of an upload's error. Codes and fields may be unknown ones."""
    types = {"code": str, "message": str, "step": str, "retryable": bool}
    if error is not None and not (
        isinstance(error, dict) and all(isinstance(error.get(name), type_) for name, type_ in types.items())
    ):
        raise ValueError("It is not the error of an upload.")
    return error


@dataclass(frozen=True)
class Upload(ExtensibleRecord):
    """One upload as the ledger stores it. Times are seconds since the Unix epoch; sizes are bytes.

    `epoch` identifies this incarnation of the event log: a position in the log is (epoch, seq). `poster` is an output
    that can be shown before the work ends; it is removed with the upload's files. `playable` is a playlist of what is
    compressed so far. `not_before` delays a queued retry.
    `direct_token` names the multipart upload of a source that the client sends straight to the media store.
    `resumable` is set once bytes arrive in chunks. `submission` is the id of the submission that the upload belongs to.
    `folder` is the client's choice for the results: folder names joined by slashes, or "". `metadata` is the
    application's, see `uploads.metadata`. The application may also choose `prefix`, the folder of everything that is
    stored of the upload, and `max_bytes`, the size of the largest file that is accepted. `traceparent` is the span of
    the request that created it, to which the spans of all processes belong.

    The server itself fetches the bytes of an `imported` upload.
    `events_after_end` counts the application's events since the upload ended.
    `exhausted_since` is when a worker first had no resources left for the present attempt, None if none has.
    `template_paused` is never stored: like `queue_position`, the ledger sets it when it is read.

    The source is deleted at `source_expires_at` (None: at the end of the work), and the upload with its results at
    `results_expire_at` (None: its state expires by the setting, and its results do not). Segments that were stored only
    for viewers who did not wait are deleted at `segments_expire_at` (None: there are none), and those of
    `unlisted_renditions`, which no playlist has, at the end of the work.
    """

    id: str
    owner: str
    template: str
    filename: str
    epoch: str
    created_at: float
    updated_at: float
    seq: int = 1
    state: State = field(default_factory=State)
    text: str = "Waiting for the file"
    bytes_received: int = 0
    bytes_expected: int | None = None
    priority: int = 0
    not_before: float = 0.0
    declared_md5: str | None = None
    direct_token: str | None = None
    resumable: TusState | None = None
    submission: str | None = None
    folder: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""
    max_bytes: int | None = None
    imported: bool = False
    source_expires_at: float | None = None
    results_expire_at: float | None = None
    traceparent: str | None = None
    source: Source | None = None
    poster: dict[str, Any] | None = None
    playable: dict[str, Any] | None = None
    forecast: Forecast | None = None
    element: dict[str, Any] | None = None
    error: Annotated[UploadError | None, PlainValidator(_check_error)] = None
    eta: float | None = None
    speed: float | None = None
    fps: float | None = None
    queue_position: int | None = None
    events_after_end: int = 0
    exhausted_since: float | None = None
    template_paused: bool = False
    segments_expire_at: float | None = None
    unlisted_renditions: tuple[str, ...] = ()

    later_fields: ClassVar[frozenset[str]] = frozenset({
        "metadata", "prefix", "max_bytes", "imported", "source_expires_at", "results_expire_at",
        "traceparent", "events_after_end", "exhausted_since", "template_paused", "playable",
        "segments_expire_at", "unlisted_renditions",
    })  # fmt: skip

    @property
    def stage(self) -> Stage:
        return self.state.stage

    @property
    def is_partial(self) -> bool:
        """Whether the upload only receives bytes for another one."""
        return self.resumable is not None and self.resumable.partial


@dataclass(frozen=True)
class ApplicationEvent:
    """An event of the application's own in an upload's room. `payload` is a JSON value, and `at` in seconds."""

    name: str
    payload: Any
    at: float


@dataclass(frozen=True)
class Retention:
    """For how many seconds after its completion an upload's source and its results are stored.

    None: the source is deleted at once, and the results stay although the upload's state expires.
    """

    source: float | None = None
    results: float | None = None


@dataclass(frozen=True)
class Actor:
    """Who has caused an event: a user by id, or a process by its name."""

    type: Literal["user", "worker", "server", "application"]
    name: str


@dataclass(frozen=True)
class Change:
    """A requested event: the fact, the sentence shown to people, and the fields that change with it.

    `actor` is who has caused it, or None for the process that writes it. An empty `playable` means that nothing can be
    played any more.
    """

    fact: Fact
    text: str
    bytes_received: int | None = None
    bytes_expected: int | None = None
    resumable: TusState | None = None
    source: Source | None = None
    template: str | None = None
    priority: int | None = None
    folder: str | None = None
    metadata: dict[str, Any] | None = None
    poster: dict[str, Any] | None = None
    playable: dict[str, Any] | None = None
    forecast: Forecast | None = None
    element: dict[str, Any] | None = None
    error: UploadError | None = None
    not_before: float = 0.0
    exhausted_since: float | None = None
    segments_expire_at: float | None = None
    unlisted_renditions: tuple[str, ...] = ()
    retention: Retention | None = None
    actor: Actor | None = None


@dataclass(frozen=True)
class Tick:
    """A progress reading between two events: the fraction of the stage (0–1), speeds, and the current forecast."""

    fraction: float
    bytes_received: int | None = None
    eta: float | None = None
    speed: float | None = None
    fps: float | None = None
    forecast: Forecast | None = None


PAUSED_TEXT = "Paused by an administrator."
"""The message of an upload that waits because its template is paused."""


def new_upload_id() -> str:
    """Return an id with 128 random bits; without authentication, knowing the id grants access."""
    return f"upload_{secrets.token_hex(16)}"


def source_key(upload: Upload) -> str:
    """Return the name of the upload's source in the media store, complete or still arriving.

    Each attempt has its own name, so that cleaning up after one cannot delete the bytes of the next.
    """
    if upload.source:
        return upload.source.key
    # All sources are in one folder.
    prefix = f"{upload.prefix.replace('/', '~')}~" if upload.prefix else ""
    return f"{prefix}{upload.id}.{upload.state.attempt}"


def source_owner(name: str) -> str:
    """Return the id of the upload whose source has this name."""
    return name.rpartition("~")[2].partition(".")[0]


def results_folder(upload: Upload) -> str:
    """Return the media store folder of the upload's results: its id, below the folder that the client chose, below the
    prefix that the application chose."""
    return "/".join(name for name in (upload.prefix, upload.folder, upload.id) if name)


def element_type(upload: Upload) -> str:
    """Return the `type` of the upload's element: its template, or `file` if it is stored unchanged."""
    return "file" if upload.source and upload.source.kind == "file" else upload.template


def is_resumable(upload: Upload) -> bool:
    """Return whether the upload waits for more bytes after an interruption; a concatenated one receives none itself."""
    return upload.resumable is not None and not upload.resumable.concat


def apply_event(upload: Upload, change: Change, now: float) -> Upload:
    """Return the record after one more event; raise `IllegalFact` if the lifecycle does not allow it."""
    gone = isinstance(change.fact, Failed | Cancelled | Deleted)
    retention = change.retention or Retention()
    stays = isinstance(change.fact, Progressed)
    same_attempt = isinstance(change.fact, Entered | Progressed | HandedBack)
    return _next(
        upload,
        now,
        state=advance(upload.state, change.fact),
        text=change.text,
        bytes_received=upload.bytes_received if change.bytes_received is None else change.bytes_received,
        bytes_expected=_expected(upload, change),
        resumable=change.resumable or upload.resumable,
        source=change.source or upload.source,
        template=change.template or upload.template,
        priority=upload.priority if change.priority is None else change.priority,
        folder=upload.folder if change.folder is None else change.folder,
        metadata=upload.metadata if change.metadata is None else change.metadata,
        poster=None if gone else change.poster or upload.poster,
        playable=None if gone else (upload.playable if change.playable is None else change.playable or None),
        forecast=change.forecast or (upload.forecast if stays else None),
        source_expires_at=upload.source_expires_at if retention.source is None else now + retention.source,
        results_expire_at=upload.results_expire_at if retention.results is None else now + retention.results,
        element=None if isinstance(change.fact, Deleted) else change.element or upload.element,
        error=change.error,
        not_before=change.not_before,
        exhausted_since=change.exhausted_since or (upload.exhausted_since if same_attempt else None),
        segments_expire_at=change.segments_expire_at or upload.segments_expire_at,
        unlisted_renditions=change.unlisted_renditions or upload.unlisted_renditions,
    )


def _expected(upload: Upload, change: Change) -> int | None:
    if change.source:
        return change.source.size
    return upload.bytes_expected if change.bytes_expected is None else change.bytes_expected


def cleanup_due_at(upload: Upload) -> float | None:
    """Return when something of an upload that has just entered its stage is to be deleted, or None if nothing is."""
    if upload.stage in (Stage.FAILED, Stage.CANCELLED, Stage.DELETED):
        return upload.updated_at
    if upload.stage is Stage.DONE and upload.unlisted_renditions:
        return upload.updated_at
    times = (upload.source_expires_at, upload.results_expire_at, upload.segments_expire_at)
    return min((at for at in times if at is not None), default=None) if upload.stage is Stage.DONE else None


def reset_for_retry(upload: Upload, state: State, now: float) -> Upload:
    """Return the record that starts over in `state`, the result of `lifecycle.reopen`."""
    receiving = state.stage is Stage.RECEIVING
    return _next(
        upload,
        now,
        state=state,
        text="Send the file again" if receiving else "Waiting for a worker",
        bytes_received=0 if receiving else upload.bytes_received,
        source=None if receiving else upload.source,
        direct_token=None if receiving else upload.direct_token,
        # The file may be sent another way this time, but a partial upload stays partial.
        resumable=None if receiving and not upload.is_partial else upload.resumable,
        poster=None,
        playable=None,
        forecast=None,
        element=None,
        error=None,
        not_before=0.0,
        exhausted_since=None,
    )


def count_application_event(upload: Upload) -> Upload:
    """Return the record after an event of the application, which changes nothing but its position in the log."""
    return replace(
        upload,
        seq=upload.seq + 1,
        events_after_end=upload.events_after_end + upload.state.terminal,
        eta=None,
        speed=None,
        fps=None,
        queue_position=None,
        template_paused=False,
    )


def with_application_event(body: Message, event: ApplicationEvent) -> Message:
    """Return a message that carries an event of the application."""
    return {**body, "event": {"name": event.name, "payload": event.payload, "at": timestamp(event.at)}}


def apply_tick(upload: Upload, tick: Tick, now: float) -> Upload:
    """Return a view of the same record with the reading applied; `seq` stays."""
    return replace(
        upload,
        updated_at=now,
        state=advance(upload.state, Progressed(min(1.0, max(0.0, tick.fraction)))),
        bytes_received=upload.bytes_received if tick.bytes_received is None else tick.bytes_received,
        eta=tick.eta,
        speed=tick.speed,
        fps=tick.fps,
        forecast=tick.forecast or upload.forecast,
    )


def message(upload: Upload) -> Message:
    """Return the client contract's message without URLs, which are signed when it is sent because they expire."""
    state = upload.state
    body: Message = {
        "uploadId": upload.id,
        "seq": upload.seq,
        "epoch": upload.epoch,
        "status": state.status,
        "stage": state.stage,
        "progress": round(state.progress, 1),
        "stageProgress": round(state.stage_progress, 1),
        "message": PAUSED_TEXT if upload.template_paused else upload.text,
        "filename": upload.filename,
        "metadata": {**upload.metadata, **({"path": upload.folder} if upload.folder else {})},
        "bytesReceived": upload.bytes_received,
        "bytesExpected": upload.bytes_expected,
        "attempt": state.attempt,
        "updatedAt": timestamp(upload.updated_at),
        "eta": upload.eta,
        "speed": upload.speed,
        "fps": upload.fps,
        "queuePosition": upload.queue_position,
    }
    if state.retried:
        body["retried"] = True
    if upload.template_paused:
        body["paused"] = True
    if upload.poster:
        body["poster"] = cast(Output, upload.poster)
    if upload.playable and not state.terminal:
        body["playable"] = cast(Playable, upload.playable)
    if upload.forecast:
        body["forecast"] = upload.forecast.to_json()
    if state.stage is Stage.DONE:
        body["element"] = cast(Element, upload.element)
    if state.status is Status.ERROR:
        body["error"] = cast(UploadError, upload.error)
    return body


def error_body(error: RoomcastError, step: str, *, retryable: bool | None = None) -> UploadError:
    """Return the `error` of a failed upload's message."""
    return {
        "code": error.code,
        "message": error.message,
        "step": step,
        "retryable": error.retryable if retryable is None else retryable,
    }


_CODEC = JsonCodec(Upload)


def encode(upload: Upload) -> bytes:
    """Serialise the record for the ledger's storage."""
    return encode_record(upload)


def decode(record: bytes) -> Upload:
    """Parse a record from the ledger's storage; raise `UnreadableRecord` if it is damaged."""
    return _CODEC.decode(record)


def _next(upload: Upload, now: float, **changes: Any) -> Upload:
    """Return the record with the next `seq`, without the values that only ticks carry."""
    return replace(
        upload,
        seq=upload.seq + 1,
        updated_at=now,
        events_after_end=0,
        eta=None,
        speed=None,
        fps=None,
        queue_position=None,
        **changes,
    )
