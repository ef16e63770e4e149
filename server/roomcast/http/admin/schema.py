"""The JSON shapes of the admin view."""
# ruff: noqa: N815  (the names are JSON's)

from __future__ import annotations

from roomcast.errors import Code
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Bytes, Percent, Shape, Timestamp, UploadError, UploadId


class UploadRow(Shape):
    """An upload in the list: the words of the message, and whose it is. What came out of it, its own page tells."""

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


class Uploads(Shape):
    """A page of the list, and where the next one begins."""

    uploads: list[UploadRow]
    cursor: str | None


class Queue(Shape):
    """What waits for a worker."""

    depth: int
    oldestAge: float | None
    """Seconds that the one has waited that waits longest."""
    delayed: int
    """Retries that are not due; they are not among `depth`."""
    byTemplate: dict[str, int]


class Hold(Shape):
    """An upload that a worker has."""

    uploadId: UploadId
    filename: str
    stage: Stage
    progress: Percent
    attempt: int
    since: Timestamp
    expiresAt: Timestamp
    """When its lease lapses, unless it is renewed."""


class WorkerProcess(Shape):
    """A process that workers run in."""

    process: str
    workers: int
    """How many it runs; 0 when it has not been heard of lately."""
    holds: list[Hold]


class Workers(Shape):
    """All workers, those with an upload, and the processes that they run in."""

    total: int
    busy: int
    processes: list[WorkerProcess]


class WebListeners(Shape):
    """A web process, and who listens there."""

    process: str
    sockets: int
    streams: int


class FailedUpload(Shape):
    """One of a group."""

    uploadId: UploadId
    filename: str
    owner: str
    message: str
    at: Timestamp


class FailureGroup(Shape):
    """What failed in the same step with the same code, the latest first."""

    code: Code
    step: Stage
    retryable: bool
    uploads: list[FailedUpload]


class Failures(Shape):
    """How many failed within the last hour, and the latest of all, whenever they did."""

    lastHour: int
    groups: list[FailureGroup]


class Statuses(Shape):
    """How many uploads have each status; of the last two, those that came to it within the last hour."""

    starting: int
    compressing: int
    uploading: int
    completed: int
    error: int


class Overview(Shape):
    """How everything stands."""

    now: Timestamp
    queue: Queue
    workers: Workers
    web: list[WebListeners]
    statuses: Statuses
    failures: Failures


class Board(Shape):
    """What the page shows: the overview, the newest uploads, and older ones that a worker has."""

    overview: Overview
    uploads: list[UploadRow]
