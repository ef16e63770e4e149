"""Parsers of what a connection brings: frames, packets, forms, heads of requests, and bodies in JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel
from roomcast.errors import Malformed, RoomcastError
from roomcast.http.downloads.conditions import FileVersion, select
from roomcast.http.intake.json_body import parse_json
from roomcast.http.intake.multipart import FormBody
from roomcast.http.intake.parameters import decoded_parameter, parse_parameters
from roomcast.http.intake.pipeline import RateLimiter, RequestBody
from roomcast.http.intake.presigned import Completion
from roomcast.http.intake.reservations import Reservation
from roomcast.http.tus import protocol as tus_protocol
from roomcast.rooms.packet import Packet
from roomcast.transport.frames import CloseCode, FrameReader, Opcode, ProtocolError, encode_deflated_frame
from roomcast.transport.handshake import accept_handshake, parse_plain_handshake
from roomcast.transport.packets import InvalidPacket, decode_payload
from websocket import ABNF

from tests.fuzz.target import segments, target
from tests.support.raw_socket import handshake as a_handshake

MOST = 1000
"""The limit that the parsers of messages are given."""

_LOOP = asyncio.new_event_loop()


def _frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    return bytes(ABNF(int(final), 0, 0, 0, opcode, 1, payload).format())


def _masked(frame: bytes) -> bytes:
    """Return a short server frame as a client's, with a mask of zeros."""
    return bytes([frame[0], frame[1] | 0x80]) + bytes(4) + frame[2:]


@target(
    _frame(ABNF.OPCODE_TEXT, "2probé".encode()),
    _frame(ABNF.OPCODE_TEXT, b"40", final=False) + _frame(ABNF.OPCODE_PING, b"x") + _frame(ABNF.OPCODE_CONT, b"/a,"),
    _frame(ABNF.OPCODE_BINARY, b"\0" * 300) + _frame(ABNF.OPCODE_CLOSE, b"\x03\xe8bye"),
    _masked(encode_deflated_frame(Opcode.TEXT, b"a" * 2000)),
    tokens=[b"\x81\x80", b"\x81\xfe", b"\x82\xff", b"\x01\x81", b"\x80\x80", b"\x88\x82", b"\x89\xfd", b"\xc1\x85"],
)
def websocket_frames(data: bytes) -> None:
    for deflate in (False, True):
        assert _frames([data], deflate=deflate) == _frames(segments(data), deflate=deflate)


def _frames(pieces: Sequence[bytes], *, deflate: bool) -> tuple[list[tuple[Opcode, bytes]], CloseCode | None]:
    reader = FrameReader(MOST, deflate=deflate)
    messages = []
    try:
        for piece in pieces:
            for message in reader.feed(piece):
                if message:
                    assert len(message[1]) <= MOST
                    messages.append(message)
    except ProtocolError as error:
        return messages, error.code
    return messages, None


@target(b"40\x1e42[1]\x1ebAQID", "4é\x1e".encode(), tokens=[b"\x1e", b"b", b"bAA==", b"4", b"2probe", b"\xff"])
def polling_payloads(data: bytes) -> None:
    with suppress(InvalidPacket):
        assert sum(len(packet) for packet in decode_payload(data)) <= len(data)


@target(
    b'40/admin?x=1,{"token":"x"}',
    b'421["join-upload","x"]',
    b'51-/a,7["file",{"_placeholder":true,"num":0}]',
    b"431[]",
    tokens=[b"0", b"2", b"52-", b"/a,", b'["a"', b"]", b'{"_placeholder":true,"num":1}', b"\xed\xa0\x80", b"\\ud800"],
)
def socket_packets(data: bytes) -> None:
    with suppress(InvalidPacket):
        packet = Packet(encoded_packet=data.decode("utf-8", "replace").removeprefix("4"))
        assert packet.attachment_count < 100
        for _ in range(packet.attachment_count):
            packet.add_attachment(b"x" * 10)


@target(
    a_handshake("&sid=x"),
    tokens=[b"\r\n", b": ", b"Upgrade: websocket", b"Origin: http://x", b"GET /socket.io/?EIO=4", b"%", b"%e9", b"\0"],
)
def handshakes(data: bytes) -> None:
    found = parse_plain_handshake(data, "/socket.io/", "192.0.2.1")
    if found is None:
        return
    for value in found.environ.values():
        assert value is not None
    with suppress(web.HTTPBadRequest):
        response, _ = accept_handshake(found.headers, deflate=True)
        assert len(response) < MOST


_FORM = (
    b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n'
    b'--X\r\nContent-Disposition: form-data; name="file"; filename="a\\"b.mp4"\r\nContent-Type: video/mp4\r\n\r\n\r\n-'
    b"-\r\n--X--\r\n"
)


@target(
    _FORM,
    tokens=[
        b"\r\n--X",
        b"--",
        b"\r\n",
        b"\r",
        b"Content-Disposition: form-data; name=a",
        b"; filename*=UTF-8''%e9",
        b"\n",
    ],
)
def form(data: bytes) -> None:
    assert _form([data]) == _form(segments(data))


def _form(pieces: Sequence[bytes]) -> tuple[list[tuple[Any, ...]], str]:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def read() -> tuple[list[tuple[Any, ...]], str]:
        parts: list[tuple[Any, ...]] = []
        body = RequestBody(chunks(), "ada", RateLimiter(None), idle_seconds=60)
        parsed = FormBody(body, "multipart/form-data; boundary=X", length=None, max_bytes=4096, max_parts=10)
        try:
            async for part in parsed:
                content = b"".join([chunk async for chunk in part.chunks()])
                parts.append((part.name, part.filename, part.nested, content))
        except RoomcastError as error:
            return parts, error.code
        return parts, ""

    parts, code = _LOOP.run_until_complete(read())
    assert len(parts) <= 10
    return parts, code


@target(
    b'form-data; name="file"; filename="a;b.mp4"',
    b"form-data; name=a; filename*=UTF-8''%e2%82%ac.mp4; filename*0=\"x\"; filename*1*=%20y",
    b'multipart/form-data; boundary="a b"; charset=utf-8',
    tokens=[
        b";",
        b'"',
        b"\\",
        b"=",
        b';a="x"y',
        b"filename",
        b"filename*",
        b"*0*",
        b"utf-16''",
        b"%",
        b"%ff",
        b" ",
        b"\xff",
    ],
)
def header_parameters(data: bytes) -> None:
    parameters = parse_parameters(data.decode("latin-1"))
    assert len(parameters) <= len(data)
    for name in ("name", "filename"):
        text = decoded_parameter(parameters, name)
        assert text is None or len(text) <= len(data)


def _headers(data: bytes) -> CIMultiDict[str]:
    """Return the header fields that the lines of the input are."""
    lines = data.decode("utf-8", "replace").split("\n")
    pairs = [line.partition(":")[::2] for line in lines if ":" in line]
    return CIMultiDict((name.strip(), value.strip()) for name, value in pairs if name.strip())


@target(
    b"Tus-Resumable: 1.0.0\nUpload-Length: 10\nUpload-Metadata: filename d29ybGQucG5n,type dmlkZW8=,empty",
    b"Tus-Resumable: 1.0.0\nUpload-Concat: final;/api/tus/upload_1 https://x/api/tus/upload_2",
    b"Upload-Offset: 5\nUpload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=\nUpload-Defer-Length: 1",
    tokens=[b"\n", b"Upload-Metadata: ", b"Upload-Concat: final;", b"partial", b",", b" ", b"====", b"w6k=", b"md5 ",
            b"http://[x", b"9" * 30, b"\xc2\xb2", b"-1"],
)  # fmt: skip
def tus_headers(data: bytes) -> None:
    headers = _headers(data)
    readers: tuple[Any, ...] = (
        tus_protocol.check_version, tus_protocol.creation, tus_protocol.offset, tus_protocol.length,
        tus_protocol.checksum,
    )  # fmt: skip
    for read in readers:
        with suppress(RoomcastError):
            read(headers)
    with suppress(RoomcastError):
        creation = tus_protocol.creation(headers)
        assert sum(map(len, creation.values.values())) <= len(data)
        assert len(creation.concat) <= len(data)


_VERSION = FileVersion(1000, 1_700_000_000_123_456_789)


@target(
    b"Range: bytes=0-99",
    b"Range: bytes=-5\nIf-Range: " + _VERSION.entity_tag.encode(),
    b'Range: bytes=0-,5-7, -1\nIf-None-Match: W/"x", *',
    b"If-Modified-Since: " + _VERSION.last_modified.encode() + b"\nIf-Match: *\nIf-Unmodified-Since: never",
    tokens=[b"\n", b"Range: ", b"bytes=", b"-", b"0", b"999", b"1000", b",", b"9" * 25, b"\xc2\xb2", b'"', b"W/"],
)
def range_headers(data: bytes) -> None:
    for method in ("GET", "HEAD"):
        selected = select(method, _headers(data), _VERSION)
        assert selected.status in (200, 206, 304, 412, 416)
        assert 0 <= selected.start <= selected.stop <= _VERSION.size
        assert selected.status != 206 or selected.start < selected.stop


@target(
    b'{"type": "auto", "files": [{"filename": "a.png", "size": 5, "md5": "0123456789abcdef0123456789abcdef"}]}',
    b'{"direct": true, "files": [{"filename": "a"}, {"filename": "b", "uploadId": null}]}',
    b'{"parts": [{"number": 1, "etag": "\\"x\\""}]}',
    tokens=[b"{", b"}", b"[", b"]", b",", b":", b'"files"', b'"filename"', b"null", b"1e999", b"NaN", b'"\\ud800"',
            b"-1", b"9" * 40, b"\xff", b"[" * 200],
)  # fmt: skip
def json_bodies(data: bytes) -> None:
    for model in (Reservation, Completion):
        mistakes = _mistakes(data, model)
        assert len(mistakes) <= 10
        assert all(len(mistake["at"]) + len(mistake["why"]) < MOST for mistake in mistakes)


def _mistakes(data: bytes, model: type[BaseModel]) -> list[dict[str, str]]:
    try:
        parse_json(data, model, "body")
    except Malformed as error:
        return (error.details or {})["fields"]  # type: ignore[no-any-return]
    return []
