"""The ways to listen over HTTP: the native stream, the SSE dialect's, and the polling dialect.

What each says is decided in `dialects`; how streams run, in `streams`."""

from __future__ import annotations

import time
from functools import partial

from aiohttp import web

from roomcast.assemblies.records import DismissedTask
from roomcast.assemblies.store import RecordStore
from roomcast.dialects import files, tasks
from roomcast.errors import Malformed, NotFound
from roomcast.http.intake.forms import FormIntake
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.streams.streams import Kind, Streams
from roomcast.ledger.contract import Ledger
from roomcast.media.contract import MediaStore
from roomcast.media.links import present
from roomcast.services.uploads import UploadService
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

_SWEPT_AT_ONCE = 100


class TaskView:
    """What the polling dialect knows of: uploads, until a while after their end or until they are dismissed."""

    def __init__(
        self, control: UploadService, ledger: Ledger, records: RecordStore[DismissedTask], *, keep_seconds: float
    ) -> None:
        self._control = control
        self._ledger = ledger
        self._records = records
        self._keep_seconds = keep_seconds

    async def get(self, viewer: Viewer, task_id: str) -> Upload:
        """Return the upload; `NotFound` when it is gone here."""
        try:
            upload = await self._control.look(viewer, task_id)
            check_recent(upload, self._keep_seconds)
        except NotFound:
            raise NotFound(tasks.missing(task_id)) from None
        if await self._is_dismissed(upload):
            raise NotFound(tasks.missing(task_id))
        return upload

    async def dismiss(self, viewer: Viewer, task_id: str) -> None:
        """Show an upload no more, which goes on all the same. One that is not there need not be dismissed."""
        try:
            upload = await self._control.look(viewer, task_id)
        except NotFound:
            return
        await self._sweep()
        await self._records.add(DismissedTask.new(upload, until=time.time() + self._keep_seconds))

    async def _is_dismissed(self, upload: Upload) -> bool:
        try:
            await self._records.get(DismissedTask.key_for(upload))
        except NotFound:
            return False
        return True

    async def _sweep(self) -> None:
        """Drop the records of tasks that are gone by themselves."""
        for old in await self._records.claim_due(limit=_SWEPT_AT_ONCE, seconds=self._keep_seconds):
            try:
                upload = await self._ledger.get(old.upload_id)
                check_recent(upload, self._keep_seconds)
            except NotFound:
                await self._records.delete(old.id)
                continue
            if DismissedTask.key_for(upload) != old.id:
                await self._records.delete(old.id)


class StreamRoutes:
    """The routes. `linger_seconds`: how long after its end an upload is still told of in the SSE dialect; `attempts`:
    after how many that failed an upload is given up; `files_template`: of forms of the SSE dialect that name none."""

    def __init__(
        self,
        streams: Streams,
        control: UploadService,
        tasks: TaskView,
        forms: FormIntake,
        media: MediaStore,
        *,
        linger_seconds: float,
        attempts: int,
        files_template: str,
    ) -> None:
        self._streams = streams
        self._control = control
        self._tasks = tasks
        self._forms = forms
        self._linger_seconds = linger_seconds
        self._attempts = attempts
        self._files_template = files_template
        show = partial(present, media=media)
        self._native = Kind("upload-progress", lambda _: show)
        self._files = Kind(files.EVENT, lambda upload: partial(files.progress, upload))

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/api/uploads/{id}/events", self._events, allow_head=False)
        app.router.add_post("/api/files/upload", self._upload)
        app.router.add_get("/api/files/progress/{upload_id}", self._file, allow_head=False)
        app.router.add_get("/api/progress/{task_id}", self._task)
        app.router.add_delete("/api/progress/{task_id}", self._clean)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, request.match_info["id"], self._native)

    async def _upload(self, request: web.Request) -> web.Response:
        """A form of many files, which are safe and queued when this answers."""
        if request.content_type != "multipart/form-data":
            raise Malformed("Send multipart/form-data with one or more files.")
        return json_response(files.taken((await self._forms.receive_files(request, self._files_template)).entries))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        upload_id = request.match_info["upload_id"]
        check_recent(await self._control.look(request[VIEWER], upload_id), self._linger_seconds)
        return await self._streams.serve(request, upload_id, self._files)

    async def _task(self, request: web.Request) -> web.Response:
        upload = await self._tasks.get(request[VIEWER], request.match_info["task_id"])
        return json_response(tasks.progress(upload, attempts=self._attempts))

    async def _clean(self, request: web.Request) -> web.Response:
        await self._tasks.dismiss(request[VIEWER], request.match_info["task_id"])
        return json_response(tasks.cleaned())


def check_recent(upload: Upload, seconds: float) -> None:
    """`NotFound` for an upload that ended longer ago."""
    if upload.state.terminal and upload.updated_at + seconds < time.time():
        raise NotFound("There is no such upload any more.")
