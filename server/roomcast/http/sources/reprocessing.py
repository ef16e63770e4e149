"""`POST /api/uploads/{id}/process`: process a stored source once more, as a new upload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from roomcast.assemblies.service import AssemblyService
from roomcast.errors import InvalidMetadata, NotFound, SourceGone
from roomcast.http.intake.json_body import read_json
from roomcast.http.intake.pipeline import check_size
from roomcast.http.intake.receiver import LeasedIntake, Receiver
from roomcast.http.intake.records import NewUploads, accepted
from roomcast.http.operations import INTAKE_ERRORS, JSON, OWNERSHIP_ERRORS, Operation, RouteGroup, Tag, json_body
from roomcast.http.responses import VIEWER
from roomcast.http.schema import UploadResponse
from roomcast.media.contract import MediaStore, ResumableSources
from roomcast.services.uploads import UploadService
from roomcast.uploads.metadata import check_metadata
from roomcast.uploads.model import Source, Upload, source_key
from roomcast.uploads.sniff import SNIFF_BYTES, Sniffed, sniff
from roomcast.uploads.templates import Template, Templates, check_kind
from roomcast.uploads.viewer import Viewer

_MAX_BODY_BYTES = 16 * 1024


class ProcessRequest(BaseModel):
    """How a stored source is processed once more."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)

    type: Annotated[str | None, Field(examples=["hero-video"])] = None
    """The template."""
    metadata: Annotated[dict[str, Any] | None, Field(examples=[{"productId": 7}])] = None
    """The metadata of the new upload; that of the first one if it is left out."""


class ReprocessingRoutes(RouteGroup):
    """Makes new uploads of sources that are still stored."""

    def __init__(
        self,
        uploads: UploadService,
        assemblies: AssemblyService,
        media: MediaStore,
        sources: ResumableSources,
        templates: Templates,
        new_uploads: NewUploads,
        receiver: Receiver,
    ) -> None:
        self._uploads = uploads
        self._assemblies = assemblies
        self._media = media
        self._sources = sources
        self._templates = templates
        self._new_uploads = new_uploads
        self._receiver = receiver

    @Operation(
        "POST",
        "/api/uploads/{id}/process",
        Tag.UPLOADS,
        "Process a stored source with another template",
        (json_body(UploadResponse, "A new upload with a copy of the source is queued.", status=202),),
        description="The source must still be stored, as `keep_source` of its template says. The first upload does not "
        "change.",
        body={JSON: ProcessRequest},
        errors=(*OWNERSHIP_ERRORS, *INTAKE_ERRORS, InvalidMetadata, SourceGone),
    )
    async def _process(self, request: web.Request) -> web.Response:
        first = await self._uploads.get(request[VIEWER], request.match_info["id"])
        asked = await read_json(request, ProcessRequest, "request", max_bytes=_MAX_BODY_BYTES)
        metadata: Mapping[str, Any] = first.metadata if asked.metadata is None else check_metadata(asked.metadata)
        template = self._templates.get(asked.type)
        source = first.source
        if source is None or not await self._media.has_source(source.key):
            raise SourceGone
        check_size(source.size, template, self._receiver.settings)
        sniffed = await self._sniff(source)
        check_kind(template, sniffed)
        owner = Viewer(first.owner, address=request[VIEWER].address)
        upload = await self._new_uploads.make(
            owner, template, first.filename, "process", size=source.size, md5=source.md5, metadata=metadata
        )
        template = self._templates.of(upload)
        check_size(source.size, template, self._receiver.settings)
        detected = check_kind(template, sniffed)
        await self._receiver.check_space(source.size)
        quota = self._receiver.quota
        async with quota.admit(request[VIEWER].client, [upload]):
            submission = await self._assemblies.create([upload], in_flight=quota.in_flight)
        queued = await self._receiver.run_leased(upload, lambda intake: self._copy(intake, source, detected, template))
        return accepted([queued], await self._assemblies.resolve_id(submission.id))

    async def _sniff(self, source: Source) -> Sniffed | None:
        """Return the type of a source; None if it is not known."""
        if source.kind != "file":
            return Sniffed(source.kind, source.format, source.mime)
        return sniff(await self._sources.read_head(source.key, SNIFF_BYTES))

    async def _copy(self, intake: LeasedIntake, source: Source, detected: Sniffed, template: Template) -> Upload:
        key = source_key(intake.upload)
        try:
            await self._media.copy_source(source.key, key)
        except NotFound as error:
            raise SourceGone from error
        copied = Source(key, source.size, detected.kind, detected.format, detected.mime, source.md5, source.sha256)
        return await intake.enqueue_source(copied, template)
