"""`multipart/form-data` as it comes: what each part is called, its bytes, and its end. Pure: bytes in, events out.

Of RFC 2046 and RFC 7578 what forms are made of: parts between delimiter lines, each with a few header fields. What
comes before the first delimiter and after the last is passed over. A part's bytes are handed on as they came, not
copied, but for what may be the beginning of a delimiter: that waits for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from enum import Enum, auto

from aiohttp import content_disposition_filename
from aiohttp.multipart import parse_content_disposition

from roomcast.errors import Malformed

LARGEST_HEAD = 16 * 1024
"""Bytes of a part's header fields, and of what stands before the first part."""

MOST_FIELDS = 32

_LONGEST_BOUNDARY = 70
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*)")
_DELIMITED = re.compile(rb"[ \t]*\r\n")


def not_well_formed() -> Malformed:
    """The refusal of what is no form."""
    return Malformed("The form is not well formed.")


@dataclass(frozen=True)
class Head:
    """A part begins: the field's name, and the file's, if it is one. `nested`: it is a form itself."""

    name: str | None
    filename: str | None
    nested: bool


class End(Enum):
    """A part is over, or all of the form."""

    PART = auto()
    FORM = auto()


Event = Head | bytes | End


class Splitter:
    """Takes a form apart, piece by piece."""

    def __init__(self, content_type: str) -> None:
        """`content_type`: the request's field of that name, which says how parts are told from each other."""
        self._delimiter = b"\r\n--" + _boundary(content_type)
        # The first delimiter needs no line before it.
        self._held = b"\r\n"
        self._reading = self._preamble

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """What comes to light by the next bytes. To be gone through before more is fed. `Malformed` for what is no
        form."""
        self._held = self._held + chunk if self._held else chunk
        while (event := self._reading()) is not None:
            yield event

    def _preamble(self) -> Event | None:
        at = self._held.find(self._delimiter)
        if at < 0:
            self._bound()
            return None
        self._held = self._held[at + len(self._delimiter) :]
        return self._delimited()

    def _delimited(self) -> Event | None:
        """Behind a delimiter: another part, or the end."""
        self._reading = self._delimited
        if self._held.startswith(b"--"):
            self._reading = self._epilogue
            return End.FORM
        if line := _DELIMITED.match(self._held):
            self._held = self._held[line.end() - 2 :]  # a head without fields begins with the end of this line
            self._reading = self._head
            return self._head()
        if self._held.strip(b" \t") not in (b"", b"-", b"\r"):
            raise not_well_formed()
        self._bound()
        return None

    def _head(self) -> Event | None:
        at = self._held.find(b"\r\n\r\n")
        if at < 0:
            self._bound()
            return None
        fields = _fields(self._held[2:at])
        self._held = self._held[at + 2 :]  # an empty part's delimiter begins with the end of its head
        self._reading = self._first_data
        return _head(fields)

    def _first_data(self) -> Event | None:
        """A part that is empty, or not."""
        if len(self._held) < len(self._delimiter) and self._delimiter.startswith(self._held):
            return None
        if not self._held.startswith(self._delimiter):
            self._held = self._held[2:]
        self._reading = self._data
        return self._data()

    def _data(self) -> Event | None:
        held = self._held
        at = held.find(self._delimiter)
        if at == 0:
            self._held = held[len(self._delimiter) :]
            self._reading = self._delimited
            return End.PART
        if at < 0:
            at = self._where_a_delimiter_may_begin(held)
        self._held = held[at:]
        return held[:at] or None

    def _where_a_delimiter_may_begin(self, held: bytes) -> int:
        """There is no carriage return in a delimiter but its first byte."""
        at = held.rfind(b"\r", max(0, len(held) - len(self._delimiter) + 1))
        return at if at >= 0 and self._delimiter.startswith(held[at:]) else len(held)

    def _epilogue(self) -> None:
        self._held = b""

    def _bound(self) -> None:
        if len(self._held) > LARGEST_HEAD:
            raise not_well_formed()


def _boundary(content_type: str) -> bytes:
    field = Message()
    field["Content-Type"] = content_type
    boundary = field.get_boundary("")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise not_well_formed()
    return boundary.encode()


def _fields(head: bytes) -> dict[str, str]:
    """Header fields by their names in small letters."""
    lines = head.decode("utf-8", "replace").split("\r\n") if head else []
    if len(lines) > MOST_FIELDS:
        raise not_well_formed()
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field or field[1].lower() in fields:
            raise not_well_formed()
        fields[field[1].lower()] = field[2].rstrip()
    return fields


def _head(fields: Mapping[str, str]) -> Head:
    _, parameters = parse_content_disposition(fields.get("content-disposition"))
    return Head(
        content_disposition_filename(parameters, "name"),
        content_disposition_filename(parameters),
        fields.get("content-type", "").lower().startswith("multipart/"),
    )
