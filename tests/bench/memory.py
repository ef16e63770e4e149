"""The memory of the server while a body of gigabytes arrives: flat, whatever the form."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tests.harness import Api, RunningServer

MIB = 1 << 20
CHUNK = bytes(MIB)
SAMPLE_EVERY = 64
"""Chunks between two looks at the server's memory."""

FILM = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
"""How a film begins: enough to be let in."""


async def measure(folder: Path, *, gibibytes: int) -> dict[str, Any]:
    """For each form of sending, in a server of its own: resident memory before, the most seen, and the growth."""
    size = gibibytes << 30
    return {form: await _arriving(folder / form, form, size) for form in ("PUT", "multipart")}


async def _arriving(data: Path, form: str, size: int) -> dict[str, Any]:
    with RunningServer(data, ROOMCAST_MAX_UPLOAD_BYTES=str(size + MIB)) as server:
        async with Api(server) as api:
            assert await api.healthy()
            before = _memory(server)
            seen: list[int] = []
            began = time.perf_counter()
            await _send(api, form, size, lambda: seen.append(_memory(server)["VmRSS"]))
            seconds = time.perf_counter() - began
            after = _memory(server)
    return {
        "bytes": size,
        "seconds": seconds,
        "mib_per_second": size / MIB / seconds,
        "rss_before_mib": before["VmRSS"] / 1024,
        "rss_most_mib": max(seen) / 1024,
        "peak_growth_mib": (after["VmHWM"] - before["VmHWM"]) / 1024,
    }


async def _send(api: Api, form: str, size: int, look: Callable[[], None]) -> None:
    async def body(head: bytes, tail: bytes) -> AsyncIterator[bytes]:
        yield head
        left = size - len(FILM)
        for number in range(left // MIB):
            yield CHUNK
            if number % SAMPLE_EVERY == 0:
                look()
        yield bytes(left % MIB) + tail

    if form == "PUT":
        _, url = await api.reserved("film.mp4", size)
        reply = await api.say("PUT", url, data=body(FILM, b""), headers={"Content-Length": str(size)})
    else:
        part = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=frontier"}
        reply = await api.say("POST", "/api/uploads", data=body(part + FILM, b"\r\n--frontier--\r\n"), headers=kind)
    assert reply.status == 202, reply.body


def _memory(server: RunningServer) -> dict[str, int]:
    """The kernel's account of the process, in KiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return {name: int(value) for name, value in re.findall(r"^(Vm\w+):\s+(\d+) kB$", status, re.MULTILINE)}
