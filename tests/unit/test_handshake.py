"""WebSocket handshakes: which are parsed without an HTTP server, which are accepted, and their WSGI environ."""

from __future__ import annotations

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from roomcast.transport.handshake import Environ, Handshake, accept_handshake, parse_plain_handshake

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
    return line + "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1") + b"\r\n"


def plain(data: bytes) -> Handshake | None:
    return parse_plain_handshake(data, "/socket.io/", "192.0.2.1")


def test_plain_handshake_is_parsed_and_accepted() -> None:
    handshake = plain(request(Cookie="a=b; token=c"))
    assert handshake is not None
    assert handshake.query == {"EIO": "4", "transport": "websocket", "t": "a b"}
    assert handshake.headers["sec-websocket-version"] == handshake.environ["HTTP_SEC_WEBSOCKET_VERSION"] == "13"
    response, deflate = accept_handshake(handshake.headers, deflate=False)
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in response
    assert not deflate


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
def test_request_that_is_not_a_plain_handshake_is_left_to_http(data: bytes) -> None:
    assert plain(data) is None


@given(st.binary(max_size=200), st.integers(0, 200))
def test_arbitrary_bytes_are_a_plain_handshake_or_left_to_http(garbage: bytes, at: int) -> None:
    valid = request()
    for data in (garbage, valid[:at] + garbage + valid[at:], valid[:at] + garbage + valid[at + len(garbage) :]):
        found = plain(data)
        assert found is None or found.headers["upgrade"].lower() == "websocket"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Connection": "close"}, {"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": ""}, {"Sec-WebSocket-Key": "é"},
        {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ"}, {"Sec-WebSocket-Key": "c2hvcnQ="},
    ],
)  # fmt: skip
def test_invalid_websocket_headers_are_refused(wrong: dict[str, str]) -> None:
    headers = {name.lower(): value for name, value in (HEADERS | wrong).items()}
    with pytest.raises(web.HTTPBadRequest):
        accept_handshake(headers, deflate=False)


def test_environ_has_the_keys_of_wsgi() -> None:
    head = b"GET /up/socket.io/?EIO=4&t=%20 HTTP/1.1\r\nHost: x:1\r\nX-A: one\r\nx-a:  two \r\nCookie: \xe9\r\n\r\n"
    environ = Environ(head, remote="192.0.2.1", scheme="https")
    assert dict(environ) == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/up/socket.io/",
        "QUERY_STRING": "EIO=4&t=%20",
        "RAW_URI": "/up/socket.io/?EIO=4&t=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "x:1",
        "HTTP_X_A": "one,two",
        "HTTP_COOKIE": "é",
    }
    assert len(environ) == 11
    assert "HTTP_ORIGIN" not in environ
    assert environ.get("HTTP_A") is None, "a header is found by its complete name"


@given(st.binary(max_size=300))
@example(b"\n\x80:")
@example(b"\n\xb5:\n\xff:")
def test_environ_accepts_arbitrary_bytes(head: bytes) -> None:
    assert "REQUEST_METHOD" in dict(Environ(head, remote=""))


_FIELD_BYTES = st.sampled_from([bytes([byte]) for byte in b"Aa-_.!:\t \r\n\x80\xb5\xdf\xff"])


@given(st.lists(_FIELD_BYTES, max_size=40).map(b"".join))
def test_environ_has_a_value_for_each_of_its_keys(fields: bytes) -> None:
    environ = dict(Environ(b"GET / HTTP/1.1\r\n" + fields, remote=""))
    assert all(isinstance(value, str) for value in environ.values())


def test_header_with_an_underscore_is_not_one_with_a_hyphen() -> None:
    environ = Environ(b"GET / HTTP/1.1\r\nX_User: admin\r\nX-Other: 1\r\n\r\n", remote="")
    assert [key for key in dict(environ) if key.startswith("HTTP_")] == ["HTTP_X_OTHER"]
    assert "HTTP_X_USER" not in environ


OFFERS = {
    "": False,
    "permessage-deflate": True,
    "permessage-deflate; client_max_window_bits": True,
    "permessage-deflate; server_max_window_bits=10, permessage-deflate": True,
    "permessage-deflate; server_max_window_bits=10": False,
    'permessage-deflate; client_max_window_bits="15"': True,
    "permessage-deflated": False,
    "x-webkit-deflate-frame": False,
    "permessage-deflate; unknown=1": False,
}


@pytest.mark.parametrize(("offer", "accepted"), OFFERS.items())
def test_compression_is_negotiated_if_the_offer_fits_and_the_server_allows_it(offer: str, accepted: bool) -> None:
    headers = {name.lower(): value for name, value in HEADERS.items()} | {"sec-websocket-extensions": offer}
    for wanted in (False, True):
        response, deflate = accept_handshake(headers, deflate=wanted)
        assert deflate is (accepted and wanted)
        answer = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert (b"Sec-WebSocket-Extensions: " + answer in response) is deflate
