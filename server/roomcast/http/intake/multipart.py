"""Read the parts of a `multipart/form-data` request while its bytes arrive.

The parser is the `multipart` package's. With it a server receives 89 to 104 % of the bytes per second of CPU that it
received with a parser of our own (`make bench ARGS="--only ingest"`). A part's bytes are handed on in the chunks in
which they arrived, of at most 64 KiB, and other connections are served in between: parsing a form of many tiny parts
takes a hundred times as long as receiving it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from multipart import MultipartError, MultipartSegment, ParserError, PushMultipartParser

from roomcast.errors import Malformed, RoomcastError, TooLarge, TooMany
from roomcast.http.intake.parameters import decoded_parameter, parse_parameters
from roomcast.http.intake.pipeline import RequestBody

MAX_HEADER_BYTES = 16 * 1024
"""The size of all header fields of a part."""

MAX_HEADERS = 32
"""The number of header fields of a part."""

MAX_FIELDS = 200
"""The number of parts that a form may have beside its files."""

MAX_OVERHEAD_BYTES = 1 << 20
"""What a form may have beside the bytes of its files: heads of parts, fields, and text before and after the parts."""

_SLICE_BYTES = 1 << 16
"""The bytes that are parsed in a turn of the event loop."""

_MAX_TEXT_BYTES = 8 * 1024
_MAX_BOUNDARY = 70

_HEADER_CHARSET = "latin-1"
"""Decodes any bytes, and is undone: the parser refuses a form with bytes that its charset does not have."""


class _Parser(PushMultipartParser):  # type: ignore[misc]  # multipart has no types
    """The package's parser, which also refuses heads that it would read slowly, or differently where they are cut."""

    def _on_segment_start(self) -> None:
        super()._on_segment_start()
        self._head_lines = 0

    def _on_segment_headerline(self, line: bytes) -> None:
        self._head_lines += 1  # a folded line is joined to the ones before it, each time from the beginning
        if self._head_lines > MAX_HEADERS or b"\n" in line:
            raise ParserError("The head of the part has too many lines, or a line break inside of one.")
        super()._on_segment_headerline(line)


class FormPart:
    """A part of a form: a field, or a file if it has a `filename`. If `nested`, it is a multipart body itself."""

    def __init__(self, segment: MultipartSegment, body: FormBody) -> None:
        if sum(len(name) + len(value) for name, value in segment.headerlist) > MAX_HEADER_BYTES:
            raise _not_well_formed()
        disposition = segment.header("Content-Disposition").encode(_HEADER_CHARSET).decode("utf-8", "replace")
        parameters = parse_parameters(disposition)
        self.name = decoded_parameter(parameters, "name")
        self.filename = decoded_parameter(parameters, "filename")
        self.content_type: str | None = segment.content_type
        self.nested = (segment.content_type or "").startswith("multipart/")
        self._body = body
        self._ended = False

    async def peek(self, size: int) -> bytes:
        """Return the part's first bytes, more than `size` unless it ends before. They remain to be read."""
        events: list[bytes | None] = []
        head = b""
        while len(head) <= size and isinstance(event := await self._body.next_event(), bytes):
            events.append(event)
            head += event
        if len(head) <= size:
            events.append(None)
        self._body.return_events(events)
        return head

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

    Raises `Malformed` when the form is not well formed or incomplete, `TooLarge` when it has more than `max_bytes` or
    more than `MAX_OVERHEAD_BYTES` beside its files, `TooMany` when it has more than `max_parts`, and what reading the
    request raises.
    """

    def __init__(
        self, body: RequestBody, content_type: str, *, length: int | None, max_bytes: int, max_parts: int
    ) -> None:
        """`content_type` and `length` are the request's header fields."""
        if (length or 0) > max_bytes:
            raise _too_large()
        self._body = body
        self._slices: deque[bytes] = deque()
        self._bytes_left = max_bytes
        self._overhead_left = MAX_OVERHEAD_BYTES
        self._max_parts = max_parts
        self._parts = 0
        self._refusal: RoomcastError | None = None
        """Is raised after the parts before it."""
        self._parser = _Parser(
            _boundary(content_type),
            max_header_size=MAX_HEADER_BYTES,
            max_header_count=MAX_HEADERS,
            header_charset=_HEADER_CHARSET,
        )
        self._events: deque[MultipartSegment | bytes | None] = deque()

    async def __aiter__(self) -> AsyncIterator[FormPart]:
        while (segment := await self.next_event()) is not None:
            await asyncio.sleep(0)  # a slice has several heads, each of which takes a while to parse
            part = FormPart(segment, self)
            yield part
            async for skipped in part.chunks():
                if part.filename is None:
                    self._add_overhead(len(skipped))

    async def next_event(self) -> Any:
        """Return the next part's head, the next bytes of the current part, or None at the end of a part or the form."""
        while not self._events:
            if self._refusal:
                raise self._refusal
            if (chunk := await self._next_slice()) is None:
                self._close()
                return None
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                raise _too_large()
            self._parse(chunk)
        return self._events.popleft()

    def return_events(self, events: Sequence[bytes | None]) -> None:
        """Make `next_event` return these events, which it has returned before, once more."""
        self._events.extendleft(reversed(events))

    async def _next_slice(self) -> bytes | None:
        """Return the next bytes of the request, or None at its end."""
        if not self._slices:
            if (chunk := await anext(self._body, None)) is None:
                return None
            if isinstance(chunk, bytes) and len(chunk) <= _SLICE_BYTES:
                return chunk
            view = memoryview(chunk)
            self._slices.extend(bytes(view[at : at + _SLICE_BYTES]) for at in range(0, len(chunk), _SLICE_BYTES))
        await asyncio.sleep(0)
        return self._slices.popleft()

    def _parse(self, chunk: bytes) -> None:
        content = 0
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._parts += 1
                    if self._parts > self._max_parts:
                        self._refusal = TooMany(f"A form may have at most {self._max_parts} parts.")
                        return
                elif event is not None:
                    content += len(event)
                self._events.append(event)
        except MultipartError:
            self._refusal = _not_well_formed()
            return
        self._add_overhead(len(chunk) - content)

    def _close(self) -> None:
        try:
            self._parser.close()
        except MultipartError as error:
            raise _not_well_formed() from error

    def _add_overhead(self, size: int) -> None:
        self._overhead_left -= size
        if self._overhead_left < 0:
            raise _too_large()


def _boundary(content_type: str) -> str:
    boundary = parse_parameters(content_type).get("boundary", "").partition(";")[0].strip()
    if not 0 < len(boundary) <= _MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise _not_well_formed()
    return boundary


def _not_well_formed() -> Malformed:
    return Malformed("The form is not well formed.")


def _too_large() -> TooLarge:
    return TooLarge("The form is larger than the files and fields that it may contain.")
