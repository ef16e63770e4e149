"""Stores of small records beside the ledger that become due at a time: submissions, webhook deliveries and others.

`RecordStore` is the contract; `tests/integration/contract/test_records.py` holds every implementation to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from roomcast.errors import UnreadableRecord
from roomcast.ledger.contract import RecordWrite
from roomcast.uploads.codec import ExtensibleRecord, JsonCodec, encode_record

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Record(ExtensibleRecord):
    """The fields of every record. Times are seconds since the Unix epoch.

    `group` is a second name under which the record is found together with others ("": none). At `due_at` the record is
    handed out to be processed (None: never). `revision` counts its versions, from 1.
    """

    id: str
    group: str
    created_at: float
    due_at: float | None
    revision: int = 1


R = TypeVar("R", bound=Record)


class RecordStore(Protocol[R]):
    """All records of one type. A write that has returned is durable.

    An unknown id raises `NotFound`, and a damaged record `UnreadableRecord`. The methods that return several records
    log damaged ones and leave them out.
    """

    async def add(self, record: R) -> bool:
        """Add a new record. Return False, and change nothing, if its id is known already."""

    async def get(self, record_id: str) -> R:
        """Return the record."""

    async def in_group(self, group: str) -> list[R]:
        """Return the records of a group, newest first."""

    async def update(self, record_id: str, change: Callable[[R], R]) -> R:
        """Replace the record by `change(record)` with the next revision, and return it.

        `change` is pure, may be called several times because of concurrent writers, and may raise to refuse. If it
        returns its argument, nothing is written.
        """

    async def claim_due(self, *, limit: int, seconds: float) -> list[R]:
        """Return records that are due, longest due first. Each gets the next revision and is due again in `seconds`,
        so no other caller is given it before. Damaged ones are set aside: they are never due again."""

    async def delete(self, record_id: str) -> None:
        """Delete the record, if there is one."""

    def as_write(self, record: R) -> RecordWrite:
        """Return the write of `record`, a new one or the next revision, for `UploadLog.create`."""


class RecordCodec(Generic[R]):
    """Serialises the records of one type, which are stored in `table` and, in Redis, expire after `ttl` seconds."""

    def __init__(self, table: str, record_type: type[R], *, ttl: int = 0) -> None:
        self.table = table
        self.ttl = ttl
        self._codec = JsonCodec(record_type)

    def decode(self, body: bytes) -> R:
        """Parse a stored record; raise `UnreadableRecord` if it is damaged."""
        return self._codec.decode(body)

    def decode_or_log(self, body: bytes) -> R | None:
        """Parse a stored record, or log that it is damaged and return None."""
        try:
            return self._codec.decode(body)
        except UnreadableRecord:
            log.exception("record_unreadable", table=self.table, record=body[:2000].decode("utf-8", "replace"))
            return None

    def as_write(self, record: R) -> RecordWrite:
        """Serialise a record with the fields that its store needs."""
        return RecordWrite(
            table=self.table,
            id=record.id,
            group=record.group,
            created_at=record.created_at,
            due_at=record.due_at,
            revision=record.revision,
            body=encode_record(record),
            ttl=self.ttl,
        )
