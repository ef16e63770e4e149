"""The ways in: a multipart form, a reservation, and the bytes that follow one."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Annotated, Any, Self

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from roomcast.assemblies.service import Assembly, AssemblyService
from roomcast.errors import IdTaken, Malformed, RoomcastError, TooMany, WrongState
from roomcast.http.intake.form import (
    FILE_FIELDS,
    SKIPPED,
    Form,
    FormFile,
    chunks_of,
    entries,
    not_a_file_field,
    sent_file,
    text_of,
)
from roomcast.http.intake.form_body import FormBody, Part
from roomcast.http.intake.pipeline import ANY_MEDIA, early
from roomcast.http.intake.presigned import DirectIntake, entry
from roomcast.http.intake.receiver import Choice, Receiver
from roomcast.http.responses import VIEWER, Links, json_response
from roomcast.http.schema import RefusedFile, UploadEntry, UploadResponse, UploadUrls
from roomcast.media.contract import MediaStore
from roomcast.media.links import empty_element, with_urls
from roomcast.uploads.filenames import clean_filename
from roomcast.uploads.ids import CLIENT_CHOSEN
from roomcast.uploads.model import Upload, message, new_upload_id, results_folder
from roomcast.uploads.templates import Template, Templates
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

_FORM_OVERHEAD_BYTES = 1 << 20


ChosenId = Annotated[str, StringConstraints(pattern=f"^{CLIENT_CHOSEN}$")]
"""An upload's id that its client chose. It has no example: an id that many copy is taken by the first."""


class ReservedFile(BaseModel):
    """A file to come."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    filename: Annotated[str, StringConstraints(min_length=1, max_length=10_000), Field(examples=["holiday.mov"])]
    size: Annotated[int | None, Field(ge=0, examples=[1048576])] = None
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    uploadId: ChosenId | None = None
    """The id that the upload is to have, a new version-4 UUID in lower case; left out, the server makes one."""


class Reservation(BaseModel):
    """The body of `POST /api/uploads` as JSON."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    type: Annotated[str | None, Field(examples=["auto"])] = None
    direct: bool = False
    uploadId: ChosenId | None = None
    """The same of the first file."""
    files: Annotated[list[ReservedFile], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        first = self.files[0].uploadId
        if self.uploadId and first and self.uploadId != first:
            raise ValueError("uploadId is the first file's, which has another one")
        chosen = [chosen for chosen in self.chosen_ids if chosen]
        if len(set(chosen)) < len(chosen):
            raise ValueError("no two files can have the same uploadId")
        return self

    @property
    def chosen_ids(self) -> list[str | None]:
        """Each file's id as the client chose it, None where it did not."""
        ids = [file.uploadId for file in self.files]
        return [ids[0] or self.uploadId, *ids[1:]]


class Intake:
    """The handlers of `POST /api/uploads` and `PUT /api/uploads/{id}/content`."""

    def __init__(
        self,
        submissions: AssemblyService,
        media: MediaStore,
        templates: Templates,
        receiver: Receiver,
        direct: DirectIntake | None,
        links: Links,
        *,
        max_files: int,
        max_in_flight: int,
    ) -> None:
        self._submissions = submissions
        self._media = media
        self._templates = templates
        self._receiver = receiver
        self._direct = direct
        self._links = links
        self._max_files = max_files
        self._max_in_flight = max_in_flight

    async def post(self, request: web.Request) -> web.Response:
        """202 when the files are safe and queued, 201 for a reservation, 200 for one of files that are known."""
        if request.content_type == "application/json":
            return await self._reserve(request)
        if request.content_type == "multipart/form-data":
            return (await self.take_form(request)).answer()
        raise Malformed("Send multipart/form-data with a file, or a reservation as application/json.")

    async def put_content(self, request: web.Request, upload: Upload) -> web.Response:
        """The bytes of a reserved upload."""
        if upload.resumable:
            raise WrongState("This upload is sent in pieces; go on at its tusUrl.")
        template = self._templates.get(upload.template)
        length = request.content_length
        if length is not None:
            self._receiver.check_length(length, template)
            if upload.bytes_expected not in (None, length):
                raise Malformed(f"The file was declared to have {upload.bytes_expected} bytes, not {length}.")
        await self._receiver.check_room(length or upload.bytes_expected or 0)
        total = upload.bytes_expected or length
        chunks = request.content.iter_any()
        queued = await self._receiver.receive(
            upload, chunks, _known(Choice(template)), early=early(template), total=total
        )
        return accepted([queued], await self._submissions.resolve_id(queued.submission))

    async def _reserve(self, request: web.Request) -> web.Response:
        try:
            reservation = Reservation.model_validate_json(await request.read())
        except ValidationError as error:
            raise Malformed("The reservation is not of the right form.", details=_where(error)) from error
        template = self._templates.get(reservation.type)
        if len(reservation.files) > self._max_files:
            raise TooMany(f"No more than {self._max_files} files in one request.")
        for file in reservation.files:
            self._receiver.check_length(file.size or 0, template)
        await self._receiver.check_room(sum(file.size or 0 for file in reservation.files))
        uploads = [
            new_upload(request[VIEWER], template, file.filename, file.size, file.md5, chosen_id=chosen)
            for file, chosen in zip(reservation.files, reservation.chosen_ids, strict=True)
        ]
        chosen = [upload for upload, own in zip(uploads, reservation.chosen_ids, strict=True) if own]
        if chosen:
            await self._check_free(chosen)
        elif known := await self._submissions.find_completed(uploads):
            return json_response(_known_body(known, self._media))
        if reservation.direct:
            return await self._reserve_direct(uploads)
        submission = await self._submissions.create(uploads, in_flight=self._max_in_flight)
        entries = [self._reserved(upload) for upload in uploads]
        return json_response({**_body("Reserved", uploads, submission.assembly_id), "uploads": entries}, status=201)

    def _reserved(self, upload: Upload) -> UploadEntry:
        """Where the bytes of a reservation go: all at once, or in pieces."""
        ways: UploadUrls = {"contentUrl": self._links.content(upload.id), "tusUrl": self._links.tus(upload.id)}
        return {**sent_file(upload), **ways}

    async def _check_free(self, uploads: Sequence[Upload]) -> None:
        """Raise `IdTaken` for an id under which results are stored still: its new owner would get links to them.

        Whether the ledger knows an id, only `Ledger.create` can tell for certain.
        """
        for upload in uploads:
            if await self._media.has_results(results_folder(upload)):
                raise IdTaken

    async def _reserve_direct(self, uploads: Sequence[Upload]) -> web.Response:
        if self._direct is None:
            raise Malformed("This server has no bucket that files could be sent to directly.")
        begun = await self._direct.begin(uploads)
        try:
            reserved = [upload for upload, _ in begun]
            submission = await self._submissions.create(reserved, in_flight=self._max_in_flight)
        except BaseException:
            await self._direct.abort(begun)
            raise
        entries = [entry(upload, parts, self._links) for upload, parts in begun]
        return json_response({**_body("Reserved", uploads, submission.assembly_id), "uploads": entries}, status=201)

    async def take_form(self, request: web.Request) -> FormResult:
        """Take in a form's files; they are safe and queued then. Raises the first one's error when none was taken."""
        form = Form(request[VIEWER], self._templates, default=None, has_folder=False)
        if named := request.query.get("type"):
            form.name_template(named)
        return await self._take_in(request, form, self._read_form)

    async def take_any(self, request: web.Request, default: str) -> FormResult:
        """Take in a form's files like `take_form`, but refuse each that cannot be taken by its name and read on.

        The form may name the folder of its files, in `path`. `default` is the template if it names none.
        """
        form = Form(request[VIEWER], self._templates, default=default, has_folder=True)
        try:
            if named := request.query.get("type"):
                form.name_template(named)
        except RoomcastError as error:
            form.spoil(error)
        return await self._take_in(request, form, self._read_form_by_file)

    async def _take_in(
        self, request: web.Request, form: Form, read: Callable[[FormBody, Form, int | None], Awaitable[None]]
    ) -> FormResult:
        length, most = request.content_length, self._receiver.largest(ANY_MEDIA) * self._max_files
        body = FormBody(request, most=most + _FORM_OVERHEAD_BYTES)
        await self._receiver.check_room(length or 0)
        try:
            await read(body, form, length)
            form.end()
        except BaseException as error:
            form.give_up(error if isinstance(error, RoomcastError) else Malformed("The request was given up."))
            outcomes = await form.settled()
            if isinstance(error, RoomcastError) and outcomes:
                error.details = {**(error.details or {}), "uploads": entries(outcomes)}
            raise
        outcomes = await form.settled()
        assembly_id = await self._submissions.seal(form.submission)
        return _taken(outcomes, assembly_id)

    async def _read_form(self, body: FormBody, form: Form, total: int | None) -> None:
        async for part in body:
            if part.nested:
                raise Malformed("A form within a form is not taken.")
            if part.name == "type" and part.filename is None:
                form.name_template(await text_of(part))
            elif part.name in FILE_FIELDS:
                if failure := await self._receive(part, form, total):
                    if failure.code not in SKIPPED:
                        raise failure
                    await part.release()
            elif part.filename is not None:
                raise not_a_file_field()

    async def _read_form_by_file(self, body: FormBody, form: Form, total: int | None) -> None:
        async for part in body:
            if part.filename is None and part.name in ("type", "path"):
                try:
                    text = await text_of(part)
                    form.name_template(text) if part.name == "type" else form.name_folder(text)
                except RoomcastError as error:
                    form.spoil(error)
            elif part.filename is not None or part.name in FILE_FIELDS:
                try:
                    form.check()
                    if part.nested or part.name not in FILE_FIELDS:
                        raise not_a_file_field()
                    failure = await self._receive(part, form, total)
                except RoomcastError as error:
                    form.refuse(part, error)
                    failure = error
                if failure:
                    async for _ in self._receiver.timed(chunks_of(part)):
                        pass

    async def _receive(self, part: Part, form: Form, total: int | None) -> RoomcastError | None:
        """Take in one file, and return when the next part can be read; its failure, if it has failed by then."""
        if form.count >= self._max_files:
            raise TooMany(f"No more than {self._max_files} files in one request.")
        upload = new_upload(form.viewer, form.template_so_far(), part.filename, None, None)
        form.submission = await self._submissions.add_file(
            upload, part.name or "", form.submission, in_flight=self._max_in_flight
        )
        return await form.receive(self._receiver, upload, part, total)


@dataclass(frozen=True)
class FormResult:
    """A form of which at least one file was `queued`. `entries`: what became of each, in the form's order; one that was
    not taken has an `error`."""

    queued: list[Upload]
    entries: list[UploadEntry | RefusedFile]
    assembly_id: str | None

    def answer(self) -> web.Response:
        """202 with an entry for each file."""
        return json_response({**_body("Accepted", self.queued, self.assembly_id), "uploads": self.entries}, status=202)


def _known(choice: Choice) -> asyncio.Future[Choice]:
    future: asyncio.Future[Choice] = asyncio.get_running_loop().create_future()
    future.set_result(choice)
    return future


def new_upload(
    viewer: Viewer,
    template: Template,
    filename: str | None,
    size: int | None,
    md5: str | None,
    *,
    chosen_id: str | None = None,
) -> Upload:
    """The record of a file to come. `chosen_id`: the id that its client chose."""
    now = time.time()
    return Upload(
        id=chosen_id or new_upload_id(),
        owner=viewer.user,
        template=template.name,
        filename=clean_filename(filename),
        epoch=token_hex(4),
        created_at=now,
        updated_at=now,
        bytes_expected=size,
        priority=template.priority,
        declared_md5=md5.lower() if md5 else None,
    )


def accepted(uploads: Sequence[Upload], assembly_id: str | None) -> web.Response:
    """202: the files are safe and queued."""
    return json_response(_body("Accepted", uploads, assembly_id), status=202)


def _taken(outcomes: Sequence[FormFile], assembly_id: str | None) -> FormResult:
    queued = [outcome.end for outcome in outcomes if isinstance(outcome.end, Upload)]
    failures = [outcome.end for outcome in outcomes if isinstance(outcome.end, BaseException)]
    for failure in failures:
        if not isinstance(failure, RoomcastError):
            raise failure
    shown = entries(outcomes)
    if not queued:
        first = next(failure for failure in failures if isinstance(failure, RoomcastError))
        first.details = {**(first.details or {}), "uploads": shown}
        raise first
    return FormResult(queued, shown, assembly_id)


def _known_body(assembly: Assembly, media: MediaStore) -> UploadResponse:
    """The answer to a reservation of files that were sent and processed before: their results, and nothing to send."""
    state = with_urls(message(assembly.uploads[0]), media)
    body = _body("Known already", assembly.uploads, assembly.submission.assembly_id)
    return {**body, "state": state, "element": state["element"]}


def _body(text: str, uploads: Sequence[Upload], assembly_id: str | None) -> UploadResponse:
    first = uploads[0]
    return {
        "message": text,
        "element": empty_element(first),
        "uploadId": first.id,
        "task_id": first.id,
        "assemblyId": assembly_id,
        "state": message(first),
        "uploads": [sent_file(upload) for upload in uploads],
    }


def _where(error: ValidationError) -> dict[str, Any]:
    return {"fields": [{"at": ".".join(map(str, found["loc"])), "why": found["msg"]} for found in error.errors()]}
