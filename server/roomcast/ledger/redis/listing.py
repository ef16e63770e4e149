"""Lists of uploads in Redis: reading the listings in which `queue.lua` has them."""

from __future__ import annotations

import base64
import re

from roomcast.errors import Malformed
from roomcast.ledger.contract import MAX_EXAMINED, Page, UploadFilter
from roomcast.ledger.redis.queue import UNFINISHED, sort_key
from roomcast.ledger.redis.scripts import READ_PAGE, LedgerScripts
from roomcast.ledger.redis.uploads import Snapshot
from roomcast.uploads.lifecycle import TABLE, TERMINAL
from roomcast.uploads.model import Upload

_MIN_CHUNK = 100
_MAX_CHUNK = 250
"""How many uploads one script reads."""

_CURSOR = re.compile(r"\d{10}\.\d{6}\|[\w-]+", re.ASCII)


class RedisListing:
    """Reads lists of a ledger's uploads."""

    def __init__(self, scripts: LedgerScripts) -> None:
        self._scripts = scripts

    async def find(self, wanted: UploadFilter, *, oldest_first: bool, cursor: str | None, limit: int) -> Page:
        """Do what `UploadLog.find` does."""
        after = _parse_cursor(cursor) if cursor else None
        found: list[tuple[Upload, str]] = []
        examined, chunk = 0, min(max(_MIN_CHUNK, limit + 1), _MAX_CHUNK)
        while examined < MAX_EXAMINED:
            read = await self._read(wanted, after, oldest_first=oldest_first, limit=chunk)
            found += [(view, member) for member, view in read if view and wanted.matches(view)]
            if len(found) > limit:
                return Page([upload for upload, _ in found[:limit]], _as_cursor(found[limit - 1][1]))
            if len(read) < chunk:
                return Page([upload for upload, _ in found], None)
            after = read[-1][0]
            examined += len(read)
        return Page([upload for upload, _ in found], _as_cursor(after) if after else None)

    async def _read(
        self, wanted: UploadFilter, after: str | None, *, oldest_first: bool, limit: int
    ) -> list[tuple[str, Upload | None]]:
        """Return members of the listings in order, each with its upload (None: evicted). All that match are there, and
        possibly others."""
        names = [f"all:{one}" for one in _outcomes(wanted)] if wanted.owner is None else [f"uploads:{wanted.owner}"]
        first = "-" if wanted.since is None else f"[{sort_key(wanted.since)}"
        low, high = (f"({after}" if after and oldest_first else first), (f"({after}" if after else "+")
        bounds = (low, "+") if oldest_first else (low, high)
        now, read = await self._scripts.run(READ_PAGE, "1" if oldest_first else "", *bounds, limit, *names)
        return [(member.decode(), Snapshot.of(fields, float(now)).view if fields else None) for member, fields in read]


def _outcomes(wanted: UploadFilter) -> list[str]:
    """Return the outcomes whose listings contain every upload that matches."""
    stages = (
        [wanted.stage] if wanted.stage else [stage for stage in TABLE if wanted.status in (None, TABLE[stage].status)]
    )
    return list(dict.fromkeys(stage.value if stage in TERMINAL else UNFINISHED for stage in stages))


def _as_cursor(position: str) -> str:
    """Return the cursor of a page that follows a position in a listing."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def _parse_cursor(cursor: str) -> str:
    """Return the position that a cursor stands for. Raise `Malformed` for an invalid one."""
    try:
        position = base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError as error:
        raise Malformed("The cursor is invalid.") from error
    if not _CURSOR.fullmatch(position):
        raise Malformed("The cursor is invalid.")
    return position
