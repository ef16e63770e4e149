"""The upload routes: list, look, cancel, retry, and where bytes follow a reservation."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from roomcast.assemblies.service import AssemblyService
from roomcast.auth import Authenticator
from roomcast.errors import Malformed
from roomcast.http.intake.forms import FormIntake
from roomcast.http.intake.presigned import PresignedIntake
from roomcast.http.intake.records import accepted
from roomcast.http.intake.reservations import Reservations
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.schema import ActionResult, UploadPage
from roomcast.ledger.contract import Ledger
from roomcast.media.contract import MediaStore
from roomcast.media.links import present
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message

LARGEST_PAGE = 200


class UploadRoutes:
    """`/api/uploads` and below."""

    def __init__(
        self,
        ledger: Ledger,
        media: MediaStore,
        control: UploadService,
        forms: FormIntake,
        reservations: Reservations,
        presigned: PresignedIntake | None,
        submissions: AssemblyService,
        authenticator: Authenticator,
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._control = control
        self._forms = forms
        self._reservations = reservations
        self._presigned = presigned
        self._submissions = submissions
        self._authenticator = authenticator

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/api/uploads", self._post)
        app.router.add_get("/api/uploads", self._list)
        app.router.add_get("/api/uploads/{id}", self._look)
        app.router.add_delete("/api/uploads/{id}", self._cancel)
        app.router.add_post("/api/uploads/{id}/retry", self._retry)
        app.router.add_put("/api/uploads/{id}/content", self._content)
        if self._presigned:
            app.router.add_post("/api/uploads/{id}/progress", partial(self._progress, self._presigned))
            app.router.add_post("/api/uploads/{id}/complete", partial(self._complete, self._presigned))

    async def _post(self, request: web.Request) -> web.Response:
        """Receive the files of a form (202), or reserve uploads (201; 200 if their results exist already)."""
        if request.content_type == "application/json":
            return await self._reservations.reserve(request)
        if request.content_type == "multipart/form-data":
            return (await self._forms.receive_form(request)).response()
        raise Malformed("Send multipart/form-data with a file, or a reservation as application/json.")

    async def _list(self, request: web.Request) -> web.Response:
        """Newest first: `{uploads, cursor}`, with `status`, `limit` and `cursor` in the query."""
        status, limit = status_in(request.query.get("status")), limit_in(request.query.get("limit"))
        if not self._authenticator.can_list:
            nothing: UploadPage = {"uploads": [], "cursor": None}
            return json_response(nothing)
        page = await self._ledger.page(
            request[VIEWER].user, status=status, cursor=request.query.get("cursor"), limit=limit
        )
        shown = [self._shown(upload) for upload in page.uploads if not upload.is_partial]
        told: UploadPage = {"uploads": shown, "cursor": page.cursor}
        return json_response(told)

    async def _look(self, request: web.Request) -> web.Response:
        return json_response(self._shown(await self._control.look(request[VIEWER], request.match_info["id"])))

    async def _cancel(self, request: web.Request) -> web.Response:
        upload = await self._control.cancel(request[VIEWER], request.match_info["id"])
        return self._controlled(upload)

    async def _retry(self, request: web.Request) -> web.Response:
        upload = await self._control.retry(request[VIEWER], request.match_info["id"])
        return self._controlled(upload)

    async def _content(self, request: web.Request) -> web.Response:
        upload = await self._control.look(request[VIEWER], request.match_info["id"])
        return await self._reservations.receive_content(request, upload)

    async def _progress(self, presigned: PresignedIntake, request: web.Request) -> web.Response:
        return await presigned.progress(await self._control.look(request[VIEWER], request.match_info["id"]))

    async def _complete(self, presigned: PresignedIntake, request: web.Request) -> web.Response:
        upload = await self._control.look(request[VIEWER], request.match_info["id"])
        queued = await presigned.complete(request, upload)
        return accepted([queued], await self._submissions.resolve_id(queued.submission))

    def _controlled(self, upload: Upload) -> web.Response:
        done: ActionResult = {"ok": True, "state": self._shown(upload)}
        return json_response(done)

    def _shown(self, upload: Upload) -> Message:
        return present(message(upload), self._media)


def status_in(value: str | None) -> Status | None:
    """A query's `status`."""
    try:
        return Status(value) if value else None
    except ValueError:
        known = ", ".join(Status)
        raise Malformed(f"The status must be one of {known}.") from None


def limit_in(value: str | None) -> int:
    """A query's `limit`, or what it is without one."""
    if value is None:
        return 50
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= LARGEST_PAGE):
        raise Malformed(f"The limit must be a number from 1 to {LARGEST_PAGE}.")
    return int(value)
