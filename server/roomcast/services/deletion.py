"""Delete uploads that have ended: their files, and then their state.

The first step is the event that the upload is deleted. From then on every surface answers that it was, and listeners
are notified. Its files are deleted afterwards. A process that is killed in between leaves an upload that is due for a
cleanup, which `services.maintenance` finishes. The record of the deletion is removed a day later.
"""

from __future__ import annotations

from contextlib import suppress

import structlog

from roomcast.assemblies.links import UploadLinks
from roomcast.assemblies.service import AssemblyService
from roomcast.errors import NotFound, WrongState
from roomcast.ledger.contract import DueCleanups, Ledger
from roomcast.media.contract import MediaStore
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload, results_folder, source_key
from roomcast.uploads.transitions import deleted

log = structlog.get_logger(__name__)

REMEMBERED_SECONDS = 86400.0
"""How long the ledger has the event that an upload was deleted, for listeners that were away."""


class Deletion:
    """Deletes uploads, and what of them has expired."""

    def __init__(self, ledger: Ledger, media: MediaStore, assemblies: AssemblyService, links: UploadLinks) -> None:
        self._ledger = ledger
        self._media = media
        self._assemblies = assemblies
        self._links = links

    async def delete(self, upload: Upload, *, expired: bool = False) -> Upload:
        """Delete an upload that has ended and return its last state. Raise `WrongState` if it has not ended."""
        await self._assemblies.reschedule(upload)  # the webhook is notified even if the event's notification is lost
        gone = await self._ledger.append(upload.id, deleted(upload.stage, expired=expired))
        log.info("upload_deleted", upload=upload.id, expired=expired)
        await self._delete_files(gone)
        return gone

    async def clean_up(self, due: DueCleanups) -> None:
        """Delete what is due of these uploads. Another process may be doing the same."""
        for upload in due.uploads:
            with suppress(NotFound, WrongState):
                await self._clean_up(upload, due.now)

    async def _clean_up(self, upload: Upload, now: float) -> None:
        if upload.stage is Stage.DELETED:
            await self._delete_files(upload)
            if upload.updated_at + REMEMBERED_SECONDS <= now:
                await self._ledger.remove(upload.id)
        elif upload.stage is not Stage.DONE:
            await self._ledger.set_cleanup(upload.id, None)
        elif upload.results_expire_at is not None and upload.results_expire_at <= now:
            await self.delete(upload, expired=True)
        else:
            await self._media.discard_source(source_key(upload))
            log.info("source_expired", upload=upload.id)
            await self._ledger.set_cleanup(upload.id, upload.results_expire_at)

    async def _delete_files(self, upload: Upload) -> None:
        await self._media.discard_results(results_folder(upload))
        await self._media.discard_source(source_key(upload))
        await self._links.revoke_all(upload)
        await self._ledger.set_cleanup(upload.id, upload.updated_at + REMEMBERED_SECONDS)
