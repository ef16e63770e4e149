"""Socket.IO packets: encoded and decoded as python-socketio's class does; those that no client may send are invalid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.rooms.packet import Packet, encode_event
from roomcast.transport.packets import InvalidPacket
from socketio import packet as peer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMESPACES = st.just("/") | st.text("abcxyz-_/", max_size=8).map("/n{}".format)
NAMES = st.text().filter(lambda name: name not in {"connect", "connect_error", "disconnect", "disconnecting", "*"})
WITH_BYTES = st.recursive(
    st.none() | st.integers(0, 9) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
)


def read(text: str | bytes) -> Packet:
    return Packet(encoded_packet=text)


def decoded_by_peer(packet: Any) -> Any:
    """Return an encoded packet as python-socketio's class reads it."""
    encoded = packet.encode()
    text, *attachments = encoded if isinstance(encoded, list) else [encoded]
    other = peer.Packet(encoded_packet=text)
    for attachment in attachments:
        other.add_attachment(attachment)
    return other


def fields(packet: Any) -> tuple[Any, ...]:
    return packet.packet_type, packet.namespace or "/", packet.id, packet.data


@given(NAMES, st.lists(JSON, max_size=3), NAMESPACES, st.none() | st.integers(0, 10**18 - 1))
def test_event_is_decoded_as_python_socketio_encodes_it(
    name: str, arguments: list[Any], namespace: str, number: int | None
) -> None:
    text = peer.Packet(peer.EVENT, [name, *arguments], namespace, number).encode()
    assert fields(read(text)) == (peer.EVENT, namespace, number, [name, *arguments])


@given(NAMESPACES, st.none() | st.dictionaries(st.text(), JSON, max_size=3))
def test_connect_packet_is_decoded_as_python_socketio_encodes_it(namespace: str, auth: dict[str, Any] | None) -> None:
    text = peer.Packet(peer.CONNECT, auth, namespace).encode()
    assert fields(read(text)) == (peer.CONNECT, namespace, None, auth)


@given(st.lists(WITH_BYTES, max_size=3).filter(peer.Packet.data_is_binary))
def test_attachments_replace_their_placeholders(arguments: list[Any]) -> None:
    text, *attachments = peer.Packet(peer.EVENT, ["call", *arguments], id=7).encode()
    packet = read(text)
    assert (packet.packet_type, packet.id, packet.attachment_count) == (peer.BINARY_EVENT, 7, len(attachments))
    assert [packet.add_attachment(one) for one in attachments] == [False] * (len(attachments) - 1) + [True]
    assert packet.data == ["call", *arguments]


@pytest.mark.parametrize(
    "hole",
    [
        '{"_placeholder":true}', '{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":-1}',
        '{"_placeholder":true,"num":"0"}', "[" * 64,
    ],
)  # fmt: skip
def test_attachment_without_a_valid_placeholder_is_invalid(hole: str) -> None:
    packet = read(f'51-["call",{hole}{"]" * hole.count("[")}]')
    with pytest.raises(InvalidPacket):
        packet.add_attachment(b"")


def test_attachment_that_is_text_or_too_large_is_invalid() -> None:
    with pytest.raises(InvalidPacket):
        read('51-["call"]').add_attachment("text")
    packet = read('53-["call"]')
    packet.max_attachment_bytes = 10
    assert packet.add_attachment(b"x" * 5) is False
    with pytest.raises(InvalidPacket):
        packet.add_attachment(b"x" * 6)


def test_binary_event_without_attachments_is_a_text_event() -> None:
    assert fields(read('50-["call"]')) == (peer.EVENT, "/", None, ["call"])


def test_query_of_a_namespace_is_dropped() -> None:
    assert read("0/room?token=1,{}").namespace == read("0/room?token=1").namespace == "/room"


@pytest.mark.parametrize(
    "text",
    [
        "", "7", "a", "2", "2{}", "2[]", "2[", "2[null]", '2[["x"]]', "2[1]", '21-["x"]', '5["x"]', '51["x"]', "3",
        "3{}", "0[]", '0"x"', "1{}", "4{}", "4", '21234567890123456789["x"]', '2["x"]x', '2٣["x"]', '2["x",NaN]',
        "2" + "[" * 5000, b"\0", "0/" + "n" * 100,
        # python-socketio would call a handler as if the server itself had made the event
        '2["*","a forged sid"]', '2["connect",{"REMOTE_ADDR":"forged"}]', '2["disconnect"]', '2["connect_error"]',
        '2["disconnecting"]', '51-["connect",{"_placeholder":true,"num":0}]',
        # these would remove the counter of a client's callbacks, or announce attachments without limit
        "30[]", "3[]", '5100-["x"]', '52000000000-["x"]',
    ],
)  # fmt: skip
def test_packet_that_no_client_may_send_is_invalid(text: str | bytes) -> None:
    with pytest.raises(InvalidPacket):
        read(text)


@given(st.text("0123456789-/,[]{}\"'abc?\x00é ", max_size=30) | st.text())
def test_arbitrary_text_is_a_packet_or_invalid(text: str) -> None:
    try:
        read(text)
    except InvalidPacket:
        return


@given(st.lists(WITH_BYTES, max_size=3), st.integers(1, 10**18), NAMESPACES)
def test_ack_is_encoded_so_that_python_socketio_decodes_it(values: list[Any], number: int, namespace: str) -> None:
    packet_type = peer.BINARY_ACK if peer.Packet.data_is_binary(values) else peer.ACK
    ack = decoded_by_peer(Packet(peer.ACK, values, namespace, number))
    assert fields(ack) == (packet_type, namespace, number, values)


@pytest.mark.parametrize("value", [2**70, "\ud800", (1, 2), {1: "one"}, 1.5, bytearray(b"x")], ids=repr)
def test_value_is_encoded_as_python_socketio_encodes_it(value: Any) -> None:
    ours, theirs = decoded_by_peer(Packet(peer.EVENT, ["e", value])), peer.Packet(peer.EVENT, ["e", value])
    assert fields(ours)[1:] == fields(decoded_by_peer(theirs))[1:]


def test_value_that_is_not_json_raises_type_error() -> None:
    with pytest.raises(TypeError):
        Packet(peer.EVENT, ["e", object()]).encode()


def test_json_module_of_the_option_is_used() -> None:
    class Shouting:
        @staticmethod
        def dumps(_: Any, **__: Any) -> str:
            return '["HELLO"]'

    packet_class = type("Packet", (Packet,), {"json": Shouting})
    assert packet_class(peer.EVENT, ["hello"]).encode() == '2["HELLO"]'


def test_encode_event_equals_the_encoding_of_the_packet_class() -> None:
    argument = {"seq": 1, "é": [None]}
    assert (
        encode_event("upload-progress", argument).text.decode()[1:]
        == Packet(peer.EVENT, ["upload-progress", argument]).encode()
    )
