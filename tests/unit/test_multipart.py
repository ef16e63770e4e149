"""Forms, taken apart: as aiohttp reads them, whatever pieces they come in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unittest import mock

import pytest
from aiohttp import BodyPartReader, MultipartReader, StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.errors import Malformed
from roomcast.http.intake.multipart import LARGEST_HEAD, MOST_FIELDS, End, Head, Splitter

BOUNDARY = "frontier"
KIND = f"multipart/form-data; boundary={BOUNDARY}"
DELIMITER = f"\r\n--{BOUNDARY}".encode()


@dataclass(frozen=True)
class Field:
    """A part of a form: what was said of it, and its bytes."""

    name: str | None
    filename: str | None
    content: bytes


def rendered(
    fields: Sequence[Field], *, preamble: bytes = b"", padding: bytes = b"", epilogue: bytes = b"\r\n"
) -> bytes:
    body = preamble
    for field in fields:
        named = "" if field.filename is None else f'; filename="{field.filename}"'
        body += (
            f'--{BOUNDARY}{padding.decode()}\r\nContent-Disposition: form-data; name="{field.name}"{named}\r\n'.encode()
        )
        body += b"Content-Type: video/mp4\r\n\r\n" + field.content + b"\r\n"
    return body + f"--{BOUNDARY}--".encode() + epilogue


def read(chunks: Iterable[bytes], kind: str = KIND) -> tuple[list[Field], bool]:
    """The parts that are over, and whether the form is."""
    splitter, fields, ended = Splitter(kind), list[Field](), False
    head, content = Head(None, None, nested=False), b""
    for chunk in chunks:
        for event in splitter.feed(chunk):
            assert not ended
            if isinstance(event, Head):
                head, content = event, b""
            elif event is End.FORM:
                ended = True
            elif event is End.PART:
                fields.append(Field(head.name, head.filename, content))
            else:
                assert isinstance(event, bytes)
                assert event, "no bytes are no event"
                content += event
    return fields, ended


async def as_aiohttp_reads(body: bytes) -> list[Field]:
    stream = StreamReader(mock.create_autospec(BaseProtocol), 1 << 20, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    fields = []
    async for part in MultipartReader({"Content-Type": KIND}, stream):
        assert isinstance(part, BodyPartReader)
        fields.append(Field(part.name, part.filename, bytes(await part.read())))
    return fields


def one_by_one(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


CONTENTS = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n", DELIMITER[:-1], DELIMITER[2:-2], b"x", b"\0" * 100]),
    max_size=8,
).map(b"".join)
NAMES = st.text("aé z*", max_size=4)
FIELDS = st.lists(st.builds(Field, NAMES, st.none() | NAMES, CONTENTS), min_size=1, max_size=4)


@settings(max_examples=30)
@given(FIELDS, st.sampled_from([b"", b"hello\r\n"]), st.sampled_from([b"", b" \t"]), st.data())
def test_in_pieces_a_form_is_what_aiohttp_makes_of_it(
    fields: list[Field], preamble: bytes, padding: bytes, data: st.DataObject
) -> None:
    body = rendered(fields, preamble=preamble, padding=padding, epilogue=b"\r\nand more\r\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    expected = asyncio.run(as_aiohttp_reads(body))
    assert expected == fields
    assert read([body]) == read(pieces) == read(one_by_one(body)) == (expected, True)


@pytest.mark.parametrize("content", [b"", b"abc", DELIMITER[:-1], b"\r\n\r\n", b"\r" * 30])
def test_cut_at_any_place_it_is_no_whole_form(content: bytes) -> None:
    body = rendered([Field("file", "film.mp4", content)], epilogue=b"")
    whole = read([body])
    assert whole == ([Field("file", "film.mp4", content)], True)
    for at in range(len(body)):
        assert read([body[:at]])[1] is False
        assert read([body[:at], body[at:]]) == whole


def test_bytes_are_handed_on_and_not_copied() -> None:
    splitter = Splitter(KIND)
    opening = rendered([Field("file", "film.mp4", b"")])[: -len(b"\r\n--frontier--\r\n")]
    assert [type(event) for event in splitter.feed(opening)] == [Head]
    chunk = b"\r\n--" * 10_000 + b"x"
    list(splitter.feed(b"begin"))
    (same,) = splitter.feed(chunk)
    assert same is chunk


def test_a_part_without_fields_and_one_without_a_blank_line_behind_its_head() -> None:
    assert read([b"--frontier\r\n\r\nabc\r\n--frontier\r\nA: b\r\n\r\n--frontier--"]) == (
        [Field(None, None, b"abc"), Field(None, None, b"")],
        True,
    )


def test_a_form_in_a_form_is_said_to_be_one() -> None:
    head = b"--frontier\r\nContent-Type: Multipart/Mixed; boundary=b\r\n\r\n"
    assert list(Splitter(KIND).feed(head)) == [Head(None, None, nested=True)]


@pytest.mark.parametrize("boundary", ['"a b"', "x" * 70, "'()+_,-./:=?"])
def test_boundaries_that_are_allowed(boundary: str) -> None:
    plain = boundary.strip('"')
    body = f"--{plain}\r\n\r\nabc\r\n--{plain}--\r\n".encode()
    shown = boundary if boundary.startswith('"') else f'"{boundary}"'
    assert read([body], f"multipart/form-data; boundary={shown}") == ([Field(None, None, b"abc")], True)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 71}"]
)
def test_boundaries_that_are_none(kind: str) -> None:
    with pytest.raises(Malformed):
        Splitter(kind)


@pytest.mark.parametrize(
    "body",
    [
        b"--frontiers\r\n\r\n",
        b"--frontier\n\n",
        b"--frontier-\r\n",
        b"--frontier\r\nno field\r\n\r\n",
        b"--frontier\r\nA: b\r\n folded\r\n\r\n",
        b"--frontier\r\nA : b\r\n\r\n",
        b"--frontier\r\nA: b\0\r\n\r\n",
        b"--frontier\r\nA: b\r\na: c\r\n\r\n",
        b"--frontier\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(MOST_FIELDS + 1)) + b"\r\n",
        b"--frontier\r\nA: " + b"b" * LARGEST_HEAD,
        b"--frontier" + b" " * LARGEST_HEAD * 2,
        b"x" * LARGEST_HEAD,
        b"--frontier\r\n\r\nabc\r\n--frontiers",
    ],
)
def test_what_is_no_form_is_refused_whole_and_byte_by_byte(body: bytes) -> None:
    for chunks in ([body], one_by_one(body)):
        with pytest.raises(Malformed):
            read(chunks)
