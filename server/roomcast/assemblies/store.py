"""Small records beside the ledger that somebody has to look at again: submissions, and what webhooks are to be told.

One Protocol; its docstrings are the contract. `tests/integration/contract/test_records.py` holds every
implementation to it. A record changes only as a whole, from one revision to the next: a writer
that loses a race computes its change again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import orjson
from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Record:
    """What every record has. Times are seconds since the Unix epoch.

    `group` is a name that it is found under beside its id, together with others ("": none). At `due_at` somebody is to
    look at it (None: nobody needs to). `revision` counts its changes.
    """

    id: str
    group: str
    created_at: float
    due_at: float | None
    revision: int = 1


R = TypeVar("R", bound=Record)


class RecordStore(Protocol[R]):
    """All records of one kind. One that is not there raises `NotFound`; a write that returned is durable."""

    async def add(self, record: R) -> bool:
        """Keep a new record. False, and nothing changes, when its id is known already."""

    async def get(self, record_id: str) -> R:
        """The record."""

    async def in_group(self, name: str) -> list[R]:
        """The records of a group, newest first."""

    async def update(self, record_id: str, change: Callable[[R], R]) -> R:
        """Put what `change` makes of the record in its place, a revision further; the record as it is then.

        `change` is pure, may be called several times, and refuses by raising. If it returns what it was given, nothing
        is written.
        """

    async def claim_due(self, *, limit: int, seconds: float) -> list[R]:
        """The records whose time has come, the longest due first. Nobody else is given them for so long: each is a
        revision further, and due again after `seconds`."""

    async def delete(self, record_id: str) -> None:
        """Forget the record; silent when there is none."""


class Codec(Generic[R]):
    """A kind of record as bytes, and back."""

    def __init__(self, kind: type[R]) -> None:
        self._adapter = TypeAdapter(kind)

    def encode(self, record: R) -> bytes:
        return orjson.dumps(record)

    def decode(self, body: bytes) -> R:
        return self._adapter.validate_json(body)
