"""The memory of the server while a body of gigabytes arrives: flat, whatever the form."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.rows import Row
from tests.support.harness import Api, RunningServer

MIB = 1 << 20
CHUNK = bytes(MIB)
FILM = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
"""How a film begins: enough to be let in."""


@dataclass(frozen=True)
class BodyPipeline:
    """Of one body: how fast it came, and by how much the peak of the server's memory grew meanwhile."""

    mib_per_second: float
    growth_mib: float


async def measure(folder: Path, *, mebibytes: int) -> list[Row]:
    """For each form of sending, in a server of its own: how fast it goes, and by how much the peak of memory grows."""
    rows = []
    for form in ("PUT", "multipart"):
        seen = await _arriving(folder / form, form, mebibytes << 20)
        key = form.lower()
        what = f"{mebibytes:,} MiB by {form}"
        rows.append(Row(f"memory_{key}_mib_per_second", what, "MiB/s", "", [seen.mib_per_second]))
        rows.append(Row(f"memory_{key}_growth_mib", "  growth of the peak", "MiB", "flat", [seen.growth_mib]))
    return rows


async def _arriving(data: Path, form: str, size: int) -> BodyPipeline:
    with RunningServer(data, ROOMCAST_MAX_UPLOAD_BYTES=str(size + MIB)) as server:
        async with Api(server) as api:
            assert await api.healthy()
            before = _memory(server)
            began = time.perf_counter()
            await _send(api, form, size)
            seconds = time.perf_counter() - began
            after = _memory(server)
    return BodyPipeline(size / MIB / seconds, (after["VmHWM"] - before["VmHWM"]) / 1024)


async def _send(api: Api, form: str, size: int) -> None:
    async def body(head: bytes, tail: bytes) -> AsyncIterator[bytes]:
        yield head
        left = size - len(FILM)
        for _ in range(left // MIB):
            yield CHUNK
        yield bytes(left % MIB) + tail

    if form == "PUT":
        _, url = await api.reserved("film.mp4", size)
        reply = await api.request("PUT", url, data=body(FILM, b""), headers={"Content-Length": str(size)})
    else:
        part = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=frontier"}
        reply = await api.request("POST", "/api/uploads", data=body(part + FILM, b"\r\n--frontier--\r\n"), headers=kind)
    assert reply.status == 202, reply.body


def _memory(server: RunningServer) -> dict[str, int]:
    """The kernel's account of the process, in KiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return {name: int(value) for name, value in re.findall(r"^(Vm\w+):\s+(\d+) kB$", status, re.MULTILINE)}
