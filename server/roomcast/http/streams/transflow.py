"""The stream of the multi-file dialect: every upload of a submission, in one stream.

A client's position is one for each upload, joined by commas in the submission's order. Whoever comes without one is
told every step from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from roomcast.assemblies.service import AssemblyService
from roomcast.dialects import transflow
from roomcast.errors import Malformed
from roomcast.http.responses import VIEWER
from roomcast.http.streams.sse import Position, identified_event, is_end, mark, position
from roomcast.http.streams.streams import Streams, Subscriber
from roomcast.ledger.contract import Replay
from roomcast.services.uploads import UploadService
from roomcast.uploads.ids import is_upload_id
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message
from roomcast.uploads.viewer import Viewer

OVERVIEW, STEP = "message", "step"
"""The names of the stream's events; what is called `message` an `EventSource` hands to `onmessage`."""

Present = Callable[[Message], Message]


class TransflowRoutes:
    """`/api/transflow/stream`."""

    def __init__(
        self, streams: Streams, control: UploadService, submissions: AssemblyService, present: Present, *, branch: str
    ) -> None:
        self._streams = streams
        self._control = control
        self._submissions = submissions
        self._present = present
        self._branch = branch

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/api/transflow/stream", self._stream, allow_head=False)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """All uploads of the submission that `uploadId` came in; it may be an assembly's id as well. Until all end."""
        asked = request.query.get("uploadId")
        if not asked:
            raise Malformed("Name an upload: ?uploadId=…")
        uploads = await self._together(request[VIEWER], asked)
        stands = _positions(request.headers.get("Last-Event-ID"), len(uploads))
        feed = Subscriber(self._streams.stats)
        async with AsyncExitStack() as stack:
            replays = []
            for upload, stand in zip(uploads, stands, strict=True):
                # From one event earlier: what a step is, only the event before it can tell.
                since, epoch = (max(0, stand.since - 1), stand.epoch) if stand else (0, None)
                watching = self._control.watching(request[VIEWER], upload.id, feed, since=since, epoch=epoch)
                replays.append(await stack.enter_async_context(watching))
            speech = _Together(asked, replays, stands, self._present, self._branch)
            if speech.over and speech.known:
                return web.Response(status=204)
            return await self._streams.speak(request, uploads[0].id, feed, speech)

    async def _together(self, viewer: Viewer, asked: str) -> list[Upload]:
        if not is_upload_id(asked):
            return (await self._control.get_assembly(viewer, asked)).uploads
        upload = await self._control.look(viewer, asked)
        submission = await self._submissions.submission_of(upload)
        return (await self._submissions.uploads(submission) if submission else []) or [upload]


class _Together:
    """What is said of several uploads: the steps of each event, one `done` when all are, and how all of them stand."""

    def __init__(
        self,
        asked: str,
        replays: Sequence[Replay],
        stands: Sequence[Position | None],
        present: Present,
        branch: str,
    ) -> None:
        self._asked = asked
        self._uploads = [replay.upload for replay in replays]
        self._by_id = {upload.id: upload for upload in self._uploads}
        self._present = present
        self._branch = branch
        self._latest = {replay.upload.id: present(message(replay.upload)) for replay in replays}
        self._events: dict[str, Message] = {}
        self._missed: list[Message] = []
        self.known = True
        for replay, stand in zip(replays, stands, strict=True):
            self._begin(replay, stand)
        self.over = self._all_ended()

    def _begin(self, replay: Replay, stand: Position | None) -> None:
        """Where the client stands behind one log, and what it missed; `known` as long as that is nothing."""
        now = message(replay.upload)
        if not replay.gapless or (stand and stand.since > replay.upload.seq):
            self._events[replay.upload.id] = now  # the log does not reach back to the client: it gets the state
            self.known = False
            return
        events = replay.events
        if stand and stand.since:
            self._events[replay.upload.id] = events[0]
            events = events[1:]
        self._missed += events
        self.known = self.known and not events

    def opening(self) -> bytes:
        """Every step that was missed, and how all stand."""
        said = b"".join(self._steps(event) for event in self._missed)
        return said + self._overview(self._marks())

    def of(self, told: Message, is_event: bool) -> bytes:
        self._latest[told["uploadId"]] = self._present(told)
        self.over = self._all_ended()
        said = self._steps(told) if is_event else b""
        return said + self._overview(self._marks() if is_event else None)

    def _steps(self, event: Message) -> bytes:
        previous = self._events.get(event["uploadId"])
        self._events[event["uploadId"]] = event
        upload = self._by_id[event["uploadId"]]
        told = transflow.steps(previous, event, upload=upload, asked=self._asked, branch=self._branch)
        if len(self._events) == len(self._uploads) and event["stage"] == Stage.DONE:
            done = transflow.completion(self._events.values(), asked=self._asked, branch=self._branch)
            told += [done] if done else []
        return b"".join(identified_event(STEP, step, None) for step in told)

    def _overview(self, identity: str | None) -> bytes:
        body = transflow.overview(self._asked, self._uploads, self._latest, branch=self._branch)
        return identified_event(OVERVIEW, body, identity)

    def _marks(self) -> str:
        return ",".join(mark(self._events[upload.id]) for upload in self._uploads)

    def _all_ended(self) -> bool:
        return all(is_end(latest) for latest in self._latest.values())


def _positions(last_event_id: str | None, count: int) -> list[Position | None]:
    """Where the client stands in each upload's log; raises `Malformed`."""
    if not last_event_id:
        return [None] * count
    parts = last_event_id.split(",")
    if len(parts) != count or not all(parts):
        raise Malformed("Last-Event-ID must be the id of an event of this stream.")
    return [position(part) for part in parts]
