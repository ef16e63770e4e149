"""One client that sends as fast as it can, without a token: what everybody else notices of it.

The server wants tokens. `/healthz` is asked again and again over one connection while the flood is on; who is cut off
comes again at once.
"""

from __future__ import annotations

import http.client
import re
import time
from pathlib import Path

from tests.bench.rows import Row
from tests.support.floods import FLOODS, Flood
from tests.support.harness import RunningServer
from tests.support.tokens import SECRET

_MIB = 1 << 20


def measure(folder: Path, *, seconds: float) -> list[Row]:
    """The slowest hundredth of the answers for the worst kind of flood, and by how much the peak of memory grew."""
    with RunningServer(folder / "data", JWT_SECRET=SECRET, ROOMCAST_LOG="error") as server:
        before = _peak(server)
        slowest = max(_answers(server, what, seconds) for what in FLOODS)
        grown = (_peak(server) - before) / _MIB
    what = "one hostile socket: p99 of /healthz, worst kind"
    return [
        Row("hostile_socket_healthz_p99_s", what, "s", "≤ 0.25", [slowest]),
        Row("hostile_socket_growth_mib", "  growth of the peak, all kinds", "MiB", "≤ 20", [grown]),
    ]


def _answers(server: RunningServer, what: str, seconds: float) -> float:
    """The p99 of the seconds that `/healthz` takes while that flood is on."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    took: list[float] = []
    end = time.monotonic() + max(seconds, 1)
    while time.monotonic() < end:
        with Flood(server.port, what, seconds=seconds) as flood:
            while not flood.finished or not took:
                asked = time.perf_counter()
                connection.request("GET", "/healthz")
                assert connection.getresponse().read()
                took.append(time.perf_counter() - asked)
    connection.close()
    return sorted(took)[int((len(took) - 1) * 0.99)]


def _peak(server: RunningServer) -> int:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{server.process.pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024
