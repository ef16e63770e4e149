"""The sockets that were opened with lasting links. Each is closed when its link is revoked.

A process closes the sockets of a link that it revokes itself at once. It finds out about those that other processes
revoke by reading the record of each link that has sockets once a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from roomcast.assemblies.links import UploadLinks
from roomcast.errors import Unauthenticated
from roomcast.uploads.viewer import LinkAccess

log = structlog.get_logger(__name__)

LINK_CHECK_SECONDS = 60.0
"""The interval between two checks of a link that has sockets."""


class LinkSockets:
    """The open sockets of this process by their link."""

    def __init__(
        self,
        links: UploadLinks,
        disconnect: Callable[[str], Awaitable[None]],
        start_task: Callable[[Callable[..., Coroutine[Any, Any, None]], Any], object],
    ) -> None:
        """`disconnect` closes the socket with an id; `start_task` runs a function in the background."""
        self._links = links
        self._disconnect = disconnect
        self._start_task = start_task
        self._sids: dict[LinkAccess, set[str]] = {}
        self._timers: dict[LinkAccess, asyncio.TimerHandle] = {}
        links.on_revoked = self._on_revoked

    def add(self, sid: str, access: LinkAccess) -> None:
        """Add a socket that has just been opened with a link."""
        self._sids.setdefault(access, set()).add(sid)
        if access not in self._timers:
            self._schedule_check(access)

    def remove(self, sid: str, access: LinkAccess) -> None:
        """Remove a socket that has been closed. One that was not added is ignored."""
        sids = self._sids.get(access, set())
        sids.discard(sid)
        if not sids:
            self._sids.pop(access, None)
            if timer := self._timers.pop(access, None):
                timer.cancel()

    async def check(self, access: LinkAccess) -> None:
        """Close the sockets of a link that is not valid any more, and raise `Unauthenticated`."""
        try:
            await self._links.check(access)
        except Unauthenticated:
            self._start_task(self._close, access)
            raise

    def _schedule_check(self, access: LinkAccess) -> None:
        loop = asyncio.get_running_loop()
        self._timers[access] = loop.call_later(LINK_CHECK_SECONDS, self._start_task, self._check_again, access)

    async def _check_again(self, access: LinkAccess) -> None:
        timer = self._timers.get(access)
        try:
            await self._links.check(access)
        except Unauthenticated:
            await self._close(access)
        except Exception:  # such as a ledger that cannot be reached; the next check may succeed
            log.exception("link_check_failed", upload=access.upload_id)
        if timer and self._timers.get(access) is timer:
            self._schedule_check(access)

    def _on_revoked(self, record_id: str) -> None:
        for access in self._sids:
            if access.record_id == record_id:
                self._start_task(self._close, access)

    async def _close(self, access: LinkAccess) -> None:
        for sid in list(self._sids.get(access, ())):
            await self._disconnect(sid)
