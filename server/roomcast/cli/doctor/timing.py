"""The checks that take time: whether bodies, responses and sockets pass at once, and for as long as they last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from roomcast.cli.doctor.connection import QUICK_SECONDS, Connection, Reply
from roomcast.cli.doctor.findings import Finding, Misconfiguration

_BODY_PATH = "/api/doctor/body"
_STREAM_PATH = "/api/doctor/stream"
_SOCKET_PATH = "/socket.io/?EIO=4&transport=websocket"
_PIECE = bytes(32 * 1024)
_LARGE_BYTES = 3 << 19
_HUGE_BYTES = 2 << 30
_HUGE_SECONDS = 5.0
"""A proxy that collects bodies never passes this one on, because it is never complete."""
_PAUSES = (1.0, 3.0)
"""How long a body pauses. The second one is tried when the first was not observed: a busy server notices bytes late."""

_PIECES = 8
_TICK_SECONDS = 0.25

_REFUSALS = (401, 403, 404, 429)
"""Statuses that have reasons of their own."""


async def check_body(connection: Connection) -> list[Finding]:
    """Check that the bytes of a body arrive while it is sent."""
    for pause in _PAUSES:
        reply = await _send_slowly(connection, [_PIECE, _PIECE], pause)
        if reply.error or reply.status in (408, 502, 504):
            return [Finding(Misconfiguration.REQUEST_CUT, f"A body that paused for {pause:g} s {reply.describe()}.")]
        if reply.status != 200 or reply.json().get("spread", 0.0) > pause / 2:
            return []
    text = f"The bytes of a body that paused for {_PAUSES[-1]:g} s arrived all at once."
    return [Finding(Misconfiguration.BODY_BUFFERED, text)]


async def check_sizes(connection: Connection) -> list[Finding]:
    """Check that a body of 1.5 MiB arrives, and that one of 2 GiB is not refused by its length."""
    evidence = []
    large = await _send_slowly(connection, [_PIECE] * (_LARGE_BYTES // len(_PIECE)), 0.0)
    if large.status not in (200, *_REFUSALS) or (large.status == 200 and large.json().get("bytes") != _LARGE_BYTES):
        evidence.append(f"A body of 1.5 MiB {large.describe()}.")

    answered = asyncio.Event()

    async def first_byte() -> AsyncIterator[bytes]:
        yield b"."  # without which no head is sent
        await answered.wait()

    headers = {"Content-Length": str(_HUGE_BYTES)}
    try:
        huge = await connection.request(
            "POST", _BODY_PATH, headers=headers, body=first_byte(), limit_seconds=_HUGE_SECONDS, head_only=True
        )
    finally:
        answered.set()
    if huge.status == 413:
        evidence.append(f"A body of 2 GiB {huge.describe()}.")
    return [Finding(Misconfiguration.BODY_LIMITED, " ".join(evidence))] if evidence else []


async def check_stream(connection: Connection) -> list[Finding]:
    """Check that the events of a stream arrive while it lasts, and as they are."""
    findings = []
    compressed = await _open_stream(connection, 0, encoding="gzip, deflate, br, zstd")
    coding = compressed.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        text = f"An event stream was compressed (Content-Encoding: {coding})."
        findings.append(Finding(Misconfiguration.STREAM_COMPRESSED, text))
    for seconds in map(int, (2, 4)):
        reply = await _open_stream(connection, seconds)
        if reply.error or reply.status != 200 or _spread(reply) > seconds / 2:
            return findings
    text = f"The events of a stream of {seconds} s arrived all at once."
    return [*findings, Finding(Misconfiguration.RESPONSE_BUFFERED, text)]


async def check_socket(connection: Connection, wait_seconds: int) -> list[Finding]:
    """Check that a WebSocket opens, and stays open."""
    reply = await connection.websocket(_SOCKET_PATH, open_seconds=wait_seconds)
    if reply.status != 101:
        return [Finding(Misconfiguration.WEBSOCKET_BLOCKED, f"A WebSocket {reply.describe()}.")]
    if reply.error:
        return [Finding(Misconfiguration.REQUEST_CUT, f"A WebSocket {reply.describe()}.")]
    return []


async def check_long_requests(connection: Connection, wait_seconds: int) -> list[Finding]:
    """Check that a late response, a slow body and a long stream are not cut off."""
    limit = wait_seconds + QUICK_SECONDS
    late, slow, stream = await asyncio.gather(
        connection.request("GET", f"/api/doctor/wait?seconds={wait_seconds}", limit_seconds=limit),
        _send_slowly(connection, [b"."] * (_PIECES + 1), wait_seconds / _PIECES),
        _open_stream(connection, wait_seconds),
    )
    findings = []
    for name, reply, status in (
        (f"A response that took {wait_seconds} s", late, 204),
        (f"A body that took {wait_seconds} s", slow, 200),
        (f"An event stream of {wait_seconds} s", stream, 200),
    ):
        if (reply.error or reply.status != status) and reply.status not in (413, *_REFUSALS):
            text = f"{name} {reply.describe()}" + (f" after {reply.seconds:.1f} s." if not reply.error else ".")
            findings.append(Finding(Misconfiguration.REQUEST_CUT, text))
    if stream.status == 200 and not stream.error and stream.body.count(b"event: ") <= wait_seconds / _TICK_SECONDS:
        text = f"An event stream of {wait_seconds} s ended after {stream.seconds:.1f} s."
        findings.append(Finding(Misconfiguration.REQUEST_CUT, text))
    return findings


async def _send_slowly(connection: Connection, pieces: list[bytes], pause: float) -> Reply:
    async def body() -> AsyncIterator[bytes]:
        for index, piece in enumerate(pieces):
            if index:
                await asyncio.sleep(pause)
            yield piece

    length = {"Content-Length": str(sum(map(len, pieces)))}
    limit = pause * len(pieces) + QUICK_SECONDS
    return await connection.request("POST", _BODY_PATH, headers=length, body=body(), limit_seconds=limit)


async def _open_stream(connection: Connection, seconds: int, *, encoding: str = "identity") -> Reply:
    headers = {"Accept": "text/event-stream", "Accept-Encoding": encoding}
    path = f"{_STREAM_PATH}?seconds={seconds}"
    return await connection.request("GET", path, headers=headers, limit_seconds=seconds + QUICK_SECONDS)


def _spread(reply: Reply) -> float:
    return reply.arrivals[-1] - reply.arrivals[0] if reply.arrivals else 0.0
