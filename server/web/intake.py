"""The ways in: a multipart form, a reservation, and the bytes that follow one."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Annotated, Any, Self

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from server.access import Viewer
from server.present import fresh_element, present
from server.submissions import Assembly, Submissions
from server.upload.errors import Code, IdTaken, Malformed, RoomcastError, TooLarge, TooMany, WrongState
from server.upload.events import Upload, message, new_upload_id
from server.upload.ids import CLIENT_CHOSEN
from server.upload.lifecycle import Stage
from server.upload.media import MediaStore
from server.upload.names import clean_filename
from server.upload.templates import Template, Templates
from server.web.answers import VIEWER, json_answer
from server.web.arrival import Chunks
from server.web.body import body
from server.web.direct import DirectIntake, entry
from server.web.form_body import FormBody, Part
from server.web.receiving import Receiver
from server.web.shapes import SentFile, Submitted, WaysIn
from server.web.tus_protocol import url as tus_url

log = structlog.get_logger(__name__)

FILE_FIELDS = frozenset({"media_file", "file", "files"})
_FORM_OVERHEAD_BYTES = 1 << 20
_LARGEST_TEXT_BYTES = 8 * 1024


ChosenId = Annotated[
    str, StringConstraints(pattern=f"^{CLIENT_CHOSEN}$"), Field(examples=["5f0c9a4e-1b7d-4382-8e6a-90b1c2d3e4f5"])
]
"""An upload's id that its client chose: a version-4 UUID, in lower case."""


class ReservedFile(BaseModel):
    """A file to come."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    filename: Annotated[str, StringConstraints(min_length=1, max_length=10_000), Field(examples=["holiday.mov"])]
    size: Annotated[int | None, Field(ge=0, examples=[1048576])] = None
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    uploadId: ChosenId | None = None
    """The id that the upload is to have; the server makes one if it is left out."""


class Reservation(BaseModel):
    """The body of `POST /api/uploads` as JSON."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    type: Annotated[str | None, Field(examples=["auto"])] = None
    direct: bool = False
    uploadId: ChosenId | None = None
    """The id that the first file's upload is to have."""
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
        submissions: Submissions,
        media: MediaStore,
        templates: Templates,
        receiver: Receiver,
        direct: DirectIntake | None,
        *,
        max_files: int,
        max_in_flight: int,
    ) -> None:
        self._submissions = submissions
        self._media = media
        self._templates = templates
        self._receiver = receiver
        self._direct = direct
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
        template = self._templates.named(upload.template)
        length = request.content_length
        if length is not None:
            self._receiver.check_length(length, template)
            if upload.bytes_expected not in (None, length):
                raise Malformed(f"The file was declared to have {upload.bytes_expected} bytes, not {length}.")
        await self._receiver.check_room(length or upload.bytes_expected or 0)
        total = upload.bytes_expected or length
        async with body(request) as chunks:
            queued = await self._receiver.receive(upload, chunks, _known(template), total=total)
        return accepted([queued], await self._submissions.bind(queued.submission))

    async def _reserve(self, request: web.Request) -> web.Response:
        try:
            reservation = Reservation.model_validate_json(await request.read())
        except ValidationError as error:
            raise Malformed("The reservation is not of the right form.", details=_where(error)) from error
        template = self._templates.named(reservation.type)
        if len(reservation.files) > self._max_files:
            raise TooMany(f"No more than {self._max_files} files in one request.")
        for file in reservation.files:
            self._receiver.check_length(file.size or 0, template)
        await self._receiver.check_room(sum(file.size or 0 for file in reservation.files))
        uploads = [
            new_upload(request[VIEWER], template, file.filename, file.size, file.md5, chosen_id=chosen)
            for file, chosen in zip(reservation.files, reservation.chosen_ids, strict=True)
        ]
        if any(reservation.chosen_ids):
            await self._check_free(reservation.chosen_ids)
        elif known := await self._submissions.known(uploads):
            return json_answer(_known_body(known, self._media))
        if reservation.direct:
            return await self._reserve_direct(uploads)
        submission = await self._submissions.create(uploads, in_flight=self._max_in_flight)
        return json_answer(_body("Reserved", uploads, submission.assembly_id), status=201)

    async def _check_free(self, chosen_ids: Sequence[str | None]) -> None:
        """`IdTaken` for an id under which results are stored still: whoever has it now would have links to them.

        Whether the ledger knows an id, only `Ledger.create` can tell for certain.
        """
        for chosen_id in chosen_ids:
            if chosen_id and await self._media.has_results(chosen_id):
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
        entries = [entry(upload, parts) for upload, parts in begun]
        return json_answer({**_body("Reserved", uploads, submission.assembly_id), "uploads": entries}, status=201)

    async def take_form(self, request: web.Request) -> Taken:
        """Take in a form's files; they are safe and queued then. Raises the first one's error when none was taken."""
        length = request.content_length
        if length is not None and length > self._receiver.largest(_ANY) * self._max_files + _FORM_OVERHEAD_BYTES:
            raise TooLarge("The request is larger than all the files it may hold.")
        await self._receiver.check_room(length or 0)
        form = _Form(request[VIEWER], self._templates, request.query.get("type"))
        try:
            await self._read_form(request, form)
        except BaseException as error:
            form.give_up(error if isinstance(error, RoomcastError) else Malformed("The request was given up."))
            outcomes = await form.settled()
            if isinstance(error, RoomcastError) and form.uploads:
                error.details = {**(error.details or {}), "uploads": _entries(form.uploads, outcomes)}
            raise
        outcomes = await form.settled()
        assembly_id = await self._submissions.close_form(form.submission)
        return _taken(form.uploads, outcomes, assembly_id)

    async def _read_form(self, request: web.Request, form: _Form) -> None:
        total = request.content_length
        async for part in FormBody(request):
            if part.nested:
                raise Malformed("A form within a form is not taken.")
            if part.name == "type" and part.filename is None:
                form.name_template(await _text(part))
            elif part.name in FILE_FIELDS:
                if len(form.uploads) >= self._max_files:
                    raise TooMany(f"No more than {self._max_files} files in one request.")
                upload = new_upload(form.viewer, form.template_so_far(), part.filename, None, None)
                form.submission = await self._submissions.create_in_form(
                    upload, part.name, form.submission, in_flight=self._max_in_flight
                )
                await form.receive(self._receiver, upload, part, total)
            elif part.filename is not None:
                fields = ", ".join(sorted(FILE_FIELDS))
                raise Malformed(f"A file is expected in one of the fields {fields}.")
        if not form.uploads:
            raise Malformed("The form holds no file.")
        form.end()


@dataclass(frozen=True)
class Taken:
    """A form of which at least one file was `queued`. `entries`: what became of each, in the form's order; one that was
    not taken has an `error`."""

    queued: list[Upload]
    entries: list[SentFile]
    assembly_id: str | None

    def answer(self) -> web.Response:
        """202 with an entry for each file."""
        return json_answer({**_body("Accepted", self.queued, self.assembly_id), "uploads": self.entries}, status=202)


class _Form:
    """One multipart request: its files, and the template, which may be named before or after them."""

    def __init__(self, viewer: Viewer, templates: Templates, named: str | None) -> None:
        self.viewer = viewer
        self.uploads: list[Upload] = []
        self.submission: str | None = None
        self._templates = templates
        self._template: asyncio.Future[Template] = asyncio.get_running_loop().create_future()
        self._arrivals: list[asyncio.Task[Upload]] = []
        if named is not None:
            self.name_template(named)

    def template_so_far(self) -> Template:
        return self._template.result() if self._template.done() else self._templates.named(None)

    def name_template(self, name: str) -> None:
        template = self._templates.named(name)
        if not self._template.done():
            self._template.set_result(template)

    def end(self) -> None:
        if not self._template.done():
            self._template.set_result(self._templates.named(None))

    def give_up(self, error: RoomcastError) -> None:
        """What has arrived but is not queued yet will not be."""
        if not self._template.done():
            self._template.set_exception(error)
            self._template.exception()  # it may be that nobody waits for it

    async def receive(self, receiver: Receiver, upload: Upload, part: Part, total: int | None) -> None:
        """Take in one file; returns when the next part can be read."""
        self.uploads.append(upload)
        read = asyncio.Event()
        arrival = asyncio.create_task(receiver.receive(upload, _chunks(part, read), self._template, total=total))
        self._arrivals.append(arrival)
        reading = asyncio.create_task(read.wait())
        try:
            await asyncio.wait({arrival, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
        if arrival.done() and isinstance(failure := arrival.exception(), RoomcastError):
            if failure.code not in _SKIPPED:
                raise failure
            await part.release()

    async def settled(self) -> list[Upload | BaseException]:
        """How each file ended, in the order of the form."""
        return list(await asyncio.gather(*self._arrivals, return_exceptions=True))


_ANY = Template(name="any", kind="auto")
_SKIPPED = frozenset({Code.UNSUPPORTED_TYPE, Code.UNREADABLE_MEDIA, Code.CANCELLED})
"""Refusals of one file after which the rest of the form is still of interest."""


async def _chunks(part: Part, read: asyncio.Event) -> Chunks:
    while chunk := await part.read():
        yield chunk
    read.set()


async def _text(part: Part) -> str:
    value = bytearray()
    while chunk := await part.read():
        value += chunk
        if len(value) > _LARGEST_TEXT_BYTES:
            raise Malformed("A field of the form is too long.")
    return value.decode("utf-8", "replace").strip()


def _known(template: Template) -> asyncio.Future[Template]:
    future: asyncio.Future[Template] = asyncio.get_running_loop().create_future()
    future.set_result(template)
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
    return json_answer(_body("Accepted", uploads, assembly_id), status=202)


def _taken(uploads: Sequence[Upload], outcomes: Sequence[Upload | BaseException], assembly_id: str | None) -> Taken:
    queued = [outcome for outcome in outcomes if isinstance(outcome, Upload)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for failure in failures:
        if not isinstance(failure, RoomcastError):
            raise failure
    entries = _entries(uploads, outcomes)
    if not queued:
        first = next(failure for failure in failures if isinstance(failure, RoomcastError))
        first.details = {**(first.details or {}), "uploads": entries}
        raise first
    return Taken(queued, entries, assembly_id)


def _entries(uploads: Sequence[Upload], outcomes: Sequence[Upload | BaseException]) -> list[SentFile]:
    """What became of each file."""
    return [
        {**_sent(upload), "error": outcome.as_json()} if isinstance(outcome, RoomcastError) else _sent(upload)
        for upload, outcome in zip(uploads, outcomes, strict=False)
    ]


def _sent(upload: Upload) -> SentFile:
    return {"uploadId": upload.id, "filename": upload.filename}


def _known_body(assembly: Assembly, media: MediaStore) -> Submitted:
    """The answer to a reservation of files that were sent and processed before: their results, and nothing to send."""
    state = present(message(assembly.uploads[0]), media)
    body = _body("Known already", assembly.uploads, assembly.submission.assembly_id)
    return {**body, "state": state, "element": state["element"]}


def _body(text: str, uploads: Sequence[Upload], assembly_id: str | None) -> Submitted:
    first = uploads[0]
    return {
        "message": text,
        "element": fresh_element(first),
        "uploadId": first.id,
        "assemblyId": assembly_id,
        "state": message(first),
        "uploads": [{**_sent(upload), **_ways_in(upload)} for upload in uploads],
    }


def _where(error: ValidationError) -> dict[str, Any]:
    return {"fields": [{"at": ".".join(map(str, found["loc"])), "why": found["msg"]} for found in error.errors()]}


def _ways_in(upload: Upload) -> WaysIn:
    """Where the bytes of a reservation go: all at once, or in pieces."""
    if upload.stage is not Stage.RECEIVING:
        return {}
    return {"contentUrl": f"/api/uploads/{upload.id}/content", "tusUrl": tus_url(upload.id)}
