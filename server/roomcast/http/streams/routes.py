"""The routes for following an upload over HTTP: the native stream, the files dialect and the polling dialect."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from roomcast.assemblies.records import DismissedTask
from roomcast.assemblies.store import RecordStore
from roomcast.dialects import files, tasks
from roomcast.errors import Forbidden, InvalidMetadata, Malformed, NotFound
from roomcast.http.intake.forms import FormIntake
from roomcast.http.operations import (
    FORM,
    INTAKE_ERRORS,
    OWNERSHIP_ERRORS,
    Operation,
    Parameter,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.schema import FormInFolder
from roomcast.http.streams.streams import LAST_EVENT_ID, Streams, StreamType, stream_responses
from roomcast.http.uploads import TEMPLATE_PARAMETER
from roomcast.ledger.contract import Ledger
from roomcast.runtime.clocks import unix_time
from roomcast.services.uploads import UploadService
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

_PROGRESS_EVENT = "upload-progress"
_SWEEP_LIMIT = 100


class TaskView:
    """The tasks of the polling dialect: uploads, until a while after their end or until they are dismissed."""

    def __init__(
        self,
        uploads: UploadService,
        ledger: Ledger,
        dismissals: RecordStore[DismissedTask],
        *,
        retention_seconds: float,
    ) -> None:
        self._uploads = uploads
        self._ledger = ledger
        self._dismissals = dismissals
        self._retention_seconds = retention_seconds

    async def get(self, viewer: Viewer, task_id: str) -> Upload:
        """Return a task's upload. Raise `NotFound` if it was dismissed or ended too long ago."""
        try:
            upload = await self._uploads.get(viewer, task_id)
            require_recent(upload, self._retention_seconds)
        except NotFound:
            raise NotFound(tasks.not_found_message(task_id)) from None
        if await self._is_dismissed(upload):
            raise NotFound(tasks.not_found_message(task_id))
        return upload

    async def dismiss(self, viewer: Viewer, task_id: str) -> None:
        """Hide a task, whose upload continues. A task that does not exist is no error."""
        try:
            upload = await self._uploads.get(viewer, task_id)
        except NotFound:
            return
        await self._sweep()
        await self._dismissals.add(DismissedTask.new(upload, until=unix_time() + self._retention_seconds))

    async def _is_dismissed(self, upload: Upload) -> bool:
        try:
            await self._dismissals.get(DismissedTask.key_for(upload))
        except NotFound:
            return False
        return True

    async def _sweep(self) -> None:
        """Delete the dismissals of tasks that are no longer shown anyway."""
        for old in await self._dismissals.claim_due(limit=_SWEEP_LIMIT, seconds=self._retention_seconds):
            try:
                upload = await self._ledger.get(old.upload_id)
                require_recent(upload, self._retention_seconds)
            except NotFound:
                await self._dismissals.delete(old.id)
                continue
            if DismissedTask.key_for(upload) != old.id:
                await self._dismissals.delete(old.id)


class StreamRoutes(RouteGroup):
    """The native stream, `/api/files/…` and `/api/progress/…`."""

    def __init__(
        self,
        streams: Streams,
        uploads: UploadService,
        tasks: TaskView,
        forms: FormIntake,
        *,
        linger_seconds: float,
        attempts: int,
        files_template: str,
    ) -> None:
        """`linger_seconds` is how long after its end the files dialect still shows an upload, `attempts` how often a
        failed upload is tried, and `files_template` the template of forms of the files dialect that name none."""
        self._streams = streams
        self._uploads = uploads
        self._tasks = tasks
        self._forms = forms
        self._linger_seconds = linger_seconds
        self._attempts = attempts
        self._files_template = files_template
        self._native = StreamType(_PROGRESS_EVENT, lambda _: lambda message: message, application_events=True)
        self._files = StreamType(files.EVENT, lambda upload: partial(files.file_progress, upload))

    @Operation(
        "GET",
        "/api/uploads/{id}/events",
        Tag.UPLOADS,
        "Listen to an upload",
        stream_responses({_PROGRESS_EVENT: Message}),
        description="Server-sent events. Without `Last-Event-ID` the stream begins with the current state. Lines that "
        "begin with a colon keep the connection open.",
        parameters=(LAST_EVENT_ID,),
        errors=(*OWNERSHIP_ERRORS, Malformed),
    )
    async def _get_events(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.serve(request, request.match_info["id"], self._native)

    @Operation(
        "POST",
        "/api/files/upload",
        Tag.FILES,
        "Send files",
        (json_body(files.FilesResult, "The ids of the files that are stored and queued, and the refused files."),),
        description="Each file has an id or is among the `failed`, even if all of them failed.",
        parameters=(TEMPLATE_PARAMETER,),
        body={FORM: FormInFolder},
        errors=(*INTAKE_ERRORS, InvalidMetadata),
    )
    async def _upload_files(self, request: web.Request) -> web.Response:
        if request.content_type != FORM:
            raise Malformed("Send multipart/form-data with one or more files.")
        return json_response(
            files.files_result((await self._forms.receive_files(request, self._files_template)).entries)
        )

    @Operation(
        "GET",
        "/api/files/progress/{upload_id}",
        Tag.FILES,
        "Listen to a file",
        stream_responses({files.EVENT: files.FileProgress}),
        description="A while after its end the upload is no longer found.",
        parameters=(LAST_EVENT_ID,),
        errors=(*OWNERSHIP_ERRORS, Malformed),
    )
    async def _get_file_events(self, request: web.Request) -> web.StreamResponse:
        upload_id = request.match_info["upload_id"]
        require_recent(await self._uploads.get(request[VIEWER], upload_id), self._linger_seconds)
        return await self._streams.serve(request, upload_id, self._files)

    @Operation(
        "GET",
        "/api/progress/{task_id}",
        Tag.TASKS,
        "Get a task",
        (json_body(tasks.TaskProgress, "The progress of the task."),),
        errors=OWNERSHIP_ERRORS,
    )
    async def _get_task(self, request: web.Request) -> web.Response:
        upload = await self._tasks.get(request[VIEWER], request.match_info["task_id"])
        return json_response(tasks.task_progress(upload, attempts=self._attempts))

    @Operation(
        "DELETE",
        "/api/progress/{task_id}",
        Tag.TASKS,
        "Dismiss a task",
        (json_body(tasks.TaskCleaned, "The task is no longer shown here, or does not exist."),),
        description="The upload itself is neither cancelled nor deleted.",
        parameters=(
            Parameter("task_id", str, "The task's id. A task that does not exist is no error.", "path", required=True),
        ),
        errors=(Forbidden,),
    )
    async def _dismiss_task(self, request: web.Request) -> web.Response:
        await self._tasks.dismiss(request[VIEWER], request.match_info["task_id"])
        return json_response(tasks.task_cleaned())


def require_recent(upload: Upload, seconds: float) -> None:
    """Raise `NotFound` for an upload that ended more than `seconds` ago."""
    if upload.state.terminal and upload.updated_at + seconds < unix_time():
        raise NotFound("There is no such upload any more.")
