"""The playlists of films that are still being compressed, as the ledger's boards have them."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from roomcast.errors import NotFound, StorageError
from roomcast.ledger.segments import SegmentTasks
from roomcast.media.result_keys import SEGMENTS
from roomcast.runtime.files import run_in_thread
from roomcast.segments.plan import SegmentBoard
from roomcast.segments.playlists import playlists
from roomcast.uploads.ids import is_upload_id

_FRESH_SECONDS = 0.25
"""How long playlists are used before the ledger is asked for further segments. A segment takes longer."""

_MAX_FILMS = 64
"""Of films of which playlists are cached. Those of three hours have 300 kB."""

_NEVER = float("-inf")
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class GrowingPlaylist:
    """A playlist, and the same compressed: that of a film of hours has 50 kB, and players ask for it every few
    seconds."""

    content: bytes
    gzipped: bytes


@dataclass
class _Film:
    """The playlists of one upload by their names, and the plan and version of the board that they were made of."""

    playlists: Mapping[str, GrowingPlaylist] = field(default_factory=dict)
    revision: tuple[str, int] | None = None
    checked_at: float = _NEVER
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class GrowingPlaylists:
    """Makes the playlists of unfinished films: at most once for each version of a board, however many clients ask."""

    def __init__(self, segments: SegmentTasks, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._segments = segments
        self._clock = clock
        self._films: OrderedDict[str, _Film] = OrderedDict()

    async def find(self, folder: str, name: str) -> GrowingPlaylist | None:
        """Return a playlist in a folder of results; None if no board has it: then it is stored, or does not exist."""
        parent, _, last = folder.rpartition("/")
        upload_id = parent.rpartition("/")[2]
        if last != SEGMENTS or not name.endswith(".m3u8") or not is_upload_id(upload_id):
            return None
        film = self._films.setdefault(upload_id, _Film())
        self._films.move_to_end(upload_id)
        if len(self._films) > _MAX_FILMS:
            self._films.popitem(last=False)
        async with film.lock:
            if self._clock() >= film.checked_at + _FRESH_SECONDS:
                try:
                    await self._refresh(upload_id, film)
                except StorageError:
                    if film.checked_at == _NEVER:
                        raise
                    # While the ledger does not answer, players continue with the segments that were known before.
                film.checked_at = self._clock()
        return film.playlists.get(name)

    async def _refresh(self, upload_id: str, film: _Film) -> None:
        """Make the playlists again if the board has changed."""
        progress = None
        with suppress(NotFound):  # an upload that the ledger has forgotten may still have stored results
            progress = await self._segments.progress(upload_id)
        revision = (progress.plan_id, progress.version) if progress else None
        if revision == film.revision:
            return
        board = await self._segments.board(upload_id) if progress else None
        # In a thread: for a film of four hours it takes 60 ms.
        film.playlists = await run_in_thread(lambda: _encoded(board)) if board else {}
        film.revision = (board.plan.id, board.version) if board else None


def _encoded(board: SegmentBoard) -> dict[str, GrowingPlaylist]:
    texts = {name: text.encode() for name, text in playlists(board).items()}
    return {name: GrowingPlaylist(text, gzip.compress(text, _GZIP_LEVEL, mtime=0)) for name, text in texts.items()}
