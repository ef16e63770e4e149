"""The bytes of a file on their way from the socket to the media store: timed, paced, bounded, sniffed, and told of.

Memory is flat whatever the size: one batch is being written in a thread while the next one gathers, and the socket is
not read further than that. Nothing is copied on the way: a batch is the chunks as they were read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

from aiohttp import ClientPayloadError

from roomcast.errors import Interrupted, RoomcastError, Stalled, TooLarge, UnreadableMedia
from roomcast.media.contract import Data, WriteChunks
from roomcast.uploads.sniff import SNIFF_BYTES, Sniffed, sniff
from roomcast.uploads.templates import Template, check_kind

BATCH_BYTES = 1 << 20
"""What is written at once, when it comes."""

_BATCH_CHUNKS = 512
"""A client may send bytes one by one; each of these chunks has its own overhead."""

ANY_MEDIA = Template(name="any", kind="auto")

Chunks = AsyncIterator[Data]

BROKEN = (ConnectionError, EOFError, ClientPayloadError)
"""What reading a body raises when its connection is gone."""


class Timed:
    """Chunks that end with `Stalled` when the next one is longer in coming than `seconds`, or with another error as
    soon as somebody stops them."""

    def __init__(self, chunks: Chunks, seconds: float) -> None:
        self._chunks = chunks
        self._seconds = seconds
        self._patience: asyncio.Timeout | None = None
        self._why: RoomcastError | None = None

    def stop(self, why: RoomcastError) -> None:
        """No more are wanted."""
        self._why = why
        if self._patience and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def __aiter__(self) -> Chunks:
        while self._why is None:
            try:
                async with asyncio.timeout(self._seconds) as self._patience:
                    chunk = await anext(self._chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise self._why or Stalled("No more bytes came.") from None
            finally:
                self._patience = None
            yield chunk
        raise self._why


class Unbroken:
    """Chunks that simply end where they break off; `broken` says why they did."""

    def __init__(self, chunks: AsyncIterable[Data]) -> None:
        self._chunks = chunks
        self.broken: RoomcastError | None = None

    async def __aiter__(self) -> Chunks:
        try:
            async for chunk in self._chunks:
                yield chunk
        except RoomcastError as error:
            self.broken = error
        except BROKEN:
            self.broken = Interrupted("The connection closed before the whole file had arrived.")


class Pace:
    """Holds what each viewer sends to a number of bytes per second, whatever the number of files at once."""

    def __init__(self, bytes_per_second: int | None) -> None:
        self._rate = bytes_per_second
        self._free_at: dict[str, float] = {}

    async def keep(self, user: str, chunks: AsyncIterable[Data]) -> Chunks:
        """The chunks, each one followed by the pause that it costs."""
        async for chunk in chunks:
            yield chunk
            if pause := self.pause(user, len(chunk), asyncio.get_running_loop().time()):
                await asyncio.sleep(pause)

    def pause(self, user: str, size: int, now: float) -> float:
        """For how many seconds the user is to send nothing after so many bytes."""
        if self._rate is None:
            return 0.0
        self._free_at = {other: at for other, at in self._free_at.items() if at > now}
        self._free_at[user] = self._free_at.get(user, now) + size / self._rate
        return self._free_at[user] - now


class BodyPipeline:
    """One file, or the next piece of one, as it comes.

    `at` is how many of its bytes came before, and `head` the first of them; `sniffing` is False when they were judged
    by those already. `most` is how many there may be in all, `declared` how many there should be. What the template
    `early` does not take is refused by its first bytes.
    """

    def __init__(
        self,
        put: WriteChunks,
        tell: Callable[[int], Awaitable[None]],
        *,
        most: int,
        declared: int | None,
        at: int = 0,
        head: bytes = b"",
        sniffing: bool = True,
        early: Template = ANY_MEDIA,
    ) -> None:
        self._put = put
        self._tell = tell
        self._most = most
        self._declared = declared
        self._sniffing = sniffing
        self._early = early
        self.head = bytearray(head)
        self.size = at

    async def take(self, chunks: AsyncIterable[Data]) -> None:
        """Put all that comes, a batch at a time. Raises what the first bytes or their number are refused for."""
        writing: asyncio.Future[None] | None = None
        batch: list[Data] = []
        put = self.size
        try:
            async for chunk in chunks:
                batch.append(chunk)
                self.size += len(chunk)
                self._check_size()
                self._look(chunk)
                if self.size - put >= BATCH_BYTES or len(batch) >= _BATCH_CHUNKS:
                    if writing:
                        await writing
                    writing = asyncio.ensure_future(self._put(*batch))
                    batch, put = [], self.size
                await self._tell(self.size)
            if writing:
                await writing
            if batch:
                await self._put(*batch)
        finally:
            if writing and not writing.done():
                await asyncio.wait({writing})

    def _check_size(self) -> None:
        if self.size > self._most:
            raise too_large(self._most)
        if self._declared is not None and self.size > self._declared:
            raise TooLarge(f"More bytes came than the {self._declared} that were declared.")

    def _look(self, chunk: Data) -> None:
        """Refuse what no worker could open as soon as there is enough to tell."""
        if self._sniffing:
            self.head += chunk[: SNIFF_BYTES - len(self.head)]
            if len(self.head) == SNIFF_BYTES:
                self._sniffing = False
                judge(self.head, self._early)


def early(template: Template) -> Template:
    """Return the template that judges a file's first bytes while the rest is still to come: what no worker could open
    is refused then, and what only another template would take when all is here."""
    return template if template.kind == "file" else ANY_MEDIA


def judge(head: bytes | bytearray, template: Template = ANY_MEDIA) -> Sniffed:
    """What a file is by its first bytes, if the template takes it. `UnreadableMedia` when media has none."""
    if not head and template.kind != "file":
        raise UnreadableMedia("The file is empty.")
    return check_kind(template, sniff(bytes(head)))


def too_large(limit: int) -> TooLarge:
    """The refusal of a file above a limit."""
    return TooLarge(f"The file is larger than {limit} bytes, which is the limit.", details={"maxBytes": limit})
