"""What a viewer may do to an upload, whichever way the call came: look, cancel, retry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from roomcast.assemblies.service import Assembly, AssemblyService
from roomcast.dispatch.contract import Dispatch
from roomcast.errors import NotFound, TimedOut, WrongState
from roomcast.fanout.relay import Relay, UploadSubscriber
from roomcast.ledger.contract import Ledger, Replay
from roomcast.media.contract import MediaStore
from roomcast.services.maintenance import may_run_again, settle_files
from roomcast.uploads.ids import is_upload_id
from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, source_key
from roomcast.uploads.transitions import cancelled
from roomcast.uploads.viewer import Viewer

_CANCEL_SECONDS = 20.0


class UploadService:
    """The calls that the HTTP routes and the Socket.IO handlers share. An upload comes out as `Upload`."""

    def __init__(
        self, ledger: Ledger, media: MediaStore, dispatch: Dispatch, relay: Relay, submissions: AssemblyService
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._dispatch = dispatch
        self._relay = relay
        self._submissions = submissions

    async def look(self, viewer: Viewer, upload_id: str) -> Upload:
        """The upload; `NotFound`, or `Forbidden` for another's."""
        check_id(upload_id)
        upload = await self._ledger.get(upload_id)
        viewer.check_owns(upload)
        return upload

    async def get_assembly(self, viewer: Viewer, assembly_id: str) -> Assembly:
        """The assembly; `NotFound`, or `Forbidden` for another's."""
        return await self._submissions.look(viewer, assembly_id)

    @asynccontextmanager
    async def watching(
        self,
        viewer: Viewer,
        upload_id: str,
        subscriber: UploadSubscriber,
        *,
        since: int | None = None,
        epoch: str | None = None,
    ) -> AsyncIterator[Replay]:
        """Subscribe within a context (see `Relay.subscribe`). Raises what `look` raises."""
        check_id(upload_id)
        replay = await self._relay.subscribe(upload_id, subscriber, since=since, epoch=epoch)
        try:
            viewer.check_owns(replay.upload)
            yield replay
        finally:
            self._relay.unsubscribe(upload_id, subscriber)

    async def cancel(self, viewer: Viewer, upload_id: str) -> Upload:
        """Returns when the work has really stopped and its files are gone.

        Cancelling a cancelled upload is fine; `WrongState` when it ended otherwise, `TimedOut` when whoever works
        on it does not answer (it stays marked, and will be cancelled).
        """
        upload = await self.look(viewer, upload_id)
        upload = await self._ledger.request_cancel(upload_id, cancelled(upload.stage))
        if not upload.state.terminal:
            upload = await self._ended(viewer, upload_id)
        if upload.stage is not Stage.CANCELLED:
            raise WrongState(f"The upload is {upload.stage} already.")
        await settle_files(self._media, upload)
        return upload

    async def retry(self, viewer: Viewer, upload_id: str) -> Upload:
        """Start over: queued if the file is still here, else receiving, and it must be sent again."""
        upload = await self.look(viewer, upload_id)
        if upload.state.status is not Status.ERROR:
            raise WrongState(f"Only an upload that ended in an error can be tried again; this one is {upload.stage}.")
        if not (upload.error and upload.error["retryable"]):
            raise WrongState("Trying again would end the same way; send another file.")
        kept = may_run_again(upload) and await self._media.has_source(source_key(upload))
        await self._submissions.look_soon(upload)
        upload = await self._ledger.reopen(upload_id, source_kept=kept)
        if kept:
            await self._dispatch.announce(upload.id, upload.seq)
        return upload

    async def _ended(self, viewer: Viewer, upload_id: str) -> Upload:
        """The upload when it has reached a terminal stage."""
        ending = _Ending()
        async with self.watching(viewer, upload_id, ending) as replay:
            if not replay.upload.state.terminal:
                try:
                    async with asyncio.timeout(_CANCEL_SECONDS):
                        await ending.come.wait()
                except TimeoutError:
                    raise TimedOut("The work has not stopped yet; the upload stays marked as cancelled.") from None
        return await self._ledger.get(upload_id)


class _Ending:
    """A watcher that waits for a terminal stage."""

    def __init__(self) -> None:
        self.come = asyncio.Event()

    def on_event(self, event: Message, *, new_status: bool) -> None:
        if event["status"] in (Status.COMPLETED, Status.ERROR):
            self.come.set()

    def on_tick(self, tick: Message) -> None:
        pass


def check_id(upload_id: str) -> None:
    """`NotFound` for what cannot be an upload's id, before anything is asked about it."""
    if not is_upload_id(upload_id):
        raise NotFound("There is no such upload.")
