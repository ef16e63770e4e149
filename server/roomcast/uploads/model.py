"""What an upload is, what may change about it, and the message that tells of it. Pure.

An `Upload` is one immutable record. An *event* makes the next record (`apply`: numbered, durable); a *tick* makes a
fresher view of the same record (`fold`: the same `seq`, never durable). `message` renders either into the one JSON
shape that every native client sees.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, cast

import orjson

from roomcast.errors import RoomcastError
from roomcast.uploads.lifecycle import Cancelled, Fact, Failed, Progressed, Stage, State, Status, advance
from roomcast.uploads.messages import Element, Message, Output, UploadError

Kind = Literal["video", "image", "file"]
"""What is done with a source: a `file` is stored as it is."""


@dataclass(frozen=True)
class Source:
    """The bytes as they arrived. `format` is the name the magic bytes gave; digests are hex, None where not made."""

    key: str
    size: int
    kind: Kind
    format: str
    mime: str
    md5: str | None
    sha256: str | None

    @property
    def digests(self) -> dict[str, str]:
        """Those that were made, by their names."""
        return {name: made for name, made in (("md5", self.md5), ("sha256", self.sha256)) if made}


@dataclass(frozen=True)
class Forecast:
    """What a long compression is expected to come to: the result's size, and the seconds that all of it takes."""

    bytes: int
    seconds: float


@dataclass(frozen=True)
class Resumable:
    """What is to be remembered of an upload whose bytes come in pieces: the client's own `metadata`, as it sent it.

    Of several files that are one in the end, each is a `part`: it takes in bytes and is never queued. The one that they
    become `joins` their ids.
    """

    metadata: str = ""
    part: bool = False
    joins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upload:
    """One upload as the ledger knows it. Times are seconds since the Unix epoch; sizes are bytes.

    `epoch` names this incarnation of the upload's log: a position in it is (epoch, seq).
    `poster` is an output that can be shown while the work goes on; it goes when its files do.
    `not_before` holds a queued upload back until a retry is due. `direct_token` names the parts of a source that its
    client sends to the media store itself. `resumable` is set once bytes come in pieces. `submission` is the id of the
    submission that it came in. `folder` is where its client wants the results: folders joined by slashes, or "".
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
    resumable: Resumable | None = None
    submission: str | None = None
    folder: str = ""
    source: Source | None = None
    poster: dict[str, Any] | None = None
    forecast: Forecast | None = None
    element: dict[str, Any] | None = None
    error: UploadError | None = None
    eta: float | None = None
    speed: float | None = None
    fps: float | None = None
    queue_position: int | None = None

    @property
    def stage(self) -> Stage:
        return self.state.stage

    @property
    def is_part(self) -> bool:
        """It takes in bytes for another upload, and is none itself."""
        return self.resumable is not None and self.resumable.part


@dataclass(frozen=True)
class Change:
    """One event to be: the fact, the sentence for the person waiting, and what else became known with it."""

    fact: Fact
    text: str
    bytes_received: int | None = None
    bytes_expected: int | None = None
    resumable: Resumable | None = None
    source: Source | None = None
    template: str | None = None
    priority: int | None = None
    folder: str | None = None
    poster: dict[str, Any] | None = None
    forecast: Forecast | None = None
    element: dict[str, Any] | None = None
    error: UploadError | None = None
    not_before: float = 0.0


@dataclass(frozen=True)
class Tick:
    """A reading between two events: how far the stage is (0–1), how fast it goes, and what it is now expected to come
    to."""

    fraction: float
    bytes_received: int | None = None
    eta: float | None = None
    speed: float | None = None
    fps: float | None = None
    forecast: Forecast | None = None


def new_upload_id() -> str:
    """An id with 128 random bits: in open mode knowing it is the right to it."""
    return f"upload_{secrets.token_hex(16)}"


def source_name(upload: Upload) -> str:
    """What the upload's source is called in the media store, whole or arriving. Each life of an upload has its own, so
    that clearing up after one cannot take what the next has brought."""
    return upload.source.key if upload.source else f"{upload.id}.{upload.state.attempt}"


def results_folder(upload: Upload) -> str:
    """The folder of the upload's results in the media store: its own, below the one that its client named."""
    return f"{upload.folder}/{upload.id}" if upload.folder else upload.id


def element_type(upload: Upload) -> str:
    """The `type` of the upload's element: its template, or `file` for one that is stored as it is."""
    return "file" if upload.source and upload.source.kind == "file" else upload.template


def waits_for_more(upload: Upload) -> bool:
    """Whether an upload whose bytes break off waits for the rest of them. One that is joined of others has no rest."""
    return upload.resumable is not None and not upload.resumable.joins


def apply(upload: Upload, change: Change, now: float) -> Upload:
    """The record after one more event; raises `IllegalFact` when the table does not allow it."""
    gone = isinstance(change.fact, Failed | Cancelled)
    stays = isinstance(change.fact, Progressed)
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
        poster=None if gone else change.poster or upload.poster,
        forecast=change.forecast or (upload.forecast if stays else None),
        element=change.element or upload.element,
        error=change.error,
        not_before=change.not_before,
    )


def _expected(upload: Upload, change: Change) -> int | None:
    if change.source:
        return change.source.size
    return upload.bytes_expected if change.bytes_expected is None else change.bytes_expected


def restarted(upload: Upload, state: State, now: float) -> Upload:
    """The record after `lifecycle.reopen` gave it a new life."""
    receiving = state.stage is Stage.RECEIVING
    return _next(
        upload,
        now,
        state=state,
        text="Send the file again" if receiving else "Waiting for a worker",
        bytes_received=0 if receiving else upload.bytes_received,
        source=None if receiving else upload.source,
        direct_token=None if receiving else upload.direct_token,
        # It may come by another way than before; but a part is never a file of its own.
        resumable=None if receiving and not upload.is_part else upload.resumable,
        poster=None,
        forecast=None,
        element=None,
        error=None,
        not_before=0.0,
    )


def fold(upload: Upload, tick: Tick, now: float) -> Upload:
    """A fresher view of the same record."""
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
    """The contract's message, without URLs: they expire, and are signed when it is sent."""
    state = upload.state
    body: Message = {
        "uploadId": upload.id,
        "seq": upload.seq,
        "epoch": upload.epoch,
        "status": state.status,
        "stage": state.stage,
        "progress": round(state.progress, 1),
        "stageProgress": round(state.stage_progress, 1),
        "message": upload.text,
        "filename": upload.filename,
        "metadata": {"path": upload.folder} if upload.folder else {},
        "bytesReceived": upload.bytes_received,
        "bytesExpected": upload.bytes_expected,
        "attempt": state.attempt,
        "updatedAt": timestamp(upload.updated_at),
        "eta": upload.eta,
        "speed": upload.speed,
        "fps": upload.fps,
        "queuePosition": upload.queue_position,
    }
    if upload.poster:
        body["poster"] = cast(Output, upload.poster)
    if upload.forecast:
        body["forecast"] = {"bytes": upload.forecast.bytes, "seconds": upload.forecast.seconds}
    if state.stage is Stage.DONE:
        body["element"] = cast(Element, upload.element)
    if state.status is Status.ERROR:
        body["error"] = cast(UploadError, upload.error)
    return body


def error_body(error: RoomcastError, step: Stage, *, retryable: bool | None = None) -> UploadError:
    """What the message of a failed upload says of it."""
    return {
        "code": error.code,
        "message": error.message,
        "step": step,
        "retryable": error.retryable if retryable is None else retryable,
    }


def timestamp(seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds, as JavaScript's `Date` writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(upload: Upload) -> bytes:
    """The record for the ledger's storage."""
    return orjson.dumps(upload)


def decode(record: bytes) -> Upload:
    """The record back from the ledger's storage."""
    raw = orjson.loads(record)
    raw["state"] = State(**{**raw["state"], "stage": Stage(raw["state"]["stage"])})
    raw["source"] = raw["source"] and Source(**raw["source"])
    raw["resumable"] = raw.get("resumable") and _resumable(raw["resumable"])
    raw["forecast"] = raw.get("forecast") and Forecast(**raw["forecast"])
    return Upload(**raw)


def _resumable(raw: dict[str, Any]) -> Resumable:
    return Resumable(**{**raw, "joins": tuple(raw["joins"])})


def _next(upload: Upload, now: float, **changes: Any) -> Upload:
    """One event further; what only ticks know is unknown again."""
    return replace(
        upload, seq=upload.seq + 1, updated_at=now, eta=None, speed=None, fps=None, queue_position=None, **changes
    )
