"""WebSocket frames: what another implementation writes is read however it is cut, and nothing else gets through."""

from __future__ import annotations

import itertools
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.transport.frames import (
    CloseCode,
    FrameReader,
    Opcode,
    ProtocolError,
    accept_key,
    encode_deflated_frame,
    encode_frame,
)
from websocket import ABNF

LARGEST = 300
MASK = b"\x12\x34\x56\x78"

CONTROLS = st.lists(st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)), max_size=2)
MESSAGES = st.one_of(
    st.tuples(st.just(Opcode.TEXT), st.text(max_size=70).map(str.encode)),
    st.tuples(st.just(Opcode.BINARY), st.binary(max_size=LARGEST)),
)


def sent(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """What a client puts on the wire."""
    return bytes(ABNF(int(final), 0, 0, 0, opcode, 1, payload).format())


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def read(reader: FrameReader, pieces: list[bytes]) -> list[tuple[Opcode, bytes]]:
    return [message for piece in pieces for message in reader.feed(piece) if message]


@given(st.lists(st.tuples(MESSAGES, CONTROLS, st.lists(st.integers(0), max_size=3)), max_size=5), st.data())
def test_messages_arrive_however_they_are_fragmented_and_cut(
    said: list[tuple[tuple[Opcode, bytes], list[tuple[Opcode, bytes]], list[int]]], data: st.DataObject
) -> None:
    wire, expected = b"", []
    for (opcode, payload), controls, cuts in said:
        parts = pieces_of(payload, cuts) or [b""]
        wire += sent(opcode, parts[0], final=len(parts) == 1)
        expected += [(opcode, payload)] if len(parts) == 1 else controls
        for number, part in enumerate(parts[1:], start=2):
            if number == 2:  # control frames may come between the pieces
                wire += b"".join(sent(*control) for control in controls)
            wire += sent(Opcode.CONTINUATION, part, final=number == len(parts))
        expected += [(opcode, payload)] if len(parts) > 1 else []
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=6))
    assert read(FrameReader(LARGEST), pieces_of(wire, cuts)) == expected
    assert read(FrameReader(LARGEST), [wire[at : at + 1] for at in range(len(wire))]) == expected


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_rubbish_is_a_violation_or_a_message(pieces: list[bytes]) -> None:
    reader = FrameReader(LARGEST)
    with suppress(ProtocolError):
        read(reader, pieces)
    assert len(reader._buffer) + len(reader._fragments or b"") <= 2 * LARGEST + 14


def head(first: int, length: int) -> bytes:
    return bytes((first, 0x80 | length))


TEXT, BINARY, PING, CLOSE = 0x81, 0x82, 0x89, 0x88
VIOLATIONS = {
    "not masked": (b"\x81\x01a", CloseCode.PROTOCOL_ERROR),
    "a reserved bit": (head(0xC1, 0) + MASK, CloseCode.PROTOCOL_ERROR),
    "an opcode that is none": (head(0x83, 0) + MASK, CloseCode.PROTOCOL_ERROR),
    "a long control frame": (head(PING, 126) + struct.pack(">H", 126), CloseCode.PROTOCOL_ERROR),
    "a control frame in pieces": (head(0x09, 0) + MASK, CloseCode.PROTOCOL_ERROR),
    "a small length in two bytes": (head(BINARY, 126) + struct.pack(">H", 125), CloseCode.PROTOCOL_ERROR),
    "a small length in eight": (head(BINARY, 127) + struct.pack(">Q", 200), CloseCode.PROTOCOL_ERROR),
    "a length with its highest bit": (head(BINARY, 127) + b"\xff" * 8, CloseCode.PROTOCOL_ERROR),
    "a length beyond the limit": (head(BINARY, 126) + struct.pack(">H", LARGEST + 1), CloseCode.MESSAGE_TOO_BIG),
    "a length beyond all limits": (head(BINARY, 127) + struct.pack(">Q", 1 << 62), CloseCode.MESSAGE_TOO_BIG),
    "pieces beyond the limit": (
        sent(Opcode.BINARY, b"x" * LARGEST, final=False) + sent(Opcode.CONTINUATION, b"x"),
        CloseCode.MESSAGE_TOO_BIG,
    ),
    "a piece of nothing": (sent(Opcode.CONTINUATION, b""), CloseCode.PROTOCOL_ERROR),
    "a message amid another": (sent(Opcode.TEXT, b"", final=False) + sent(Opcode.TEXT, b""), CloseCode.PROTOCOL_ERROR),
    "a text that is none": (sent(Opcode.TEXT, b"\xff"), CloseCode.INVALID_DATA),
    "half a letter": (sent(Opcode.TEXT, "é".encode()[:1]), CloseCode.INVALID_DATA),
    "a close of one byte": (sent(Opcode.CLOSE, b"\x03"), CloseCode.PROTOCOL_ERROR),
    "a close for no reason there is": (sent(Opcode.CLOSE, struct.pack(">H", 1005)), CloseCode.PROTOCOL_ERROR),
    "a close that is no text": (sent(Opcode.CLOSE, struct.pack(">H", 1000) + b"\xff"), CloseCode.INVALID_DATA),
}


@pytest.mark.parametrize(("wire", "close"), VIOLATIONS.values(), ids=VIOLATIONS)
@pytest.mark.parametrize("by_bytes", [False, True], ids=["at once", "byte by byte"])
def test_a_violation_comes_after_what_was_said_before(wire: bytes, close: CloseCode, by_bytes: bool) -> None:
    whole = sent(Opcode.TEXT, b"before") + wire
    reader, heard = FrameReader(LARGEST), list[tuple[Opcode, bytes]]()

    def hear(pieces: list[bytes]) -> None:
        for piece in pieces:
            heard.extend(message for message in reader.feed(piece) if message)

    with pytest.raises(ProtocolError) as caught:
        hear([whole[at : at + 1] for at in range(len(whole))] if by_bytes else [whole])
    assert caught.value.code is close
    assert heard[:1] == [(Opcode.TEXT, b"before")]


def test_a_close_with_its_reason() -> None:
    reason = struct.pack(">H", 3000) + "è".encode()
    assert read(FrameReader(LARGEST), [sent(Opcode.CLOSE, reason), sent(Opcode.CLOSE, b"")]) == [
        (Opcode.CLOSE, reason),
        (Opcode.CLOSE, b""),
    ]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_of_any_size_says_its_length(size: int) -> None:
    whole = encode_frame(Opcode.TEXT, b"x" * size)
    assert whole[0] == 0x81
    start = {True: 2, False: 4 if size < 1 << 16 else 10}[size < 126]
    assert (whole[1] if start == 2 else int.from_bytes(whole[2:start], "big")) == size
    assert whole[start:] == b"x" * size


def test_the_example_of_the_standard() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", [0, 1, 5, LARGEST])
def test_a_compressed_message_is_inflated_whole_or_in_fragments(size: int) -> None:
    text = b"x" * size
    whole = encode_deflated_frame(Opcode.TEXT, text)
    payload = whole[2:]
    assert read(FrameReader(LARGEST, deflate=True), [masked(0xC1, payload)]) == [(Opcode.TEXT, text)]
    pieces = [masked(0x41, payload[:2]), masked(0x00, payload[2:3]), masked(0x80, payload[3:])]
    assert read(FrameReader(LARGEST, deflate=True), pieces) == [(Opcode.TEXT, text)]


@pytest.mark.parametrize(
    ("first", "payload", "code"),
    [
        (0xC1, encode_deflated_frame(Opcode.TEXT, b"x" * (LARGEST + 1))[2:], CloseCode.MESSAGE_TOO_BIG),
        (0xC1, b"\xff\xff\xff", CloseCode.PROTOCOL_ERROR),
        (0xC1, encode_deflated_frame(Opcode.TEXT, b"\xff")[2:], CloseCode.INVALID_DATA),
        (0xC9, b"", CloseCode.PROTOCOL_ERROR),
        (0xA1, b"", CloseCode.PROTOCOL_ERROR),
        (0xC0, b"", CloseCode.PROTOCOL_ERROR),
    ],
    ids=["a bomb", "rubbish", "no text", "a control frame", "another bit", "a continuation"],
)
def test_a_compressed_message_that_is_wrong_is_a_violation(first: int, payload: bytes, code: CloseCode) -> None:
    reader = FrameReader(LARGEST, deflate=True)
    with pytest.raises(ProtocolError) as caught:
        read(reader, [masked(first, payload)])
    assert caught.value.code is code


def masked(first: int, payload: bytes) -> bytes:
    """A short frame of a client with that first byte, and a mask that changes nothing."""
    return bytes((first, 0x80 | len(payload))) + bytes(4) + payload
