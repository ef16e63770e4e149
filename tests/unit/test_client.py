"""The Python client's smaller parts: the stream parser, the order of states, errors, retries and local files."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.client import local_file as source_module
from roomcast.client.client import _is_newer, _subject
from roomcast.client.errors import LOCAL_FILE, NETWORK, ClientError, error_from_response
from roomcast.client.http import HttpConnection
from roomcast.client.local_file import open_source
from roomcast.client.retry import RetryWindow
from roomcast.client.sse import Event, Parser
from roomcast.errors import RETRYABLE, Code
from roomcast.http.errors import STATUS
from roomcast.http.streams import sse
from roomcast.uploads.viewer import ANONYMOUS

from tests.support.tokens import token


class TestParser:
    WIRE = (
        sse.RETRY
        + sse.sse_event("upload-progress", {"n": 1}, "abc:7")
        + sse.KEEP_ALIVE
        + sse.sse_event("upload-progress", {"name": "ä\n"})
        + b"data: two\r\ndata: lines\r\n\r\n"
        + b'data: {"cut'
    )
    EVENTS = (Event('{"n":1}', "abc:7"), Event('{"name":"ä\\n"}', None), Event("two\nlines", None))

    @given(st.lists(st.integers(0, len(WIRE)), max_size=8).map(sorted))
    def test_parser_reads_the_stream_in_any_chunks(self, cuts: list[int]) -> None:
        parser, bounds = Parser(), [0, *cuts, len(self.WIRE)]
        events = [event for first, last in itertools.pairwise(bounds) for event in parser.feed(self.WIRE[first:last])]
        assert tuple(events) == self.EVENTS

    def test_parser_reads_the_stream_byte_by_byte(self) -> None:
        parser = Parser()
        assert tuple(event for byte in self.WIRE for event in parser.feed(bytes([byte]))) == self.EVENTS


BEFORE: dict[str, Any] = {"epoch": "a", "seq": 5, "attempt": 1, "progress": 42.0, "updatedAt": "1"}


class TestIsNewer:
    """The order of states, some of which a resumed stream repeats."""

    @pytest.mark.parametrize(
        "change",
        [{"seq": 6}, {"progress": 43.0}, {"updatedAt": "2"}, {"epoch": "b", "seq": 1}, {"seq": 6, "progress": 20.0}],
    )
    def test_later_state_is_newer(self, change: dict[str, Any]) -> None:
        assert _is_newer({**BEFORE, **change}, BEFORE)  # type: ignore[arg-type, typeddict-item]

    @pytest.mark.parametrize("change", [{}, {"seq": 4, "progress": 90.0}, {"progress": 41.0}])
    def test_earlier_or_equal_state_is_not_newer(self, change: dict[str, Any]) -> None:
        assert not _is_newer({**BEFORE, **change}, BEFORE)  # type: ignore[arg-type, typeddict-item]


class TestErrors:
    @pytest.mark.parametrize("code", Code)
    def test_error_has_the_code_of_the_response(self, code: Code) -> None:
        error = error_from_response(
            STATUS[code], {"error": {"code": code.value, "message": "Why.", "details": {"n": 1}}}
        )
        assert (error.code, error.message, error.status) == (code, "Why.", STATUS[code])
        assert error.retryable == (code in RETRYABLE)
        assert error.details == {"n": 1}

    @pytest.mark.parametrize(
        ("status", "code", "retryable"),
        [
            (401, Code.UNAUTHENTICATED, False),
            (404, Code.NOT_FOUND, False),
            (410, Code.NOT_FOUND, False),
            (418, Code.MALFORMED, False),
            (423, Code.WRONG_STATE, True),
            (429, Code.TOO_MANY, True),
            (502, Code.INTERNAL, True),
        ],
    )
    @pytest.mark.parametrize("body", [None, "<html>", [], {"error": "oops"}])
    def test_error_without_a_code_gets_one_from_the_status(
        self, status: int, code: Code, retryable: bool, body: Any
    ) -> None:
        error = error_from_response(status, body)
        assert (error.code, error.retryable, error.status) == (code, retryable, status)
        assert error.message == ("oops" if isinstance(body, dict) else f"The server answered {status}.")

    @pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://"])
    def test_invalid_url_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="http://"):
            HttpConnection(url, None)


class TestRetryWindow:
    """With a clock of its own, that only pauses move."""

    @pytest.fixture(autouse=True)
    def pauses(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr("roomcast.runtime.backoff.asyncio.sleep", pause)
        monkeypatch.setattr("roomcast.client.retry.time.monotonic", lambda: sum(pauses))
        return pauses

    async def test_delays_grow_until_the_window_ends(self, pauses: list[float]) -> None:
        retries, error = RetryWindow(60), ClientError(NETWORK, "Gone.", retryable=True)
        with pytest.raises(ClientError):
            await asyncio.gather(*(retries.wait_or_raise(error) for _ in range(100)))
        assert 60 < sum(pauses) <= 70
        assert pauses[0] <= 0.25
        assert 4 <= pauses[-1] <= 8

    async def test_success_resets_the_delays(self, pauses: list[float]) -> None:
        retries, error = RetryWindow(1), ClientError(NETWORK, "Gone.", retryable=True)
        for _ in range(100):
            await retries.wait_or_raise(error)
            retries.reset()
        assert max(pauses) <= 0.25

    async def test_permanent_error_is_raised_at_once(self, pauses: list[float]) -> None:
        with pytest.raises(ClientError):
            await RetryWindow(60).wait_or_raise(ClientError(Code.FORBIDDEN.value, "No."))
        assert pauses == []


class TestSource:
    async def test_source_has_the_bytes_of_the_file_and_their_md5(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(source_module, "_READ_BYTES", 3)
        path = tmp_path / "file"
        path.write_bytes(b"0123456789")
        source = await open_source(path)
        assert await source.md5() == hashlib.md5(b"0123456789", usedforsecurity=False).hexdigest()
        assert [chunk async for chunk in source.chunks(4)] == [b"456", b"789"]
        assert [chunk async for chunk in source.chunks(10)] == []

    async def test_file_that_shrinks_meanwhile_raises_local_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"0123456789")
        source = await open_source(path)
        path.write_bytes(b"01234")
        with pytest.raises(ClientError) as raised:
            [chunk async for chunk in source.chunks(0)]
        assert raised.value.code == LOCAL_FILE

    async def test_unreadable_file_raises_local_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        os.mkfifo(tmp_path / "pipe")
        for name, code in (
            ("", LOCAL_FILE),
            ("none", LOCAL_FILE),
            ("pipe", LOCAL_FILE),
            ("empty", Code.UNREADABLE_MEDIA),
        ):
            with pytest.raises(ClientError) as raised:
                await open_source(tmp_path / name)
            assert raised.value.code == code


@pytest.mark.parametrize("nonsense", [None, "", "opaque", "a.b.c", "e30.e30.e30", "a.W10.c"])
def test_subject_is_read_from_the_token(nonsense: str | None) -> None:
    assert _subject(token("ada")) == "ada"
    assert _subject(nonsense) == ANONYMOUS


@pytest.mark.parametrize(
    ("server", "path", "url"),
    [
        ("http://a.example", "api/uploads", "http://a.example/api/uploads"),
        ("http://a.example/shop/uploads", "api/uploads", "http://a.example/shop/uploads/api/uploads"),
        ("http://a.example/shop/uploads/?x=1", "api/uploads", "http://a.example/shop/uploads/api/uploads"),
        ("http://a.example/shop", "/shop/media/1.a/b", "http://a.example/shop/media/1.a/b"),
        ("http://a.example/shop", "https://cdn.example/b", "https://cdn.example/b"),
    ],
)
def test_path_of_the_servers_url_is_a_prefix_of_routes_and_not_of_links(server: str, path: str, url: str) -> None:
    assert str(HttpConnection(server, None).url(path)) == url
