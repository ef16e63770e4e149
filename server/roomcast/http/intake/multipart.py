"""Read the parts of a `multipart/form-data` request while its bytes arrive.

A part's bytes are handed on in the chunks in which they arrived.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from roomcast.errors import Malformed, TooLarge
from roomcast.http.intake.pipeline import RequestBody
from roomcast.http.intake.splitter import LARGEST_HEAD, MOST_FIELDS, End, Head, Splitter, not_well_formed

MAX_HEADER_BYTES = LARGEST_HEAD
MAX_HEADERS = MOST_FIELDS

_MAX_TEXT_BYTES = 8 * 1024


class FormPart:
    """A part of a form: a field, or a file if it has a `filename`. If `nested`, it is a multipart body itself."""

    def __init__(self, head: Head, body: FormBody) -> None:
        self.name = head.name
        self.filename = head.filename
        self.nested = head.nested
        self._body = body
        self._ended = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the rest of the part's bytes."""
        while not self._ended:
            event = await self._body.next_event()
            if isinstance(event, bytes):
                yield event
            else:
                self._ended = True

    async def text(self) -> str:
        """Return the text of a field; `Malformed` when it is longer than 8 KiB."""
        value = bytearray()
        async for chunk in self.chunks():
            value += chunk
            if len(value) > _MAX_TEXT_BYTES:
                raise Malformed("A field of the form is too long.")
        return value.decode("utf-8", "replace").strip()


class FormBody:
    """The parts of a form, one after the other; the rest of a part is skipped when the next one is asked for.

    Raises `Malformed` when the form is not well formed or incomplete, `TooLarge` when it has more than `max_bytes`, and
    what reading the request raises.
    """

    def __init__(self, body: RequestBody, content_type: str, *, length: int | None, max_bytes: int) -> None:
        """`content_type` and `length` are the request's header fields."""
        if (length or 0) > max_bytes:
            raise _too_large()
        self._body = body
        self._bytes_left = max_bytes
        self._splitter = Splitter(content_type)
        self._events: deque[Head | bytes | End] = deque()

    async def __aiter__(self) -> AsyncIterator[FormPart]:
        while isinstance(head := await self.next_event(), Head):
            part = FormPart(head, self)
            yield part
            async for _ in part.chunks():
                pass

    async def next_event(self) -> Head | bytes | End:
        """Return the next part's head, the next bytes of the current part, or the end of a part or the form."""
        while not self._events:
            if (chunk := await anext(self._body, None)) is None:
                raise not_well_formed()
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                raise _too_large()
            self._events.extend(self._splitter.feed(bytes(chunk)))
        return self._events.popleft()


def _too_large() -> TooLarge:
    return TooLarge("The request is larger than all the files that it may contain.")
