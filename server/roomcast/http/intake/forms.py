"""Receive the files of multipart forms.

Each file is stored while it arrives, under the limits that are known by then. It is queued once the form's fields have
decided its template and folder: a field may come after the files.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from roomcast.assemblies.service import AssemblyService
from roomcast.errors import Code, InvalidMetadata, Malformed, RoomcastError, TooMany
from roomcast.http.intake.multipart import MAX_FIELDS, MAX_OVERHEAD_BYTES, FormBody, FormPart
from roomcast.http.intake.pipeline import refuse_content_range
from roomcast.http.intake.receiver import LeasedIntake, Receiver
from roomcast.http.intake.records import NewUploads, upload_entry, upload_response
from roomcast.http.responses import VIEWER, json_response
from roomcast.http.schema import RefusedFile, UploadEntry
from roomcast.media.result_keys import clean_folder
from roomcast.uploads.filenames import clean_filename
from roomcast.uploads.metadata import parse_metadata
from roomcast.uploads.model import Upload
from roomcast.uploads.templates import Template, Templates
from roomcast.uploads.viewer import Viewer

FILE_FIELDS = frozenset({"media_file", "file", "files"})
"""The names of the fields that files come in. A name may end with brackets: `files[]`, `file[0]`."""

_FILE_FIELD = re.compile(rf"({'|'.join(sorted(FILE_FIELDS))})(\[[0-9]*\])?")

_CHUNK_COUNTS = frozenset({"dztotalchunkcount", "resumableTotalChunks", "flowTotalChunks", "qqtotalparts", "chunks"})
"""The fields in which the clients Dropzone, Resumable.js, Flow.js, Fine Uploader and Plupload say in how many forms
they send one file."""

_MAX_METADATA_BYTES = 8 * 1024

_SKIPPED_CODES = frozenset({Code.UNSUPPORTED_TYPE, Code.UNREADABLE_MEDIA, Code.CANCELLED})
"""Errors of one file after which a strict form's other files are still received."""

_ANY_MEDIA = Template(name="any", kind="auto")
_ANY_FILE = Template(name="any", kind="file", max_bytes=1 << 62)
"""They accept what any of the templates accepts, for files whose own template is not known yet."""


@dataclass
class FormFile:
    """One file of a form. `upload` is None for a file that was refused before an upload was created for it.

    `outcome` is the queued upload or the error, and None while the file is being received.
    """

    filename: str
    upload: Upload | None = None
    outcome: Upload | RoomcastError | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the file needs no more bytes of the form, because it is stored or has failed."""

    def entry(self) -> UploadEntry | RefusedFile:
        """Return the file's entry in the response."""
        entry: UploadEntry | RefusedFile = upload_entry(self.upload) if self.upload else {"filename": self.filename}
        if isinstance(self.outcome, RoomcastError):
            entry["error"] = self.outcome.to_json()
        return entry


class Form:
    """The state of one form: its files, and the template and folder that its fields have named so far.

    A strict form ends with its first error, but for those that concern one file only. A lenient form notes which files
    are refused and why, and may name a folder in the field `path`; its files are queued when all of it is read, those
    of a strict form when the next file begins, if the template is known by then. `default` is the
    template of a form that names none. With `fields_first`, fields that come after a file cannot change what the
    application has checked.
    """

    def __init__(
        self,
        viewer: Viewer,
        templates: Templates,
        *,
        lenient: bool = False,
        default: str | None = None,
        fields_first: bool = False,
    ) -> None:
        self.viewer = viewer
        self.lenient = lenient
        self.files: list[FormFile] = []
        self.submission: str | None = None
        self.metadata: dict[str, Any] = {}
        self._templates = templates
        self._default = default
        self._fields_first = fields_first
        self._template: Template | None = None
        self._folder: str | None = None
        self._error: RoomcastError | None = None
        self._decided = asyncio.Event()

    @property
    def template(self) -> Template:
        """The template that the form has named so far, or the default."""
        return self._template or self._templates.get(self._default)

    @property
    def widest_template(self) -> Template:
        """A template that accepts all that the form's files may be: the named one, or what any template accepts."""
        if self._template:
            return self._template
        return _ANY_FILE if self._templates.accept_any_file else _ANY_MEDIA

    @property
    def upload_count(self) -> int:
        """The number of files for which there is an upload."""
        return sum(1 for file in self.files if file.upload)

    def is_field(self, part: FormPart) -> bool:
        """Return whether a part is one of the fields that say what is to be done with the files."""
        known = part.name in ("type", "metadata", *_CHUNK_COUNTS) or (part.name == "path" and self.lenient)
        return part.filename is None and known

    def set_field(self, name: str | None, text: str) -> None:
        """Set the template, of which the first name counts, or the folder or the metadata, of which the last one
        counts. Raise `Malformed` for a form that has only a chunk of its file."""
        if name in _CHUNK_COUNTS:
            if text != "1":
                raise Malformed("The form has a chunk of a file. Send the whole file, or send it in chunks by tus.")
            return
        if name == "path":
            self._folder = clean_folder(text)
            return
        if self._fields_first and self.files:
            raise Malformed(f"The field {name} must come before the files of the form.")
        if name == "metadata":
            if self._decided.is_set():
                raise InvalidMetadata("The field metadata must come before the second file of the form.")
            self.metadata = parse_metadata(text)
            return
        template = self._templates.get(text)
        self._template = self._template or template

    async def decision(self) -> tuple[Template, str | None]:
        """Wait until the template and the folder are known, and return them. Raises what the form is refused for."""
        await self._decided.wait()
        if self._error:
            raise self._error
        return self.template, self._folder

    def begin_file(self) -> None:
        """Decide about the files before the one that begins, if the form is strict and their template is known."""
        if self.files and self._template and not self.lenient:
            self._decided.set()

    def close(self) -> None:
        """Decide with what is known: no more fields come."""
        self._decided.set()

    def check(self, part: FormPart) -> None:
        """Raise the reason for which a file is refused before it is read."""
        if self._error:
            raise self._error
        if part.nested:
            raise Malformed("A form inside a form is not supported.")
        if not _is_file_field(part):
            raise Malformed(f"A file must be in one of the fields {', '.join(sorted(FILE_FIELDS))}.")

    def refuse_all(self, error: RoomcastError) -> None:
        """Refuse the files that are not queued yet and those that still come; the first error counts."""
        self._error = self._error or error

    def refuse(self, filename: str | None, error: RoomcastError) -> None:
        """Note a file that is refused."""
        self.files.append(FormFile(clean_filename(filename), outcome=error))

    @contextmanager
    def tolerance(self, refuse: Callable[[RoomcastError], None]) -> Iterator[None]:
        """Pass errors to `refuse` if the form is lenient; raise them if it is strict."""
        try:
            yield
        except RoomcastError as error:
            if not self.lenient:
                raise
            refuse(error)


@dataclass(frozen=True)
class FormResult:
    """The outcome of a form of which at least one file was queued. `entries` has one for each file, in their order."""

    queued: list[Upload]
    entries: list[UploadEntry | RefusedFile]
    assembly_id: str | None

    def response(self) -> web.Response:
        """Return the 202 response with an entry for each file."""
        body = upload_response("Accepted", self.queued, self.assembly_id)
        return json_response({**body, "uploads": self.entries}, status=202)


class FormIntake:
    """Receives forms."""

    def __init__(
        self, assemblies: AssemblyService, templates: Templates, new_uploads: NewUploads, receiver: Receiver
    ) -> None:
        self._new_uploads = new_uploads
        self._assemblies = assemblies
        self._templates = templates
        self._receiver = receiver

    async def receive_form(self, request: web.Request) -> FormResult:
        """Receive a strict form; its files are stored and queued then. Raises the first error if none was queued."""
        return await self._receive(request, self._form(request))

    async def receive_files(self, request: web.Request, default: str) -> FormResult:
        """Receive a lenient form, whose template is `default` if it names none. Raises as `receive_form` does."""
        return await self._receive(request, self._form(request, lenient=True, default=default))

    def _form(self, request: web.Request, *, lenient: bool = False, default: str | None = None) -> Form:
        return Form(
            request[VIEWER],
            self._templates,
            lenient=lenient,
            default=default,
            fields_first=self._new_uploads.checked,
        )

    async def _receive(self, request: web.Request, form: Form) -> FormResult:
        refuse_content_range(request.headers)
        settings = self._receiver.settings
        max_bytes = settings.max_upload_bytes * settings.max_files + MAX_OVERHEAD_BYTES
        body = FormBody(
            self._receiver.body(request.content.iter_any(), form.viewer),
            request.headers["Content-Type"],
            length=request.content_length,
            max_bytes=max_bytes,
            max_parts=settings.max_files + MAX_FIELDS,
        )
        await self._receiver.check_space(request.content_length or 0)
        error: RoomcastError | None = None
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._read(request, body, form, tasks)
            except RoomcastError as failure:
                error = failure
                form.refuse_all(failure)
            form.close()
        assembly_id = None if error else await self._assemblies.seal(form.submission)
        entries = [file.entry() for file in form.files]
        queued = [file.outcome for file in form.files if isinstance(file.outcome, Upload)]
        if error is None and not queued:
            error = next(file.outcome for file in form.files if isinstance(file.outcome, RoomcastError))
        if error:
            if entries:
                error.details = {**(error.details or {}), "uploads": entries}
            raise error
        return FormResult(queued, entries, assembly_id)

    async def _read(self, request: web.Request, body: FormBody, form: Form, tasks: asyncio.TaskGroup) -> None:
        """Read the form to its end. The files that are not queued yet are then waiting for `Form.close`."""
        for name in ("type", *_CHUNK_COUNTS):
            if value := request.query.get(name):
                with form.tolerance(form.refuse_all):
                    form.set_field(name, value)
        async for part in body:
            if form.is_field(part):
                with form.tolerance(form.refuse_all):
                    form.set_field(part.name, await part.text())
            elif await _is_file(part):
                with form.tolerance(partial(form.refuse, part.filename)):
                    form.check(part)
                    await self._read_file(part, form, tasks, total=request.content_length)
        if not form.files:
            raise Malformed("The form contains no file.")

    async def _read_file(self, part: FormPart, form: Form, tasks: asyncio.TaskGroup, *, total: int | None) -> None:
        """Create an upload for a file and receive it; return when the form's next part can be read."""
        settings = self._receiver.settings
        if form.upload_count >= settings.max_files:
            raise TooMany(f"One request may contain at most {settings.max_files} files.")
        form.begin_file()
        upload = await self._new_uploads.make(form.viewer, form.template, part.filename, "form", metadata=form.metadata)
        if first := next((file.upload for file in form.files if file.upload), None):
            self._new_uploads.check_same_template(first, upload)
        quota = self._receiver.quota
        async with quota.admit(form.viewer.client, [upload]):
            form.submission = await self._assemblies.add_file(
                upload, part.name or "", form.submission, in_flight=quota.in_flight
            )
        file = FormFile(upload.filename, upload)
        form.files.append(file)
        tasks.create_task(self._receive_file(upload, file, part, form, total))
        await file.arrived.wait()
        if isinstance(file.outcome, RoomcastError) and not form.lenient and file.outcome.code not in _SKIPPED_CODES:
            raise file.outcome

    async def _receive_file(
        self, upload: Upload, file: FormFile, part: FormPart, form: Form, total: int | None
    ) -> None:
        """Store a file, wait until the form has decided, and queue it. Sets the file's outcome."""
        metadata = form.metadata

        async def work(intake: LeasedIntake) -> Upload:
            async with intake.stored(part.chunks(), form.widest_template, total=total) as stored:
                file.arrived.set()
                template, folder = await form.decision()
                if self._new_uploads.checked:
                    template = self._templates.get(upload.template)
                later = None if form.metadata is metadata else form.metadata
                return await stored.enqueue(template, folder=folder, metadata=later)

        try:
            file.outcome = await self._receiver.run_leased(upload, work)
        except RoomcastError as error:
            file.outcome = error
        finally:
            file.arrived.set()


def _is_file_field(part: FormPart) -> bool:
    return part.name is not None and _FILE_FIELD.fullmatch(part.name) is not None


async def _is_file(part: FormPart) -> bool:
    """Return whether a part is a file: it has a file name, or is in a field for files.

    A browser sends a file input in which nothing was chosen as an empty file without a name. FilePond sends, before
    each file and in the same field, a JSON object with the metadata that a page has set.
    """
    if part.filename == "":
        return bool(await part.peek(0))
    if part.filename is not None or part.nested:
        return True
    return _is_file_field(part) and not (part.content_type is None and await _is_metadata(part))


async def _is_metadata(part: FormPart) -> bool:
    head = await part.peek(_MAX_METADATA_BYTES)
    try:
        return len(head) <= _MAX_METADATA_BYTES and isinstance(orjson.loads(head), dict)
    except orjson.JSONDecodeError:
        return False
