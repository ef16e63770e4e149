"""Which web processes there are, and what each counts of its own: what no ledger knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LATELY_SECONDS = 5.0
"""For how long a process is thought to be there after it has said so."""


@dataclass(frozen=True)
class WebProcess:
    """A web process by its `process_name`, with the sockets and streams that are open in it."""

    process: str
    sockets: int
    streams: int


class Presence(Protocol):
    """Everybody's, wherever they run."""

    async def attend(self, me: WebProcess) -> list[WebProcess]:
        """Say that this process is there; all that said so within `LATELY_SECONDS`, itself included, by name."""


class LocalPresence:
    """See `Presence`: of a process that shares nothing with others."""

    async def attend(self, me: WebProcess) -> list[WebProcess]:
        return [me]
