"""Limit the uploads that one client may create: unfinished ones, and refused ones within ten minutes.

A client is a user, or in open mode, where every caller is the same user, a network address. The unfinished uploads of a
user are counted by the ledger. Those of an address are counted here, in each web process, because the ledger knows no
addresses. A refused upload is one that ended without having been queued. It costs a record for as long as finished
uploads are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from roomcast.errors import NotFound, RoomcastError, TooMany
from roomcast.ledger.contract import Ledger
from roomcast.runtime.clocks import unix_time
from roomcast.runtime.tasks import periodic
from roomcast.tracing import span
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Upload
from roomcast.uploads.transitions import reservation_expired

REFUSED_SECONDS = 600.0
"""The period in which refused uploads are counted."""

REFUSED_PER_UNFINISHED = 5
"""How many refused uploads a client may have in that period for each unfinished one that it may have."""

UNUSED_SECONDS = 60.0
"""How long a reservation without a byte is kept for a client that is known by its address alone."""

_READ_SECONDS = 1.0
"""How often the unfinished uploads of a client at its limit are read from the ledger."""

_TIDY_SECONDS = 10.0


@dataclass
class _Client:
    """The uploads of one client. `unfinished` are counted for addresses only."""

    unfinished: dict[str, float] = field(default_factory=dict)
    """When each was created, by its id."""
    refused: deque[float] = field(default_factory=deque)
    """When each was refused."""
    read_at: float = 0.0


class UploadQuota:
    """Counts the uploads of clients. With `by_address`, clients are network addresses instead of users.

    `max_in_flight` is the number of unfinished uploads that one client may have. With `expire_unused`, reservations
    that have received no byte for `UNUSED_SECONDS` fail.
    """

    def __init__(
        self, ledger: Ledger, max_in_flight: int, *, by_address: bool = False, expire_unused: bool = False
    ) -> None:
        self._ledger = ledger
        self._expires = expire_unused
        self._max_in_flight = max_in_flight
        self._by_address = by_address
        self._clients: dict[str, _Client] = {}
        self._client_of: dict[str, str] = {}
        """The address that each unfinished upload counts for."""
        ledger.add_observer(self._on_event)

    @property
    def in_flight(self) -> int | None:
        """The limit for `UploadLog.create`; None if this object enforces it."""
        return None if self._by_address else self._max_in_flight

    @asynccontextmanager
    async def admit(self, client: str, uploads: Sequence[Upload]) -> AsyncIterator[None]:
        """Count new uploads of a client, which are created inside of the context. Raise `TooMany` at a limit."""
        with span("reservation", uploads=len(uploads)):
            async with self._counted(client, uploads):
                yield

    @asynccontextmanager
    async def _counted(self, client: str, uploads: Sequence[Upload]) -> AsyncIterator[None]:
        self._check_refused(client)
        if not self._by_address:
            yield
            return
        if not self._fits(client, len(uploads)):
            await self._read_unfinished(client)
        if not self._fits(client, len(uploads)):
            raise TooMany(
                f"No more than {self._max_in_flight} unfinished uploads of one address at once. Wait for one to end."
            )
        counted = [upload for upload in uploads if upload.id not in self._client_of]
        for upload in counted:
            self._client_of[upload.id] = client
            self._client(client).unfinished[upload.id] = unix_time()
        try:
            yield
        except BaseException:
            for upload in counted:
                self._forget(upload.id)
            raise

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Forget what counts no longer, and expire unused reservations, for the duration of the context."""
        async with periodic(self.tidy, _TIDY_SECONDS, name="quota", failure_event="quota_not_tidied"):
            yield

    async def tidy(self) -> None:
        """Forget refusals that count no longer, and fail unused reservations.

        They are kept while the same client sends another file, because it may send one after another.
        """
        for client in tuple(self._clients):
            self._forget_refusals(client)
            if self._expires:
                await self._expire_unused(client)

    def _client(self, name: str) -> _Client:
        return self._clients.setdefault(name, _Client())

    def _fits(self, client: str, count: int) -> bool:
        found = self._clients.get(client)
        return (len(found.unfinished) if found else 0) + count <= self._max_in_flight

    def _check_refused(self, client: str) -> None:
        if self._forget_refusals(client) >= REFUSED_PER_UNFINISHED * self._max_in_flight:
            minutes = round(REFUSED_SECONDS / 60)
            raise TooMany(f"Too many of your uploads were refused in the last {minutes} minutes. Try again later.")

    def _forget_refusals(self, client: str) -> int:
        """Forget a client's refusals that count no longer; return the number of those that do."""
        found = self._clients.get(client)
        if found is None:
            return 0
        while found.refused and found.refused[0] < unix_time() - REFUSED_SECONDS:
            found.refused.popleft()
        self._drop_if_empty(client)
        return len(found.refused)

    def _on_event(self, _: Upload | None, after: Upload) -> None:
        if not after.state.terminal:
            return
        client = self._client_of.get(after.id) if self._by_address else after.owner
        if client is not None and after.source is None:
            self._client(client).refused.append(unix_time())
        self._forget(after.id)

    def _forget(self, upload_id: str) -> None:
        client = self._client_of.pop(upload_id, None)
        if client is not None:
            self._client(client).unfinished.pop(upload_id, None)
            self._drop_if_empty(client)

    def _drop_if_empty(self, client: str) -> None:
        found = self._clients.get(client)
        if found and not found.unfinished and not found.refused:
            del self._clients[client]

    async def _read_unfinished(self, client: str) -> list[Upload]:
        """Read a client's unfinished uploads, and stop counting those that another process has finished."""
        found = self._clients.get(client)
        if found is None or unix_time() - found.read_at < _READ_SECONDS:
            return []
        found.read_at = unix_time()
        uploads = await asyncio.gather(*(self._read(upload_id) for upload_id in tuple(found.unfinished)))
        return [upload for upload in uploads if upload]

    async def _read(self, upload_id: str) -> Upload | None:
        try:
            upload = await self._ledger.get(upload_id)
        except NotFound:
            self._forget(upload_id)
            return None
        if upload.state.terminal:
            self._forget(upload_id)
            return None
        return upload

    async def _expire_unused(self, client: str) -> None:
        found = self._clients.get(client)
        before = unix_time() - UNUSED_SECONDS
        if found is None or all(created > before for created in found.unfinished.values()):
            return
        found.read_at = 0.0
        for upload in unused(await self._read_unfinished(client), unix_time()):
            with suppress(RoomcastError):  # it is being received now, or has ended
                await self._ledger.append(upload.id, reservation_expired(upload))


def unused(uploads: Sequence[Upload], now: float) -> list[Upload]:
    """Return those of one client's unfinished uploads that have waited for a first byte for `UNUSED_SECONDS`.

    None has while another of them receives bytes. Uploads that are sent to the bucket receive theirs unnoticed.
    """
    before = now - UNUSED_SECONDS
    receiving = [upload for upload in uploads if upload.stage is Stage.RECEIVING]
    if any(upload.bytes_received and upload.updated_at > before for upload in receiving):
        return []
    return [
        upload
        for upload in receiving
        if not upload.bytes_received and not upload.direct_token and upload.updated_at <= before
    ]
