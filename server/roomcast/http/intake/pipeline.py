"""Take the bytes of an upload through the same steps, whichever way they arrive.

`RequestBody` reads a request: it enforces the idle timeout, the least rate and the owner's byte rate. `BodyPipeline`
then checks the size, detects the type, computes the digests, stores the bytes and reports progress. Forms, PUT, tus and
presigned uploads all use it, so a limit holds for each of them.

Memory use does not depend on the file's size: one batch is written in a thread while the next one is collected, and
the socket is not read further than that. A batch holds the chunks as they were read, without a copy.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Self

from aiohttp import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError

from roomcast.errors import Interrupted, Malformed, RoomcastError, Stalled, TooLarge, UnreadableMedia
from roomcast.media.batches import Batches
from roomcast.media.contract import Data, WriteChunks
from roomcast.runtime.tasks import finish_despite_cancel
from roomcast.settings.intake import IntakeSettings
from roomcast.uploads.model import Upload
from roomcast.uploads.sniff import SNIFF_BYTES, Sniffed, sniff
from roomcast.uploads.templates import Template, check_kind

BATCH_BYTES = 1 << 20
"""A batch is written when it has this size, or at the end of the body."""

BATCH_SECONDS = 1.0
"""A batch is written when its first chunk has waited for this long."""

_BATCH_CHUNKS = 512
"""A batch is written when it has this many chunks: a client may send single bytes, and each chunk has overhead."""

_LEAST_RATE_SECONDS = 60.0
"""The time over which the least rate is averaged, so that a mobile client may lose its network for a while."""

Chunks = AsyncIterator[Data]
OnProgress = Callable[[int], Awaitable[None]]


class IdleTimeout:
    """Iterates over chunks and raises `Stalled` when the next one takes longer than `seconds`."""

    def __init__(self, chunks: Chunks, seconds: float) -> None:
        self._chunks = chunks
        self._seconds = seconds
        self._timeout: asyncio.Timeout | None = None
        self._error: RoomcastError | None = None

    def stop(self, error: RoomcastError) -> None:
        """Make the iteration raise `error` now, or at the next chunk if none is awaited."""
        self._error = error
        if self._timeout and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Data:
        if self._error:
            raise self._error
        try:
            async with asyncio.timeout(self._seconds) as self._timeout:
                return await anext(self._chunks)
        except TimeoutError:
            raise self._error or Stalled("No further bytes arrived in time.") from None
        finally:
            self._timeout = None


class RateLimiter:
    """Limits how many bytes per second each user may send, over all of the user's requests to this process."""

    def __init__(self, bytes_per_second: int | None) -> None:
        self._rate = bytes_per_second
        self._free_at: dict[str, float] = {}

    async def throttle(self, user: str, size: int) -> None:
        """Wait until the user, who has sent `size` bytes, may send again."""
        if delay := self.delay(user, size, asyncio.get_running_loop().time()):
            await asyncio.sleep(delay)

    def delay(self, user: str, size: int, now: float) -> float:
        """Count `size` bytes that the user has sent, and return the seconds until the user may send again."""
        if self._rate is None:
            return 0.0
        self._free_at = {other: at for other, at in self._free_at.items() if at > now}
        self._free_at[user] = self._free_at.get(user, now) + size / self._rate
        return self._free_at[user] - now


class LeastRate:
    """Checks that a client sends at least `bytes_per_second`, on average over a minute that the server waits for it.

    Time in which the server does something else, such as writing to a slow disk, does not count.
    """

    def __init__(self, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._waited = 0.0
        self._received = 0

    def add(self, size: int, waited: float) -> None:
        """Count `size` bytes for which the server has waited so many seconds. Raise `Stalled` if they are too few."""
        self._waited += waited
        self._received += size
        if self._waited < _LEAST_RATE_SECONDS:
            return
        if self._received < self._rate * self._waited:
            raise Stalled(f"The bytes arrived more slowly than {self._rate} in a second.")
        self._waited, self._received = 0.0, 0


class RequestBody:
    """The bytes of a request, under the idle timeout and the least rate, and at the user's rate.

    Every failure is a `RoomcastError`: `Stalled`, `Interrupted` when the connection closes, `Malformed` when the body
    breaks the rules of HTTP, or the error that was passed to `stop`. A reader that is cancelled leaves the body usable:
    another one can read on.
    """

    def __init__(
        self, chunks: Chunks, user: str, limiter: RateLimiter, *, idle_seconds: float, min_bytes_per_second: int = 0
    ) -> None:
        self._timeout = IdleTimeout(chunks, idle_seconds)
        self._least_rate = LeastRate(min_bytes_per_second)
        self._user = user
        self._limiter = limiter
        self._last_size = 0

    def stop(self, error: RoomcastError) -> None:
        """Make the reader fail with `error`, also while it waits for the next bytes."""
        self._timeout.stop(error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Data:
        size, self._last_size = self._last_size, 0
        await self._limiter.throttle(self._user, size)
        began = time.monotonic()
        try:
            chunk = await anext(self._timeout)
        except (ConnectionError, EOFError, ClientPayloadError) as error:
            raise Interrupted("The connection closed before the whole file had arrived.") from error
        except HttpProcessingError as error:
            raise Malformed("The request's body could not be read.") from error
        self._last_size = len(chunk)
        self._least_rate.add(len(chunk), time.monotonic() - began)
        return chunk


class IgnoreDisconnect:
    """Iterates over chunks and ends where they fail, so that what arrived is stored; `error` is the failure."""

    def __init__(self, chunks: AsyncIterable[Data]) -> None:
        self._chunks = chunks
        self.error: RoomcastError | None = None

    async def __aiter__(self) -> Chunks:
        try:
            async for chunk in self._chunks:
                yield chunk
        except RoomcastError as error:
            self.error = error


class Digests:
    """Computes digests of a file while its bytes arrive, in threads. `algorithms` are names that `hashlib` knows."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    @property
    def computed(self) -> bool:
        """Whether any digest is computed."""
        return bool(self._hashes)

    async def update(self, *chunks: Data) -> None:
        """Add the next bytes of the file."""
        if self._hashes:
            await asyncio.to_thread(self._update, chunks)

    def _update(self, chunks: Iterable[Data]) -> None:
        for chunk in chunks:
            for digest in self._hashes.values():
                digest.update(chunk)

    def hex(self, algorithm: str) -> str | None:
        """Return the digest in hexadecimal; None when this algorithm is not computed."""
        return self._hashes[algorithm].hexdigest() if algorithm in self._hashes else None


class BodyPipeline:
    """Checks, hashes and stores the bytes of one file, and reports progress.

    `template` is the upload's, or, while the client may still choose one, a template that accepts all that any of them
    accepts. A pass over the rest of a file starts at `offset`; `head` then holds the first bytes, as far as they are
    stored. A `partial` file is one of several to be concatenated, so its bytes alone have neither type nor digest.
    """

    def __init__(
        self,
        upload: Upload,
        settings: IntakeSettings,
        template: Template,
        *,
        offset: int = 0,
        head: bytes = b"",
        partial: bool = False,
    ) -> None:
        self._declared_size = upload.bytes_expected
        self._declared_md5 = upload.declared_md5
        own_limit = upload.max_bytes
        self._settings = (
            settings
            if own_limit is None
            else settings.model_copy(update={"max_upload_bytes": min(own_limit, settings.max_upload_bytes)})
        )
        self._template = template
        self._head = bytearray(head)
        self._detecting = not partial and offset == len(head)
        algorithms = settings.algorithms | ({"md5"} if upload.declared_md5 else set())
        self.digests = Digests(() if partial or offset else algorithms)
        self.size = offset

    async def run(
        self,
        chunks: AsyncIterable[Data],
        write: WriteChunks | None = None,
        on_progress: OnProgress | None = None,
        *,
        preserve: bool = False,
    ) -> None:
        """Take all chunks through the steps; without `write`, they are only checked and hashed.

        With `preserve`, what was accepted before a failure or a cancellation is still written. `on_progress` is called
        with the number of bytes so far, after each chunk and each write. Raises `TooLarge`, `UnsupportedType` or
        `UnreadableMedia` as soon as the bytes so far show that the file is not accepted, and what `chunks`, `write` and
        `on_progress` raise.
        """

        async def process(batch: list[Data]) -> None:
            await self._process(batch, write)
            if on_progress:
                await on_progress(self.size)

        batches = Batches(
            process,
            max_bytes=BATCH_BYTES,
            max_chunks=_BATCH_CHUNKS,
            max_seconds=BATCH_SECONDS,
        )
        try:
            async for chunk in chunks:
                self._check(chunk)
                await batches.add(chunk)
                if on_progress:
                    await on_progress(self.size)
            await batches.finish()
        except BaseException:
            if preserve:
                with suppress(RoomcastError):
                    await finish_despite_cancel(batches.finish)
            raise
        finally:
            await batches.close()

    async def inspect(self, chunk: Data) -> None:
        """Check and hash the next bytes of a file that is stored already."""
        self._check(chunk)
        await self.digests.update(chunk)

    def verify(self, template: Template) -> Sniffed:
        """Check the complete file under a template, and return its type.

        Raises `Malformed` when the size or the MD5 is not the declared one, `TooLarge`, `UnsupportedType` or
        `UnreadableMedia`.
        """
        if self._declared_size is not None and self.size < self._declared_size:
            raise Malformed(f"The file was declared to have {self._declared_size} bytes, but {self.size} arrived.")
        check_size(self.size, template, self._settings)
        detected = detect_type(self._head, template)
        if self._declared_md5 not in (None, self.digests.hex("md5")):
            raise Malformed("The file's MD5 is not the declared one.")
        return detected

    def _check(self, chunk: Data) -> None:
        self.size += len(chunk)
        check_size(self.size, self._template, self._settings)
        if self._declared_size is not None and self.size > self._declared_size:
            raise TooLarge(f"More bytes arrived than the {self._declared_size} that were declared.")
        if self._detecting:
            self._head += chunk[: SNIFF_BYTES - len(self._head)]
            if len(self._head) == SNIFF_BYTES:
                self._detecting = False
                detect_type(self._head, self._template)

    async def _process(self, batch: list[Data], write: WriteChunks | None) -> None:
        if write is None:
            await self.digests.update(*batch)
        elif self.digests.computed:
            await asyncio.gather(write(*batch), self.digests.update(*batch))
        else:
            await write(*batch)


def detect_type(head: bytes | bytearray, template: Template) -> Sniffed:
    """Return the type that the first bytes of a file show.

    Raises `UnreadableMedia` when there are no bytes, and `UnsupportedType` when the template does not accept the type.
    """
    if not head and template.kind != "file":
        raise UnreadableMedia("The file is empty.")
    return check_kind(template, sniff(bytes(head)))


def max_bytes(template: Template, settings: IntakeSettings) -> int:
    """Return the size of the largest file that is accepted under a template."""
    return template.max_bytes_within(settings.max_upload_bytes)


def refuse_content_range(headers: Mapping[str, str]) -> None:
    """Raise `Malformed` for a request whose body is a range of a file: it would be stored as the whole file."""
    if "Content-Range" in headers:
        raise Malformed("The Content-Range says that this is a part of a file. Send it whole, or in chunks by tus.")


def check_size(size: int, template: Template, settings: IntakeSettings) -> None:
    """Raise `TooLarge` for a file of more bytes than the template or the server accepts."""
    if size > (limit := max_bytes(template, settings)):
        raise TooLarge.than(limit)
