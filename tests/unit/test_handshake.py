"""Who may come to `/socket.io/`, and which requests are plain enough to need no HTTP server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.realtime.handshake import Handshake, plain
from server.upload.errors import Forbidden, Malformed

LINE = b"GET /socket.io/?EIO=4&transport=websocket&t=a%20b HTTP/1.1\r\n"
HEADERS = {
    "Host": "roomcast.example",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def request(line: bytes = LINE, **more: str) -> bytes:
    headers = HEADERS | {name.replace("_", "-"): value for name, value in more.items()}
    return line + "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


def asked(**headers: str) -> Handshake:
    return Handshake({}, {name.replace("_", "-"): value for name, value in headers.items()})


def test_a_plain_handshake_is_understood() -> None:
    handshake = plain(request(Cookie="a=b; token=c"))
    assert handshake is not None
    assert handshake.query == {"EIO": "4", "transport": "websocket", "t": "a b"}
    assert handshake.headers["sec-websocket-version"] == "13"
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in handshake.switch_protocols()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\n", request()[:-1], request() + b"x", request() + request(), request(Content_Length="3"),
        request(Transfer_Encoding="chunked"), request(host="twice"), request(X=""), request(X="\xe9"),
        request(X="a\0b"), request(Upgrade="h2c"), request(X="x" * 20_000), request(LINE.replace(b"GET", b"POST")),
        request(LINE.replace(b"1.1", b"1.0")), request(LINE.replace(b"/socket.io/", b"/api/")),
        request(LINE.replace(b"4&", b"4#&")), request(LINE.replace(b"\r\n", b"\n")),
        request().replace(b"Upgrade: W", b"Upgrade : W"), request().replace(b"\r\nUp", b"\r\n Up"),
        request().replace(b"\r\n", b"\n"),
    ],
)  # fmt: skip
def test_everything_else_is_for_http(data: bytes) -> None:
    assert plain(data) is None


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_handshake_or_for_http(rubbish: bytes, at: int) -> None:
    whole = request()
    for data in (rubbish, whole[:at] + rubbish + whole[at:], whole[:at] + rubbish + whole[at + len(rubbish) :]):
        found = plain(data)
        assert found is None or found.wants_websocket


@pytest.mark.parametrize(
    "wrong",
    [
        {"Connection": "close"}, {"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": ""}, {"Sec-WebSocket-Key": "é"},
        {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ"}, {"Sec-WebSocket-Key": "c2hvcnQ="},
    ],
)  # fmt: skip
def test_what_is_no_websocket_handshake(wrong: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        Handshake({}, HEADERS | wrong).switch_protocols()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://roomcast.example", "Host": "roomcast.example"},
        {"Origin": "https://roomcast.example", "Host": "10.0.0.1:8000", "X_Forwarded_Host": "roomcast.example, inner"},
        {"Origin": "https://friend.example", "Host": "roomcast.example"},
    ],
)
def test_pages_that_may_come(headers: dict[str, str]) -> None:
    asked(**headers).check_origin(["https://friend.example"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example", "Host": "roomcast.example"},
        {"Origin": "http://friend.example", "Host": "roomcast.example"},
        {"Origin": "null", "Host": "roomcast.example"},
        {"Origin": ""},
    ],
)
def test_pages_that_may_not(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        asked(**headers).check_origin(["https://friend.example"])


def test_a_token_comes_in_a_header_or_a_cookie() -> None:
    assert asked(Authorization="Bearer one", Cookie="token=two").credential("token") == "one"
    assert asked(Cookie='other=x; token="two"; token=three').credential("token") == "two"
    assert asked(Cookie="nontoken=x; token").credential("token") is None
    assert asked().credential("token") is None
