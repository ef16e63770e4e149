"""Engine.IO packets in the bodies of polling requests and responses."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.transport.packets import EncodedPacket, InvalidPacket, decode_payload, encode_payload


@given(st.lists(st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_payload_of_text_packets_is_decoded_as_it_was_encoded(texts: list[str]) -> None:
    plain = ["4" + text for text in texts]
    assert list(decode_payload(encode_payload([EncodedPacket(text.encode()) for text in plain]))) == plain


def test_payload_with_binary_messages_is_decoded_as_it_was_encoded() -> None:
    assert list(decode_payload(b"4x\x1eb" + base64.b64encode(b"\0\xff") + b"\x1e4y")) == ["4x", b"\0\xff", "4y"]


@pytest.mark.parametrize("body", [b"\xff", b"b!", b"4x\x1ebA", "bé".encode()])
def test_body_that_is_not_a_payload_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidPacket):
        list(decode_payload(body))
