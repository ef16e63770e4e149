"""The JSON types of the admin page."""
# ruff: noqa: N815  (the names are JSON's)

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from roomcast.ledger.administration import PauseTarget
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import (
    ApplicationStep,
    Bytes,
    ErrorCode,
    Message,
    Percent,
    Shape,
    Timestamp,
    UploadError,
    UploadId,
)


class UploadRow(Shape):
    """An upload in the list: its message, owner and template, without its results."""

    uploadId: UploadId
    owner: str
    template: str
    filename: str
    status: Status
    stage: Stage
    progress: Percent
    message: str
    attempt: int
    bytesReceived: Bytes
    bytesExpected: Bytes | None
    speed: float | None
    eta: float | None
    createdAt: Timestamp
    updatedAt: Timestamp
    error: UploadError | None
    canRetry: bool
    """Whether a retry can succeed: the upload has failed, and its source is stored."""
    paused: bool
    """Whether it waits because its template is paused."""


class UploadRows(Shape):
    """A page of the list. It may be short, or even empty, although others follow."""

    uploads: list[UploadRow]
    cursor: str | None
    """Of the next page; null at the end."""
    complete: bool
    """False if there are so many uploads that only the newest of them were put in order of size or duration."""


class SkippedUpload(Shape):
    """An upload on which an action was not done, and why."""

    uploadId: str
    filename: str
    code: ErrorCode
    message: str


class BulkResult(Shape):
    """What an action on many uploads has done."""

    dryRun: bool
    """True if it was only counted."""
    matched: int
    """How many uploads were meant, as far as this call has counted."""
    eligible: int
    """On how many of them the action was possible."""
    changed: int
    """On how many it was done."""
    skippedCount: int
    skipped: list[SkippedUpload]
    """The first of those on which it was not done."""
    cursor: str | None
    """Continue with this: more uploads may match. Null at the end."""


class ActorJson(Shape):
    """Who has caused an event: a user by id, or a process by its name."""

    type: Literal["user", "worker", "server", "application"]
    name: str


class EventEntry(Shape):
    """A stored event, as those who listen have received it."""

    seq: int
    at: Timestamp
    actor: ActorJson | None
    """Null for an event that a version without this field has written."""
    message: Message


class StageEntry(Shape):
    """A stage that the upload was in."""

    stage: Stage
    attempt: int
    seq: int
    """Of the event that began it."""
    startedAt: Timestamp
    seconds: float
    """Until now, if it has not ended."""
    ended: bool


class AttemptEntry(Shape):
    """An attempt to process the upload."""

    attempt: int
    process: str | None
    """The last worker process that had it."""
    startedAt: Timestamp
    seconds: float
    outcome: Literal["running", "completed", "failed", "cancelled", "retried"]
    message: str
    """Of its last event, which for `retried` says why."""
    error: UploadError | None


class LineEntry(Shape):
    """A line of a process's log about the upload."""

    at: Timestamp
    level: Annotated[str, Field(examples=["info"])]
    event: Annotated[str, Field(examples=["upload_claimed"])]
    process: str
    details: Annotated[dict[str, Any], Field(examples=[{"template": "auto"}])]


class UploadLogJson(Shape):
    """Everything that is stored about what happened to an upload."""

    upload: UploadRow
    firstSeq: int
    """More than 1 if earlier events are not stored any more."""
    events: list[EventEntry]
    stages: list[StageEntry]
    attempts: list[AttemptEntry]
    lines: list[LineEntry]
    """The latest ones, oldest first."""


class Durations(Shape):
    """Durations in seconds. The percentiles are right within a tenth."""

    count: int
    mean: float
    p50: float
    p95: float


class HistoryBucket(Shape):
    """What happened in a span of time."""

    at: Timestamp
    """Its start."""
    received: int
    """Uploads whose file has arrived."""
    completed: int
    failed: int
    cancelled: int
    bytesIn: Bytes
    bytesOut: Bytes
    wait: Durations | None
    """From the queue to a worker."""
    run: Durations | None
    """From the worker's claim to the end of the upload."""
    failures: dict[str, int]
    """Failed uploads by the code of their error."""


class HistoryJson(Shape):
    """The history of an hour or a day, oldest first. The last bucket is not over yet."""

    window: Literal["hour", "day"]
    bucketSeconds: int
    now: Timestamp
    buckets: list[HistoryBucket]


class SocketEntry(Shape):
    """A connected Socket.IO client."""

    sid: str
    process: str
    user: str
    admin: bool
    address: str
    """The client's network address."""
    transport: Literal["websocket", "polling"]
    since: Timestamp
    rooms: list[str]
    """The ids of uploads, and other rooms of the application."""


class Rooms(Shape):
    """The sockets of all web processes, oldest first."""

    sockets: list[SocketEntry]
    missing: list[str]
    """Web processes that did not answer in time."""
    truncated: bool
    """Whether there are more sockets than these."""


class DisconnectResult(Shape):
    """How many sockets were disconnected."""

    disconnected: int
    missing: list[str]
    """Web processes that did not answer in time."""


class Queue(Shape):
    """The uploads that wait for a worker."""

    depth: int
    oldestAge: float | None
    """How many seconds the oldest of them has waited."""
    delayed: int
    """Retries that are not due yet, which `depth` does not count."""
    byTemplate: dict[str, int]
    paused: int
    """Uploads of paused templates, which neither `depth` nor `byTemplate` counts."""


class WorkerLease(Shape):
    """An upload that a worker processes, or a task of a film that is compressed in segments."""

    uploadId: UploadId
    filename: str
    stage: Stage
    progress: Percent
    attempt: int
    since: Timestamp
    expiresAt: Timestamp
    """When the lease expires unless it is renewed."""
    task: int | None
    """The number of the task; null if it is the upload itself. `progress` is that of the task."""
    waitsForTasks: bool
    """Whether the film waits for tasks, and so occupies no worker."""


class WorkerProcess(Shape):
    """A process with workers."""

    process: str
    workers: int
    """How many it runs; 0 if it has stopped reporting."""
    busy: int
    """How many of them process something."""
    paused: bool
    """Whether it finishes what it does and takes nothing else."""
    leases: list[WorkerLease]


class Workers(Shape):
    """How many workers there are, how many are busy, and their processes."""

    total: int
    busy: int
    processes: list[WorkerProcess]


class WebListeners(Shape):
    """A web process, and how many clients are connected to it."""

    process: str
    sockets: int
    streams: int
    """Without those of admin pages."""


class FailedUpload(Shape):
    """A failed upload of a group."""

    uploadId: UploadId
    filename: str
    owner: str
    message: str
    at: Timestamp
    canRetry: bool
    """As in the list."""


class FailureGroup(Shape):
    """The uploads that failed in the same step with the same code, latest first."""

    code: ErrorCode
    step: Stage | ApplicationStep
    retryable: bool
    uploads: list[FailedUpload]


class Failures(Shape):
    """How many uploads failed within the last hour, and the latest failures of any time."""

    lastHour: int
    groups: list[FailureGroup]


class Statuses(Shape):
    """How many uploads have each status; of `completed` and `error`, those of the last hour."""

    starting: int
    waiting: int
    """Of `starting`: those that wait for a worker."""
    compressing: int
    uploading: int
    completed: int
    error: int
    failed: int
    """Of `error`."""
    cancelled: int
    """Of `error`."""


class PauseEntry(Shape):
    """A pause that an administrator has ordered."""

    type: PauseTarget
    name: Annotated[str, Field(examples=["hero-video"])]
    """A template or a worker process; `*` means all worker processes, also those that start later."""
    by: str
    """The administrator's user id."""
    since: Timestamp
    uploads: int
    """How many wait because of it."""


class Pauses(Shape):
    """All pauses."""

    paused: list[PauseEntry]


class Overview(Shape):
    """The state of the whole deployment."""

    now: Timestamp
    templates: list[str]
    """The names of all templates."""
    paused: list[PauseEntry]
    queue: Queue
    workers: Workers
    web: list[WebListeners]
    statuses: Statuses
    failures: Failures


class Board(Shape):
    """What the page shows: the overview, the newest uploads, and older ones that a worker processes."""

    overview: Overview
    uploads: list[UploadRow]
