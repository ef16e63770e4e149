"""Engine.IO and Socket.IO packets: as python-socketio writes and reads them, and nothing else is let in."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet as peer

from server.realtime import packets
from server.realtime.packets import Invalid, Kind, Said, body_of, packets_of, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMESPACES = st.just("/") | st.text("abcxyz-_/", max_size=8).map("/n{}".format)


def heard(packet: packets.Packet, *attachments: packets.Packet) -> Any:
    """As python-socketio understands it."""
    assert packet.text.startswith(b"4")
    understood = peer.Packet(encoded_packet=packet.text[1:].decode())
    for one in attachments:
        understood.add_attachment(base64.b64decode(one.text.removeprefix(b"b")))
    return understood


@given(st.text(), st.lists(JSON, max_size=3), NAMESPACES, st.none() | st.integers(0, 10**18))
def test_an_event_is_read_as_it_was_written(
    name: str, arguments: list[Any], namespace: str, number: int | None
) -> None:
    text = peer.Packet(peer.EVENT, [name, *arguments], namespace, number).encode()
    assert read(text) == Said(Kind.EVENT, namespace, "" if number is None else str(number), [name, *arguments], 0)


@given(NAMESPACES, st.none() | st.dictionaries(st.text(), JSON, max_size=3))
def test_a_connection_is_read_as_it_was_written(namespace: str, auth: dict[str, Any] | None) -> None:
    text = peer.Packet(peer.CONNECT, auth, namespace).encode()
    assert read(text) == Said(Kind.CONNECT, namespace, "", auth, 0)


HOLDING_BYTES = st.recursive(
    st.none() | st.integers(0, 9) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
)


@given(st.lists(HOLDING_BYTES, max_size=3).filter(peer.Packet.data_is_binary))
def test_bytes_that_follow_an_event_take_their_places(arguments: list[Any]) -> None:
    text, *attachments = peer.Packet(peer.EVENT, ["call", *arguments], id=7).encode()
    said = read(text)
    assert (said.kind, said.number, said.attachments) == (Kind.BINARY_EVENT, "7", len(attachments))
    assert said.holding(attachments).data == ["call", *arguments]


@pytest.mark.parametrize(
    "hole", ['{"_placeholder":true}', '{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":"0"}', "[" * 64]
)
def test_bytes_that_have_no_place(hole: str) -> None:
    said = read(f'51-["call",{hole}{"]" * hole.count("[")}]')
    with pytest.raises(Invalid):
        said.holding([b""])


def test_a_query_is_no_part_of_a_namespace() -> None:
    assert read("0/room?token=1,{}").namespace == read("0/room?token=1").namespace == "/room"


@pytest.mark.parametrize(
    "text",
    [
        "", "7", "a", "2", "2{}", "2[]", "2[", "2[null]", '2[["x"]]', '21-["x"]', '5["x"]', '51["x"]', "3", "3{}",
        "0[]", '0"x"', "1{}", "4{}", "4", '212345678901234567890["x"]', '2["x"]x', '2٣["x"]', '2["x",NaN]',
        "2" + "[" * 5000,
    ],
)  # fmt: skip
def test_what_no_client_may_say(text: str) -> None:
    with pytest.raises(Invalid):
        read(text)


@given(st.text("0123456789-/,[]{}\"'abc?\x00é ", max_size=30) | st.text())
def test_any_text_is_a_packet_or_invalid(text: str) -> None:
    try:
        read(text)
    except Invalid:
        return


@given(st.lists(HOLDING_BYTES, max_size=3), st.integers(0, 10**18), NAMESPACES)
def test_answers_are_understood(values: list[Any], number: int, namespace: str) -> None:
    answer = heard(*packets.speak(Kind.ACK, values, namespace=namespace, number=str(number)))
    kind = peer.BINARY_ACK if peer.Packet.data_is_binary(values) else peer.ACK
    assert (answer.packet_type, answer.namespace or "/", answer.id, answer.data) == (kind, namespace, number, values)


def test_the_server_is_understood() -> None:
    event = heard(packets.event("upload-progress", {"seq": 1}))
    assert (event.packet_type, event.data) == (peer.EVENT, ["upload-progress", {"seq": 1}])
    refusal = heard(*packets.speak(Kind.CONNECT_ERROR, {"message": "No"}, namespace="/other"))
    assert (refusal.packet_type, refusal.namespace, refusal.data) == (peer.CONNECT_ERROR, "/other", {"message": "No"})
    assert heard(*packets.speak(Kind.CONNECT, {"sid": "abc"})).data == {"sid": "abc"}
    assert heard(packets.GOODBYE).packet_type == peer.DISCONNECT


@given(st.lists(st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_a_polling_body_holds_packets(texts: list[str]) -> None:
    plain = ["4" + text for text in texts]
    assert list(packets_of(body_of([packets.Packet(text.encode()) for text in plain]))) == plain


def test_a_polling_body_holds_bytes() -> None:
    assert list(packets_of(b"4x\x1eb" + base64.b64encode(b"\0\xff") + b"\x1e4y")) == ["4x", b"\0\xff", "4y"]


@pytest.mark.parametrize("body", [b"\xff", b"b!", b"4x\x1ebA"])
def test_a_polling_body_that_is_none(body: bytes) -> None:
    with pytest.raises(Invalid):
        list(packets_of(body))
