"""Reserve uploads, and receive the bytes of a reserved upload from one PUT request."""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints, model_validator

from roomcast.assemblies.model import Submission
from roomcast.assemblies.service import Assembly, AssemblyService
from roomcast.errors import IdTaken, Malformed, TooMany, WrongState
from roomcast.http.intake.json_body import read_json
from roomcast.http.intake.pipeline import check_size, refuse_content_range
from roomcast.http.intake.presigned import PresignedIntake, presigned_entry
from roomcast.http.intake.raw_body import raw_body
from roomcast.http.intake.receiver import LeasedIntake, Receiver
from roomcast.http.intake.records import NewUploads, accepted, upload_entry, upload_response
from roomcast.http.responses import VIEWER, Links, json_response
from roomcast.http.schema import UploadEntry, UploadResponse, UploadUrls
from roomcast.ledger.contract import RecordWrite
from roomcast.media.contract import MediaStore
from roomcast.services.uploads import UploadService
from roomcast.settings.intake import MAX_FILES_LIMIT
from roomcast.uploads.ids import CLIENT_CHOSEN
from roomcast.uploads.metadata import check_metadata
from roomcast.uploads.model import TusState, Upload, results_folder
from roomcast.uploads.templates import Templates

_MAX_BODY_BYTES = 16 * 1024
_MAX_FILE_BYTES = 16 * 1024
"""The size of a reservation, and what each file adds to it."""

ChosenId = Annotated[str, StringConstraints(pattern=f"^{CLIENT_CHOSEN}$")]
"""An upload id that the client chose. The schema has no example, because an id that many clients copy is taken."""


ReservedMetadata = Annotated[dict[str, Any], Field(examples=[{"productId": 7}])]
"""Checked after the body is parsed, by `check_metadata`, which has an error code of its own."""


class ReservedFile(BaseModel):
    """A file that the client will send, or that the server is to fetch from `url`."""

    model_config = ConfigDict(
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"filename": "holiday.mov", "size": 1048576}]},
    )

    filename: Annotated[
        str | None, StringConstraints(min_length=1, max_length=10_000), Field(examples=["holiday.mov"])
    ] = None
    """Required without `url`, whose last segment is the name otherwise."""
    url: Annotated[str | None, Field(examples=["https://films.example.com/holiday.mov"])] = None
    """The server fetches the file from here, instead of waiting for its bytes."""
    size: Annotated[int | None, Field(ge=0, examples=[1048576])] = None
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    metadata: ReservedMetadata | None = None
    """Passed on with every message about the upload: at most 4 KiB. It replaces the reservation's."""
    uploadId: ChosenId | None = None
    """The id of the upload: a new version-4 UUID in lower case. The server makes one if it is left out."""

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if self.filename is None and self.url is None:
            raise ValueError("The file has neither a filename nor a url.")
        return self


class Reservation(BaseModel):
    """The body of `POST /api/uploads` as JSON."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    type: Annotated[str | None, Field(examples=["auto"])] = None
    direct: bool = False
    metadata: ReservedMetadata | None = None
    """The metadata of the files that have none of their own."""
    uploadId: ChosenId | None = None
    """The `uploadId` of the first file."""
    files: Annotated[list[ReservedFile], FailFast(), Field(min_length=1, max_length=MAX_FILES_LIMIT)]

    @model_validator(mode="before")
    @classmethod
    def _one_url(cls, value: Any) -> Any:
        """Let `url` stand for the only file."""
        if isinstance(value, dict) and "url" in value and "files" not in value:
            one = {name: value[name] for name in ("url", "filename", "size", "md5") if name in value}
            return {**{name: item for name, item in value.items() if name not in one}, "files": [one]}
        return value

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        first = self.files[0].uploadId
        if self.uploadId and first and self.uploadId != first:
            raise ValueError("The reservation's uploadId differs from its first file's.")
        chosen = [chosen for chosen in self.chosen_ids if chosen]
        if len(set(chosen)) < len(chosen):
            raise ValueError("Two files have the same uploadId.")
        if self.direct and any(file.url for file in self.files):
            raise ValueError("A file with a url is not sent to the bucket directly.")
        return self

    @property
    def chosen_ids(self) -> list[str | None]:
        """The id that the client chose for each file; None where it chose none."""
        ids = [file.uploadId for file in self.files]
        return [ids[0] or self.uploadId, *ids[1:]]

    def metadata_of(self, file: ReservedFile) -> dict[str, Any]:
        """Return the metadata of a file: its own, or the reservation's."""
        return (self.metadata if file.metadata is None else file.metadata) or {}


class Imports(Protocol):
    """What fetches files from their addresses."""

    def check(self, url: str) -> None:
        """Raise `AddressRefused` unless this can be the URL of a file to import."""

    def filename_of(self, url: str) -> str:
        """Return the name of the file that a URL leads to, as far as the URL says."""

    def as_write(self, upload: Upload, url: str) -> RecordWrite:
        """Return the record by which a file is fetched, for `UploadLog.create`."""

    def wake(self) -> None:
        """Begin imports that are due soon."""


class Reservations:
    """Creates uploads whose bytes follow in other requests, and receives them by PUT."""

    def __init__(
        self,
        uploads: UploadService,
        assemblies: AssemblyService,
        media: MediaStore,
        templates: Templates,
        new_uploads: NewUploads,
        receiver: Receiver,
        presigned: PresignedIntake | None,
        imports: Imports,
        links: Links,
    ) -> None:
        self._assemblies = assemblies
        self._uploads = uploads
        self._media = media
        self._templates = templates
        self._new_uploads = new_uploads
        self._receiver = receiver
        self._presigned = presigned
        self._imports = imports
        self._links = links

    async def reserve(self, request: web.Request) -> web.Response:
        """Create the uploads of a `Reservation`: 201 with the URLs for their bytes.

        If all files are declared by MD5 and the owner has their results already, the response is 200 with those.
        """
        settings = self._receiver.settings
        max_bytes = _MAX_BODY_BYTES + settings.max_files * _MAX_FILE_BYTES
        reservation = await read_json(request, Reservation, "reservation", max_bytes=max_bytes)
        template = self._templates.get(reservation.type)
        if len(reservation.files) > settings.max_files:
            raise TooMany(f"One request may contain at most {settings.max_files} files.")
        for file in reservation.files:
            check_size(file.size or 0, template, settings)
            if file.url is not None:
                self._imports.check(file.url)
        await self._receiver.check_space(sum(file.size or 0 for file in reservation.files))
        uploads = await self._new_uploads.make_all(
            self._new_uploads.make(
                request[VIEWER],
                template,
                file.filename or self._imports.filename_of(file.url or ""),
                "import" if file.url else "direct" if reservation.direct else "reservation",
                size=file.size,
                md5=file.md5,
                chosen_id=chosen,
                metadata=check_metadata(reservation.metadata_of(file)),
                resumable=TusState() if file.url else None,
                imported=file.url is not None,
            )
            for file, chosen in zip(reservation.files, reservation.chosen_ids, strict=True)
        )
        for upload in uploads:
            check_size(upload.bytes_expected or 0, self._templates.of(upload), settings)
        chosen = [upload for upload, own in zip(uploads, reservation.chosen_ids, strict=True) if own]
        if chosen:
            await self._check_unused(chosen)
        elif found := await self._assemblies.find_completed(uploads):
            return json_response(self._completed_response(found))
        quota = self._receiver.quota
        async with quota.admit(request[VIEWER].client, uploads):
            if reservation.direct:
                submission, entries = await self._reserve_presigned(uploads)
            else:
                imports = [
                    self._imports.as_write(upload, file.url)
                    for upload, file in zip(uploads, reservation.files, strict=True)
                    if file.url
                ]
                submission = await self._assemblies.create(uploads, in_flight=quota.in_flight, records=imports)
                entries = [self._entry(upload) for upload in uploads]
                self._imports.wake()
        body = upload_response("Reserved", uploads, submission.assembly_id)
        return json_response({**body, "uploads": entries}, status=201)

    async def receive_content(self, request: web.Request, upload: Upload) -> web.Response:
        """Receive the bytes of a reserved upload: 202 when they are stored and queued."""
        refuse_content_range(request.headers)
        if upload.resumable:
            raise WrongState("This upload is sent in chunks. Continue at its tusUrl.")
        template = self._templates.of(upload)
        length = request.content_length
        if length is not None:
            check_size(length, template, self._receiver.settings)
            if upload.bytes_expected not in (None, length):
                raise Malformed(f"The file was declared to have {upload.bytes_expected} bytes, not {length}.")
        await self._receiver.check_space(length or upload.bytes_expected or 0)
        async with raw_body(request) as chunks:
            body = self._receiver.body(chunks, request[VIEWER])

            async def work(intake: LeasedIntake) -> Upload:
                async with intake.stored(body, template, total=upload.bytes_expected or length) as stored:
                    return await stored.enqueue(template)

            queued = await self._receiver.run_leased(upload, work)
        return accepted([queued], await self._assemblies.resolve_id(queued.submission))

    async def _check_unused(self, uploads: Sequence[Upload]) -> None:
        """Raise `IdTaken` for an id that has results in the media store: its new owner would get links to them.

        Whether the ledger has an upload of that id is for `Ledger.create` to say, which alone is atomic.
        """
        for upload in uploads:
            if await self._media.has_results(results_folder(upload)):
                raise IdTaken

    async def _reserve_presigned(self, uploads: Sequence[Upload]) -> tuple[Submission, list[UploadEntry]]:
        if self._presigned is None:
            raise Malformed("This server has no bucket that files could be sent to directly.")
        in_flight = self._receiver.quota.in_flight
        begun = await self._presigned.begin(uploads, in_flight=in_flight)
        try:
            reserved = [upload for upload, _ in begun]
            submission = await self._assemblies.create(reserved, in_flight=in_flight)
        except BaseException:
            await self._presigned.abort(begun)
            raise
        return submission, [presigned_entry(upload, parts, self._links) for upload, parts in begun]

    def _entry(self, upload: Upload) -> UploadEntry:
        if upload.imported:
            return upload_entry(upload)
        urls: UploadUrls = {"contentUrl": self._links.content(upload.id), "tusUrl": self._links.tus(upload.id)}
        return {**upload_entry(upload), **urls}

    def _completed_response(self, assembly: Assembly) -> UploadResponse:
        """Return the response for files that were processed before: their results, and no URLs to send them to."""
        state = self._uploads.message(assembly.uploads[0])
        body = upload_response("Known already", assembly.uploads, assembly.submission.assembly_id)
        return {**body, "state": state, "element": state["element"]}
