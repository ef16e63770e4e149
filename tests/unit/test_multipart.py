"""Forms, read part by part: the same whatever chunks they arrive in, and refused when they are not well formed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.errors import Malformed, TooLarge, TooMany
from roomcast.http.intake.multipart import MAX_HEADER_BYTES, MAX_HEADERS, MAX_OVERHEAD_BYTES, FormBody
from roomcast.http.intake.pipeline import RateLimiter, RequestBody

BOUNDARY = "frontier"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
DELIMITER = f"\r\n--{BOUNDARY}".encode()
DISPOSITION = b'Content-Disposition: form-data; name="a"\r\n'


@dataclass(frozen=True)
class Field:
    """A part of a form: its name, its file name if it is a file, and its bytes."""

    name: str
    filename: str | None
    content: bytes


def rendered(fields: Sequence[Field], *, epilogue: bytes = b"\r\n") -> bytes:
    body = b""
    for field in fields:
        named = "" if field.filename is None else f'; filename="{field.filename}"'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field.name}"{named}\r\n'
        body += f"{head}Content-Type: video/mp4\r\n\r\n".encode() + field.content + b"\r\n"
    return body + f"--{BOUNDARY}--".encode() + epilogue


def form_of(
    chunks: Iterable[bytes],
    *,
    content_type: str = CONTENT_TYPE,
    max_bytes: int = 4 << 20,
    length: int | None = None,
    max_parts: int = 10,
) -> FormBody:
    async def arriving() -> AsyncIterator[bytes]:
        for chunk in chunks:
            if chunk:
                yield chunk

    body = RequestBody(arriving(), "ada", RateLimiter(None), idle_seconds=60)
    return FormBody(body, content_type, length=length, max_bytes=max_bytes, max_parts=max_parts)


async def read(chunks: Iterable[bytes], *, content_type: str = CONTENT_TYPE) -> list[Field]:
    fields = []
    async for part in form_of(chunks, content_type=content_type):
        content = b"".join([chunk async for chunk in part.chunks()])
        fields.append(Field(part.name or "", part.filename, content))
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
@given(FIELDS, st.data())
async def test_form_is_read_the_same_in_any_chunks(fields: list[Field], data: st.DataObject) -> None:
    body = rendered(fields, epilogue=b"\r\nand more\r\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert await read([body]) == await read(pieces) == await read(one_by_one(body)) == fields


@pytest.mark.parametrize("content", [b"", b"abc", DELIMITER[:-1], b"\r\n\r\n", b"\r" * 30])
async def test_form_that_is_cut_off_is_malformed_wherever_that_happens(content: bytes) -> None:
    body = rendered([Field("file", "film.mp4", content)], epilogue=b"")
    assert await read([body]) == [Field("file", "film.mp4", content)]
    for at in range(len(body)):
        with pytest.raises(Malformed):
            await read([body[:at]])
        assert await read([body[:at], body[at:]]) == [Field("file", "film.mp4", content)]


async def test_chunks_of_a_part_are_handed_on_without_a_copy() -> None:
    head = rendered([Field("file", "film.mp4", b"")])[: -len(b"\r\n--frontier--\r\n")]
    chunk = b"\r\n--" * 10_000 + b"x"
    async for part in form_of([head, b"begin", chunk, b"\r\n--frontier--\r\n"]):
        chunks = [chunk async for chunk in part.chunks()]
        assert chunks[1] is chunk


async def test_rest_of_a_part_that_is_not_read_is_skipped() -> None:
    fields = [Field("file", "film.mp4", b"x" * 1000), Field("type", None, b"auto")]
    names = []
    async for part in form_of(one_by_one(rendered(fields))):
        names.append(part.name)
        assert await anext(part.chunks())
    assert names == ["file", "type"]


async def test_text_of_a_field_is_stripped_and_limited() -> None:
    async for part in form_of([rendered([Field("type", None, " héro \n".encode())])]):
        assert await part.text() == "héro"
    async for part in form_of([rendered([Field("type", None, b"x" * 8193)])]):
        with pytest.raises(Malformed, match="too long"):
            await part.text()


async def test_form_inside_a_form_is_marked_as_nested() -> None:
    head = b"--frontier\r\n" + DISPOSITION + b"Content-Type: Multipart/Mixed; boundary=b\r\n\r\n"

    nested = [part.nested async for part in form_of([head + b"\r\n--frontier--\r\n"])]
    assert nested == [True]


async def test_file_name_in_the_extended_notation_is_decoded() -> None:
    head = b"--frontier\r\nContent-Disposition: form-data; name=\"a\"; filename*=UTF-8''%e2%82%ac.mp4\r\n\r\n"
    names = [part.filename async for part in form_of([head + b"\r\n--frontier--\r\n"])]
    assert names == ["€.mp4"]


@pytest.mark.parametrize("boundary", ['"a b"', "x" * 70, "'()+_,-./:=?"])
async def test_boundary_with_any_allowed_character_is_accepted(boundary: str) -> None:
    plain = boundary.strip('"')
    body = f'--{plain}\r\nContent-Disposition: form-data; name="a"\r\n\r\nabc\r\n--{plain}--\r\n'.encode()
    quoted = boundary if boundary.startswith('"') else f'"{boundary}"'
    fields = await read([body], content_type=f"multipart/form-data; boundary={quoted}")
    assert fields == [Field("a", None, b"abc")]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 71}"],
)
def test_request_without_a_valid_boundary_is_malformed(content_type: str) -> None:
    with pytest.raises(Malformed):
        form_of([], content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"--frontiers\r\n\r\n",
        b"--frontier\n\n",
        b"--frontier-\r\n",
        b"--frontier\r\n\r\nno disposition\r\n--frontier--",
        b"--frontier\r\nno field\r\n\r\n",
        b"--frontier\r\nA : b\r\n\r\n",
        b"--frontier\r\n" + DISPOSITION + b"".join(b"A%d: b\r\n" % number for number in range(MAX_HEADERS)) + b"\r\n",
        b"--frontier\r\nA: " + b"b" * MAX_HEADER_BYTES,
        b"--frontier\r\n" + DISPOSITION + b" x\r\n" * MAX_HEADERS + b"\r\n",
        b"--frontier\r\nContent-Disposition\n: form-data; name=a\r\n\r\n",
        b"--frontier\r\n" + DISPOSITION + b"A: %b\r\nB: %b\r\n\r\n" % ((b"b" * (MAX_HEADER_BYTES // 2),) * 2),
        b"--frontier" + b" " * MAX_HEADER_BYTES * 2,
        b"x" * MAX_HEADER_BYTES,
        b"--frontier\r\n" + DISPOSITION + b"\r\nabc\r\n--frontiers",
    ],
)
async def test_form_that_is_not_well_formed_is_refused_in_one_chunk_and_byte_by_byte(body: bytes) -> None:
    for chunks in ([body], one_by_one(body)):
        with pytest.raises(Malformed):
            await read(chunks)


async def test_form_larger_than_the_limit_is_refused_by_its_declared_and_by_its_real_size() -> None:
    body = rendered([Field("file", "film.mp4", b"x" * 100)])
    with pytest.raises(TooLarge):
        form_of([body], max_bytes=len(body) - 1, length=len(body))
    parts = aiter(form_of(one_by_one(body), max_bytes=len(body) - 10))
    assert (await anext(parts)).name == "file"
    with pytest.raises(TooLarge):
        await anext(parts)


async def test_form_of_too_many_parts_is_refused_before_the_rest_is_parsed() -> None:
    tiny = b'--frontier\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    with pytest.raises(TooMany):
        await read([tiny * 11 + b"this is not a part"])
    assert len(await read([tiny * 10 + b"--frontier--"])) == 10


@pytest.mark.parametrize(
    "body",
    [
        b"\n" * (MAX_OVERHEAD_BYTES + 1),
        rendered([Field("a", None, b"x" * (MAX_OVERHEAD_BYTES + 1))]),
        rendered([Field("a", None, b"x" * (MAX_OVERHEAD_BYTES // 2))] * 2),
        rendered([Field("a", None, b"x")]) + b"\n" * (MAX_OVERHEAD_BYTES + 1),
    ],
    ids=["before the parts", "one field", "several fields", "after the parts"],
)
async def test_form_of_too_many_bytes_beside_its_files_is_refused(body: bytes) -> None:
    with pytest.raises(TooLarge):
        async for _ in form_of([body]):
            pass


async def test_bytes_of_files_are_not_limited_as_those_beside_them() -> None:
    content = b"x" * (MAX_OVERHEAD_BYTES + 1)
    assert await read([rendered([Field("file", "film.mp4", content)])]) == [Field("file", "film.mp4", content)]
    async for _ in form_of([rendered([Field("file", "film.mp4", content)])]):
        pass  # a file that is not read


async def test_other_tasks_run_while_a_large_chunk_is_parsed() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await read([rendered([Field("file", "film.mp4", b"x" * (1 << 20))])])
    counting.cancel()
    assert turns >= 16
