"""WebSocket frames: another implementation's are decoded however they are segmented; invalid ones are refused."""

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


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Encode a client's frame."""
    return bytes(ABNF(int(final), 0, 0, 0, opcode, 1, payload).format())


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    offsets = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    return [data[start:end] for start, end in itertools.pairwise(offsets)]


def read(reader: FrameReader, segments: list[bytes]) -> list[tuple[Opcode, bytes]]:
    return [message for piece in segments for message in reader.feed(piece) if message]


@given(st.lists(st.tuples(MESSAGES, CONTROLS, st.lists(st.integers(0), max_size=3)), max_size=5), st.data())
def test_messages_are_decoded_from_any_fragments_and_segments(
    messages: list[tuple[tuple[Opcode, bytes], list[tuple[Opcode, bytes]], list[int]]], data: st.DataObject
) -> None:
    wire, expected = b"", []
    for (opcode, payload), controls, cuts in messages:
        fragments = split_at(payload, cuts) or [b""]
        wire += client_frame(opcode, fragments[0], final=len(fragments) == 1)
        expected += [(opcode, payload)] if len(fragments) == 1 else controls
        for number, fragment in enumerate(fragments[1:], start=2):
            if number == 2:  # control frames may come between the pieces
                wire += b"".join(client_frame(*control) for control in controls)
            wire += client_frame(Opcode.CONTINUATION, fragment, final=number == len(fragments))
        expected += [(opcode, payload)] if len(fragments) > 1 else []
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=6))
    assert read(FrameReader(LARGEST), split_at(wire, cuts)) == expected
    assert read(FrameReader(LARGEST), [wire[at : at + 1] for at in range(len(wire))]) == expected


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_arbitrary_bytes_are_a_message_or_a_protocol_error_within_the_buffer_limit(segments: list[bytes]) -> None:
    reader = FrameReader(LARGEST)
    with suppress(ProtocolError):
        read(reader, segments)
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
        client_frame(Opcode.BINARY, b"x" * LARGEST, final=False) + client_frame(Opcode.CONTINUATION, b"x"),
        CloseCode.MESSAGE_TOO_BIG,
    ),
    "a piece of nothing": (client_frame(Opcode.CONTINUATION, b""), CloseCode.PROTOCOL_ERROR),
    "a message amid another": (
        client_frame(Opcode.TEXT, b"", final=False) + client_frame(Opcode.TEXT, b""),
        CloseCode.PROTOCOL_ERROR,
    ),
    "a text that is none": (client_frame(Opcode.TEXT, b"\xff"), CloseCode.INVALID_DATA),
    "half a letter": (client_frame(Opcode.TEXT, "é".encode()[:1]), CloseCode.INVALID_DATA),
    "a close of one byte": (client_frame(Opcode.CLOSE, b"\x03"), CloseCode.PROTOCOL_ERROR),
    "a close for no reason there is": (client_frame(Opcode.CLOSE, struct.pack(">H", 1005)), CloseCode.PROTOCOL_ERROR),
    "a close that is no text": (client_frame(Opcode.CLOSE, struct.pack(">H", 1000) + b"\xff"), CloseCode.INVALID_DATA),
}


@pytest.mark.parametrize(("wire", "close"), VIOLATIONS.values(), ids=VIOLATIONS)
@pytest.mark.parametrize("by_bytes", [False, True], ids=["at once", "byte by byte"])
def test_protocol_error_is_raised_after_the_messages_before_it(wire: bytes, close: CloseCode, by_bytes: bool) -> None:
    data = client_frame(Opcode.TEXT, b"before") + wire
    reader, received = FrameReader(LARGEST), list[tuple[Opcode, bytes]]()

    def receive(segments: list[bytes]) -> None:
        for piece in segments:
            received.extend(message for message in reader.feed(piece) if message)

    with pytest.raises(ProtocolError) as caught:
        receive([data[at : at + 1] for at in range(len(data))] if by_bytes else [data])
    assert caught.value.code is close
    assert received[:1] == [(Opcode.TEXT, b"before")]


def test_close_frame_is_decoded_with_its_reason() -> None:
    reason = struct.pack(">H", 3000) + "è".encode()
    assert read(FrameReader(LARGEST), [client_frame(Opcode.CLOSE, reason), client_frame(Opcode.CLOSE, b"")]) == [
        (Opcode.CLOSE, reason),
        (Opcode.CLOSE, b""),
    ]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_encoded_frame_has_the_length_of_its_payload(size: int) -> None:
    data = encode_frame(Opcode.TEXT, b"x" * size)
    assert data[0] == 0x81
    start = {True: 2, False: 4 if size < 1 << 16 else 10}[size < 126]
    assert (data[1] if start == 2 else int.from_bytes(data[2:start], "big")) == size
    assert data[start:] == b"x" * size


def test_accept_key_matches_the_example_of_rfc_6455() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", [0, 1, 5, LARGEST])
def test_compressed_message_is_inflated_from_one_frame_or_fragments(size: int) -> None:
    text = b"x" * size
    data = encode_deflated_frame(Opcode.TEXT, text)
    payload = data[2:]
    assert read(FrameReader(LARGEST, deflate=True), [masked(0xC1, payload)]) == [(Opcode.TEXT, text)]
    segments = [masked(0x41, payload[:2]), masked(0x00, payload[2:3]), masked(0x80, payload[3:])]
    assert read(FrameReader(LARGEST, deflate=True), segments) == [(Opcode.TEXT, text)]


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
def test_invalid_compressed_message_is_a_protocol_error(first: int, payload: bytes, code: CloseCode) -> None:
    reader = FrameReader(LARGEST, deflate=True)
    with pytest.raises(ProtocolError) as caught:
        read(reader, [masked(first, payload)])
    assert caught.value.code is code


def masked(first: int, payload: bytes) -> bytes:
    """Encode a client's short frame with this first byte, and a mask of zeros."""
    return bytes((first, 0x80 | len(payload))) + bytes(4) + payload
