"""The files of one multipart form on their way in: what is wanted of them, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from roomcast.errors import Code, Malformed, RoomcastError, TooMany
from roomcast.http.intake.form_body import Part
from roomcast.http.intake.pipeline import Chunks, early
from roomcast.http.intake.receiver import Choice, Receiver
from roomcast.http.schema import RefusedFile, UploadEntry
from roomcast.media.result_keys import clean_folder
from roomcast.uploads.filenames import clean_filename
from roomcast.uploads.model import Upload
from roomcast.uploads.templates import Template, Templates
from roomcast.uploads.viewer import Viewer

FILE_FIELDS = frozenset({"media_file", "file", "files"})
_LARGEST_TEXT_BYTES = 8 * 1024
_ANY_FILE = Template(name="any", kind="file", max_bytes=1)
_MOST_NAMED = 1000
SKIPPED = frozenset({Code.UNSUPPORTED_TYPE, Code.UNREADABLE_MEDIA, Code.CANCELLED})
"""Refusals of one file after which the rest of the form is still of interest."""


def not_a_file_field() -> Malformed:
    """The refusal of a file in a field where none is expected."""
    return Malformed(f"A file is expected in one of the fields {', '.join(sorted(FILE_FIELDS))}.")


async def chunks_of(part: Part, read: asyncio.Event | None = None) -> Chunks:
    """The rest of a part; when it is over, `read` is set."""
    while chunk := await part.read():
        yield chunk
    if read:
        read.set()


async def text_of(part: Part) -> str:
    """The text in a field that holds no file; `Malformed` when it is too long."""
    value = bytearray()
    while chunk := await part.read():
        value += chunk
        if len(value) > _LARGEST_TEXT_BYTES:
            raise Malformed("A field of the form is too long.")
    return value.decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class FormFile:
    """What became of one file of a form: it has an upload unless it was refused before there was one."""

    filename: str
    upload: Upload | None
    end: Upload | BaseException


class Form:
    """One multipart request: its files, and the template and the folder, which may be named before or after them.

    `default` is the template that it has if it names none. Unless it may name a folder (`has_folder`), its files are
    queued as soon as the template is known, and else when all of it was read.
    """

    def __init__(self, viewer: Viewer, templates: Templates, *, default: str | None, has_folder: bool) -> None:
        self.viewer = viewer
        self.submission: str | None = None
        self.count = 0
        self._templates = templates
        self._default = default
        self._has_folder = has_folder
        self._template: Template | None = None
        self._folder: str | None = None
        self._wrong: RoomcastError | None = None
        self._choice: asyncio.Future[Choice] = asyncio.get_running_loop().create_future()
        self._files: list[tuple[str, Upload | None, asyncio.Future[Upload]]] = []

    def template_so_far(self) -> Template:
        return self._template or self._templates.get(self._default)

    def name_template(self, name: str) -> None:
        """The first name counts."""
        template = self._templates.get(name)
        self._template = self._template or template
        if not self._has_folder:
            self._choose()

    def name_folder(self, path: str) -> None:
        """The last name counts."""
        self._folder = clean_folder(path)

    def spoil(self, error: RoomcastError) -> None:
        """Something is wrong with the form: no file of it is taken."""
        self._wrong = self._wrong or error

    def check(self) -> None:
        """Raise what is wrong with the form."""
        if self._wrong:
            raise self._wrong

    def end(self) -> None:
        """Everything was read."""
        if not self._files:
            raise Malformed("The form holds no file.")
        if self._wrong:
            self.give_up(self._wrong)
        else:
            self._choose()

    def give_up(self, error: RoomcastError) -> None:
        """What has arrived but is not queued yet will not be."""
        if not self._choice.done():
            self._choice.set_exception(error)
            self._choice.exception()  # it may be that nobody waits for it

    async def receive(self, receiver: Receiver, upload: Upload, part: Part, total: int | None) -> RoomcastError | None:
        """Take in one file; returns when the next part can be read, or with why it was refused before that."""
        self.count += 1
        read = asyncio.Event()
        chunks = chunks_of(part, read)
        arrival = asyncio.create_task(receiver.receive(upload, chunks, self._choice, early=self._early(), total=total))
        self._files.append((upload.filename, upload, arrival))
        reading = asyncio.create_task(read.wait())
        try:
            await asyncio.wait({arrival, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
        failure = arrival.exception() if arrival.done() else None
        return failure if isinstance(failure, RoomcastError) else None

    def refuse(self, part: Part, error: RoomcastError) -> None:
        """Note a file that is not taken. `TooMany` when there are more of them than anybody would send."""
        if len(self._files) >= _MOST_NAMED:
            raise TooMany("The form holds too many files.")
        refused: asyncio.Future[Upload] = asyncio.get_running_loop().create_future()
        refused.set_exception(error)
        self._files.append((clean_filename(part.filename), None, refused))

    async def settled(self) -> list[FormFile]:
        """How each file ended, in the order of the form."""
        ends = await asyncio.gather(*(arrival for _, _, arrival in self._files), return_exceptions=True)
        return [FormFile(name, upload, end) for (name, upload, _), end in zip(self._files, ends, strict=True)]

    def _choose(self) -> None:
        if not self._choice.done():
            self._choice.set_result(Choice(self.template_so_far(), self._folder))

    def _early(self) -> Template:
        """Judges the files' first bytes. As long as no template is named, it may be one that takes any."""
        if self._template is None and self._templates.accept_any_file:
            return _ANY_FILE
        return early(self.template_so_far())


def entries(outcomes: Sequence[FormFile]) -> list[UploadEntry | RefusedFile]:
    """What became of each file."""
    return [_entry(outcome) for outcome in outcomes]


def _entry(outcome: FormFile) -> UploadEntry | RefusedFile:
    error = outcome.end.to_json() if isinstance(outcome.end, RoomcastError) else None
    if outcome.upload:
        return {**sent_file(outcome.upload), "error": error} if error else sent_file(outcome.upload)
    return {"filename": outcome.filename, "error": error} if error else {"filename": outcome.filename}


def sent_file(upload: Upload) -> UploadEntry:
    """The entry of a file that has an upload."""
    return {"uploadId": upload.id, "filename": upload.filename}
