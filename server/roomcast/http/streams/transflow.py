"""The stream of the multi-file dialect: all uploads of a submission in one stream.

A client's position is one position for each upload, separated by commas, in the submission's order. A client without a
position gets every step from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Annotated

from aiohttp import web
from pydantic import Field

from roomcast.assemblies.service import AssemblyService
from roomcast.dialects import transflow
from roomcast.errors import Malformed
from roomcast.http.operations import OWNERSHIP_ERRORS, Operation, Parameter, RouteGroup, Tag
from roomcast.http.responses import VIEWER
from roomcast.http.streams.sse import (
    POSITION_PATTERN,
    Position,
    event_id,
    parse_position,
    sse_event,
)
from roomcast.http.streams.streams import Streams, Subscriber, stream_responses
from roomcast.ledger.contract import Replay
from roomcast.services.uploads import UploadService
from roomcast.uploads.ids import is_upload_id
from roomcast.uploads.lifecycle import TERMINAL_STATUSES, Stage
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

OVERVIEW, STEP = "message", "step"
"""The names of the stream's events. An `EventSource` passes those called `message` to `onmessage`."""

_POSITIONS_PATTERN = rf"{POSITION_PATTERN}(,{POSITION_PATTERN})*"


class TransflowRoutes(RouteGroup):
    """`/api/transflow/stream`."""

    def __init__(
        self,
        streams: Streams,
        uploads: UploadService,
        assemblies: AssemblyService,
        *,
        branch: str,
    ) -> None:
        self._streams = streams
        self._uploads = uploads
        self._assemblies = assemblies
        self._branch = branch

    @Operation(
        "GET",
        "/api/transflow/stream",
        Tag.TRANSFLOW,
        "Listen to all files of a submission",
        stream_responses({OVERVIEW: transflow.SubmissionOverview, STEP: transflow.StepMessage}),
        description="Without `Last-Event-ID` the stream sends every step from the beginning. It ends when all uploads "
        "have ended.",
        parameters=(
            Parameter(
                "uploadId",
                Annotated[str, Field(min_length=1, examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])],
                "The id of an upload of the submission, or of the assembly.",
                required=True,
            ),
            Parameter(
                "Last-Event-ID",
                Annotated[str, Field(pattern=f"^({_POSITIONS_PATTERN})?$", examples=["9f86d081:7,0a1b2c3d:4"])],
                "Continue after this event: one position for each upload.",
                "header",
            ),
        ),
        errors=(*OWNERSHIP_ERRORS, Malformed),
    )
    async def _get_stream(self, request: web.Request) -> web.StreamResponse:
        requested_id = request.query.get("uploadId")
        if not requested_id:
            raise Malformed("The query needs an upload's id in `uploadId`.")
        uploads = await self._uploads_of(request[VIEWER], requested_id)
        positions = _parse_positions(request.headers.get("Last-Event-ID"), len(uploads))
        queue = Subscriber(self._streams.stats)
        async with AsyncExitStack() as stack:
            replays = []
            for upload, position in zip(uploads, positions, strict=True):
                # From one event earlier, because the step of an event depends on the event before it.
                since, epoch = (max(0, position.since - 1), position.epoch) if position else (0, None)
                watching = self._uploads.subscription(request[VIEWER], upload.id, queue, since=since, epoch=epoch)
                replays.append(await stack.enter_async_context(watching))
            renderer = _SubmissionRenderer(requested_id, replays, positions, self._uploads.message, self._branch)
            if renderer.finished and renderer.up_to_date:
                return web.Response(status=204)
            return await self._streams.run(request, uploads[0].id, queue, renderer)

    async def _uploads_of(self, viewer: Viewer, requested_id: str) -> list[Upload]:
        """Return the uploads of an assembly, or of the submission that an upload came in."""
        if not is_upload_id(requested_id):
            return (await self._uploads.get_assembly(viewer, requested_id, discloses=True)).uploads
        upload = await self._uploads.get(viewer, requested_id)
        submission = await self._assemblies.submission_of(upload)
        return (await self._assemblies.uploads(submission) if submission else []) or [upload]


class _SubmissionRenderer:
    """Renders several uploads: the steps of each event, one `done` when all are done, and an overview after each."""

    def __init__(
        self,
        requested_id: str,
        replays: Sequence[Replay],
        positions: Sequence[Position | None],
        message_of: Callable[[Upload], Message],
        branch: str,
    ) -> None:
        self._requested_id = requested_id
        self._uploads = [replay.upload for replay in replays]
        self._by_id = {upload.id: upload for upload in self._uploads}
        self._branch = branch
        self._latest = {replay.upload.id: message_of(replay.upload) for replay in replays}
        self._last_events: dict[str, Message] = {}
        self._missed: list[Message] = []
        self.up_to_date = True
        """Whether the client has received every event."""
        for replay, position in zip(replays, positions, strict=True):
            self._seed(replay, position)
        self.finished = self._all_terminal()

    def _seed(self, replay: Replay, position: Position | None) -> None:
        """Set the last event that the client has received of one upload, and collect those after it."""
        state = self._latest[replay.upload.id]
        if not replay.gapless or (position and position.since > replay.upload.seq):
            self._last_events[replay.upload.id] = state  # the log does not reach back to the client's position
            self.up_to_date = False
            return
        events = replay.events
        if position and position.since:
            self._last_events[replay.upload.id] = events[0]
            events = events[1:]
        self._missed += events
        self.up_to_date = self.up_to_date and not events

    def initial(self) -> bytes:
        """Return every step that the client missed, and the overview."""
        steps = b"".join(self._steps(event) for event in self._missed)
        return steps + self._overview(self._event_ids())

    def render(self, message: Message, is_event: bool) -> bytes:
        """Return the steps of an event, if it is one, and the overview."""
        self._latest[message["uploadId"]] = message
        self.finished = self._all_terminal()
        steps = self._steps(message) if is_event else b""
        return steps + self._overview(self._event_ids() if is_event else None)

    def _steps(self, event: Message) -> bytes:
        upload = self._by_id[event["uploadId"]]
        previous = self._last_events.get(upload.id)
        self._last_events[upload.id] = event
        steps = transflow.steps(previous, event, upload=upload, requested_id=self._requested_id, branch=self._branch)
        if len(self._last_events) == len(self._uploads) and event["stage"] == Stage.DONE:
            last_events = self._last_events.values()
            done = transflow.completion(last_events, requested_id=self._requested_id, branch=self._branch)
            steps += [done] if done else []
        return b"".join(sse_event(STEP, step) for step in steps)

    def _overview(self, identity: str | None) -> bytes:
        body = transflow.overview(self._requested_id, self._uploads, self._latest, branch=self._branch)
        return sse_event(OVERVIEW, body, identity)

    def _event_ids(self) -> str:
        return ",".join(event_id(self._last_events[upload.id]) for upload in self._uploads)

    def _all_terminal(self) -> bool:
        return all(latest["status"] in TERMINAL_STATUSES for latest in self._latest.values())


def _parse_positions(last_event_id: str | None, count: int) -> list[Position | None]:
    """Return the client's position in each upload's log. Raise `Malformed`."""
    if not last_event_id:
        return [None] * count
    positions = last_event_id.split(",")
    if len(positions) != count or not all(positions):
        raise Malformed("Last-Event-ID must be the id of an event of this stream.")
    return [parse_position(position) for position in positions]
