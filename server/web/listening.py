"""The ways to listen over HTTP: the native stream, the SSE dialect's, and the polling dialect.

What each says is decided in `dialects`; how streams run, in `streams`."""

from __future__ import annotations

import time
from functools import partial

from aiohttp import web

from server.access import Viewer
from server.control import Control
from server.present import present
from server.upload.errors import Malformed, NotFound, WrongState
from server.upload.events import Upload
from server.upload.forgotten import Forgotten, end_of, forgotten
from server.upload.media import MediaStore
from server.upload.records import Records
from server.web.answers import VIEWER, json_answer
from server.web.dialects import files, tasks
from server.web.intake import Intake
from server.web.streams import Kind, Streams

_SWEPT_AT_ONCE = 100
_SWEEP_SECONDS = 60.0


class Tasks:
    """What the polling dialect knows of: uploads, until a while after their end or until it is told to forget them."""

    def __init__(self, control: Control, records: Records[Forgotten], *, keep_seconds: float) -> None:
        self._control = control
        self._records = records
        self._keep_seconds = keep_seconds

    async def look(self, viewer: Viewer, task_id: str) -> Upload:
        """The upload; `NotFound` when it is gone here."""
        upload = await self._control.look(viewer, task_id)
        check_recent(upload, self._keep_seconds)
        if upload.state.terminal and await self._is_forgotten(upload):
            raise NotFound("There is no such task any more.")
        return upload

    async def forget(self, viewer: Viewer, task_id: str) -> Upload:
        """Forget an upload that has ended; `WrongState` while it has not."""
        upload = await self.look(viewer, task_id)
        if not upload.state.terminal:
            raise WrongState("The task is not finished; cancel it first.")
        for old in await self._records.take_due(limit=_SWEPT_AT_ONCE, seconds=_SWEEP_SECONDS):
            await self._records.drop(old.id)
        await self._records.add(forgotten(upload, until=upload.updated_at + self._keep_seconds))
        return upload

    async def _is_forgotten(self, upload: Upload) -> bool:
        try:
            await self._records.get(end_of(upload))
        except NotFound:
            return False
        return True


class Listening:
    """The routes. `linger_seconds`: how long after its end an upload is still told of in the SSE dialect."""

    def __init__(
        self,
        streams: Streams,
        control: Control,
        tasks: Tasks,
        intake: Intake,
        media: MediaStore,
        *,
        linger_seconds: float,
    ) -> None:
        self._streams = streams
        self._control = control
        self._tasks = tasks
        self._intake = intake
        self._linger_seconds = linger_seconds
        show = partial(present, media=media)
        self._native = Kind("upload-progress", lambda _: show)
        self._files = Kind(files.EVENT, lambda upload: partial(files.progress, upload))

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/api/uploads/{id}/events", self._events, allow_head=False)
        app.router.add_post("/api/files/upload", self._upload)
        app.router.add_get("/api/files/progress/{upload_id}", self._file, allow_head=False)
        app.router.add_get("/api/progress/{task_id}", self._task)
        app.router.add_delete("/api/progress/{task_id}", self._forget)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, request.match_info["id"], self._native)

    async def _upload(self, request: web.Request) -> web.Response:
        """A form of many files, which are safe and queued when this answers. Its `path` is taken and not needed: what
        is stored is found by the upload's id."""
        if request.content_type != "multipart/form-data":
            raise Malformed("Send multipart/form-data with one or more files.")
        return json_answer(files.taken((await self._intake.take_form(request)).entries))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        upload_id = request.match_info["upload_id"]
        check_recent(await self._control.look(request[VIEWER], upload_id), self._linger_seconds)
        return await self._streams.serve(request, upload_id, self._files)

    async def _task(self, request: web.Request) -> web.Response:
        return json_answer(tasks.progress(await self._tasks.look(request[VIEWER], request.match_info["task_id"])))

    async def _forget(self, request: web.Request) -> web.Response:
        upload = await self._tasks.forget(request[VIEWER], request.match_info["task_id"])
        return json_answer(tasks.forgotten(upload))


def check_recent(upload: Upload, seconds: float) -> None:
    """`NotFound` for an upload that ended longer ago."""
    if upload.state.terminal and upload.updated_at + seconds < time.time():
        raise NotFound("There is no such upload any more.")
