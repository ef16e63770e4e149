"""A request's form, part by part, as fast as its parts are read."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from roomcast.errors import TooLarge
from roomcast.http.intake.multipart import Event, Head, Splitter, not_well_formed


class Part:
    """One part of a form: a field, or a file."""

    def __init__(self, head: Head, body: FormBody) -> None:
        self.name = head.name
        self.filename = head.filename
        self.nested = head.nested
        self._body = body
        self._ended = False

    async def read(self) -> bytes:
        """The next bytes; none when the part is over."""
        if not self._ended:
            event = await self._body.next_event()
            if isinstance(event, bytes):
                return event
            self._ended = True
        return b""

    async def release(self) -> None:
        """Pass over the rest."""
        while await self.read():
            pass


class FormBody:
    """Its parts, one after the other: on to the next one, the rest of a part is passed over. `Malformed` when it is
    no form, or ends before its end."""

    def __init__(self, request: web.Request, *, most: int) -> None:
        """Read the form of a request of no more than `most` bytes; `TooLarge` for a larger one."""
        self._left = most
        if (request.content_length or 0) > most:
            raise _too_large()
        self._splitter = Splitter(request.headers["Content-Type"])
        self._chunks = request.content.iter_any()
        self._events: deque[Event] = deque()

    async def __aiter__(self) -> AsyncIterator[Part]:
        while isinstance(event := await self.next_event(), Head):
            part = Part(event, self)
            yield part
            await part.release()

    async def next_event(self) -> Event:
        """For a part: what comes next of it."""
        while not self._events:
            try:
                chunk = await anext(self._chunks)
            except (StopAsyncIteration, HttpProcessingError) as error:
                raise not_well_formed() from error
            self._left -= len(chunk)
            if self._left < 0:
                raise _too_large()
            self._events.extend(self._splitter.feed(chunk))
        return self._events.popleft()


def _too_large() -> TooLarge:
    return TooLarge("The request is larger than all the files it may hold.")
