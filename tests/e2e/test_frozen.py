"""A server that stands still for longer than a lease lasts: a paused virtual machine, a suspended laptop."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.conftest import Shelf
from tests.e2e.conftest import HeldServer
from tests.e2e.test_form_killed import HEADERS, file_part
from tests.support.harness import Api, HalfSent, eventually

LEASE_SECONDS = 3.0


async def test_frozen_server_goes_on_with_what_arrives_and_what_is_at_work(tmp_path: Path, shelf: Shelf) -> None:
    held = HeldServer(tmp_path, ROOMCAST_LEASE_SECONDS=str(LEASE_SECONDS), ROOMCAST_WORKERS="1")
    content = shelf.image().read_bytes()
    form = file_part("arriving.png", content) + b"--frontier--\r\n"
    with held.server as server:
        async with Api(server) as api:
            held.hold("store")
            at_work = await api.accepted(shelf.image())
            await api.until(at_work, lambda message: message["stage"] == "storing")
            first = len(form) // 2
            async with HalfSent(server, "POST", "/api/uploads", form, first=first, headers=HEADERS) as sending:
                await eventually(lambda: two_are_listed(api))
                server.process.send_signal(signal.SIGSTOP)
                thaws_at = time.monotonic() + 1.5 * LEASE_SECONDS
                await eventually(lambda: time.monotonic() >= thaws_at, what="the end of the pause")
                server.process.send_signal(signal.SIGCONT)
                await eventually(api.list, what="an answer")
                await sending.send()
                assert await sending.status() == 202
            held.let_go()
            assert (await api.cancel(at_work)).status == 200, "its worker still has it, and stops"
            assert (await api.get(at_work)).body["attempt"] == 1
            (arrived,) = [one["uploadId"] for one in (await api.list()).body["uploads"] if one["uploadId"] != at_work]
            assert (await api.finished(arrived))["status"] == "completed"
        assert "lease_expired" not in server.log.read_text()


async def two_are_listed(api: Api) -> bool:
    return len((await api.list()).body["uploads"]) == 2
