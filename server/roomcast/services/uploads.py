"""The calls on uploads that HTTP routes and Socket.IO handlers share: get, subscribe, cancel, delete, retry.

This is the one place that checks whether a viewer may see an upload or an assembly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from roomcast.assemblies.service import Assembly, AssemblyService
from roomcast.dispatch.contract import Dispatch
from roomcast.errors import Forbidden, NotFound, SourceGone, TimedOut, WasDeleted, WrongState
from roomcast.fanout.relay import Relay, UploadSubscriber
from roomcast.ledger.contract import CleanupInProgress, Ledger, Replay
from roomcast.media.contract import MediaStore
from roomcast.media.links import with_urls
from roomcast.runtime.backoff import Backoff
from roomcast.services.deletion import Deletion, clean_up_after_end, is_retryable
from roomcast.uploads.ids import is_upload_id
from roomcast.uploads.lifecycle import TERMINAL_STATUSES, Stage, Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Actor, Upload, message, source_key
from roomcast.uploads.transitions import cancelled
from roomcast.uploads.viewer import Viewer

_CANCEL_SECONDS = 20.0

_CLEANUP_BACKOFF = Backoff(0.05, cap=1.0)
_CLEANUP_WAITS = 8
"""How often a retry waits for the deletion of the last attempt's files; about 5 seconds together."""


class UploadService:
    """Gets, watches, cancels, deletes and retries uploads for a viewer.

    Each call raises `NotFound` for an upload that does not exist, `WasDeleted` for one that existed, and `Forbidden`
    for one of another user.
    """

    def __init__(
        self,
        ledger: Ledger,
        media: MediaStore,
        dispatch: Dispatch,
        relay: Relay,
        assemblies: AssemblyService,
        deletion: Deletion,
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._dispatch = dispatch
        self._relay = relay
        self._assemblies = assemblies
        self._deletion = deletion

    async def get(self, viewer: Viewer, upload_id: str) -> Upload:
        """Return an upload."""
        check_id(upload_id)
        upload = await self._ledger.get(upload_id)
        viewer.check_owns(upload)
        if upload.stage is Stage.DELETED:
            raise WasDeleted
        return upload

    async def get_assembly(self, viewer: Viewer, assembly_id: str, *, discloses: bool = False) -> Assembly:
        """Return an assembly with its uploads: the viewer's own, or for an admin anybody's.

        Raises `NotFound` for another user's too: its id can be computed from its files, so the difference would say
        who has sent a file. With `discloses` it raises `Forbidden`, as the dialect's clients expect.
        """
        others = []
        async for assembly in self._assemblies.with_id(assembly_id):
            if assembly.submission.owner == viewer.user:
                return assembly
            others.append(assembly)
        if others and viewer.admin:
            return others[0]
        if others and discloses:
            raise Forbidden("This assembly belongs to another user.")
        raise NotFound("There is no such assembly.")

    def message(self, upload: Upload) -> Message:
        """Return the state of an upload as clients get it, with URLs."""
        return with_urls(message(upload), self._media)

    async def subscribe(
        self,
        viewer: Viewer,
        upload_id: str,
        subscriber: UploadSubscriber,
        *,
        since: int | None = None,
        epoch: str | None = None,
    ) -> Replay:
        """Subscribe to an upload (see `Relay.subscribe`). Call `unsubscribe` also after an error.

        A subscriber with a position gets the event that the upload was deleted; for others it does not exist.
        """
        check_id(upload_id)
        replay = await self._relay.subscribe(upload_id, subscriber, since=since, epoch=epoch)
        viewer.check_owns(replay.upload)
        if replay.upload.stage is Stage.DELETED and since is None:
            raise WasDeleted
        return replay

    def unsubscribe(self, upload_id: str, subscriber: UploadSubscriber) -> None:
        """End a subscription at once. One that does not exist is ignored."""
        self._relay.unsubscribe(upload_id, subscriber)

    @asynccontextmanager
    async def subscription(
        self,
        viewer: Viewer,
        upload_id: str,
        subscriber: UploadSubscriber,
        *,
        since: int | None = None,
        epoch: str | None = None,
    ) -> AsyncIterator[Replay]:
        """Subscribe for the duration of the context."""
        try:
            yield await self.subscribe(viewer, upload_id, subscriber, since=since, epoch=epoch)
        finally:
            self.unsubscribe(upload_id, subscriber)

    async def cancel(self, viewer: Viewer, upload_id: str) -> Upload:
        """Cancel an upload, and return it when its work has stopped and its files are deleted.

        Cancelling a cancelled upload succeeds. Raises `WrongState` when it ended otherwise, and `TimedOut` when its
        worker does not answer: it stays marked, and will be cancelled.
        """
        upload = await self.get(viewer, upload_id)
        change = replace(cancelled(upload.stage), actor=Actor("user", viewer.user))
        upload = await self._ledger.request_cancel(upload_id, change)
        if not upload.state.terminal:
            upload = await self._ended(viewer, upload_id)
        if upload.stage is not Stage.CANCELLED:
            raise WrongState(f"The upload is already {upload.stage}.")
        await clean_up_after_end(self._ledger, self._media, upload)
        return upload

    async def delete(self, viewer: Viewer, upload_id: str) -> Upload:
        """Delete an upload that has ended, with its files, or else cancel it; return its last state."""
        upload = await self.get(viewer, upload_id)
        if not upload.state.terminal:
            return await self.cancel(viewer, upload_id)
        return await self._deletion.delete(upload, actor=Actor("user", viewer.user))

    async def retry(self, viewer: Viewer, upload_id: str, *, source_required: bool = False) -> Upload:
        """Start a failed upload again: queued while its source is stored, else receiving, to be sent again.

        Raises `SourceGone` instead of the latter if `source_required`, and for anyone but the owner, who has no file to
        send. Raises `CleanupInProgress` while the files of the last attempt are being deleted, if that takes long.
        """
        upload = await self.get(viewer, upload_id)
        if upload.state.status is not Status.ERROR:
            raise WrongState(f"Only an upload that ended in an error can be retried. This one is {upload.stage}.")
        if not (upload.error and upload.error["retryable"]):
            raise WrongState("Another attempt would fail in the same way. Send another file.")
        stored = is_retryable(upload) and await self._media.has_source(source_key(upload))
        if not stored and (source_required or viewer.link or viewer.user != upload.owner):
            raise SourceGone
        await self._assemblies.reschedule(upload)
        upload = await self._reopen(upload_id, source_stored=stored, actor=Actor("user", viewer.user))
        if stored:
            await self._dispatch.wake(upload.id, upload.seq)
        return upload

    async def _reopen(self, upload_id: str, *, source_stored: bool, actor: Actor) -> Upload:
        for waits in range(1, _CLEANUP_WAITS + 1):
            try:
                return await self._ledger.reopen(upload_id, source_stored=source_stored, actor=actor)
            except CleanupInProgress:
                await _CLEANUP_BACKOFF.wait(waits)
        return await self._ledger.reopen(upload_id, source_stored=source_stored, actor=actor)

    async def _ended(self, viewer: Viewer, upload_id: str) -> Upload:
        """Return an upload when it has reached a terminal stage."""
        waiter = _TerminalWaiter()
        async with self.subscription(viewer, upload_id, waiter) as replay:
            if not replay.upload.state.terminal:
                try:
                    async with asyncio.timeout(_CANCEL_SECONDS):
                        await waiter.event.wait()
                except TimeoutError:
                    raise TimedOut("The work has not stopped yet. The upload stays marked as cancelled.") from None
        return await self._ledger.get(upload_id)


class _TerminalWaiter:
    """A subscriber that waits for a terminal status."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def on_event(self, event: Message, *, names: Sequence[str]) -> None:
        if event["status"] in TERMINAL_STATUSES:
            self.event.set()

    def on_tick(self, tick: Message) -> None:
        pass


def check_id(upload_id: str) -> None:
    """Raise `NotFound` for a string that cannot be an upload's id, before any backend is asked."""
    if not is_upload_id(upload_id):
        raise NotFound("There is no such upload.")
