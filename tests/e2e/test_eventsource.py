"""npm's `eventsource` client against the event streams."""

from __future__ import annotations

import asyncio
from typing import Self

import pytest

from tests.conftest import Serve, Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import ROOT, SHORT_LEASE, Api
from tests.support.node_host import NodeProgram
from tests.support.tokens import SECRET, token
from tests.support.watchers import Recorder, assert_truthful

SCRIPT = ROOT / "tests" / "node" / "listen.mjs"

pytestmark = pytest.mark.node


@pytest.fixture(autouse=True)
def eventsource(node: None) -> None:
    if not (ROOT / "static" / "node_modules" / "eventsource").is_dir():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")


class NodeListener(Recorder):
    """An EventSource in a Node process. `code`: the status that closed it for good."""

    def __init__(self, url: str, event: str, token: str = "") -> None:
        super().__init__()
        self.ids: list[str] = []
        self.opened = 0
        self.closed_by: int | None = None
        self._program = NodeProgram(SCRIPT, url, event, token)

    async def __aenter__(self) -> Self:
        await self._program.__aenter__()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._program.end_input()
        await self._reading
        await self._program.__aexit__(None, None, None)

    async def _read(self) -> None:
        async for lines in self._program.lines():
            match lines["kind"]:
                case "open":
                    self.opened += 1
                case "event":
                    self.ids.append(lines["id"])
                    self.record("upload-progress", lines["data"])
                case "closed":
                    self.closed_by = lines["code"]
            self._changed.set()


async def test_eventsource_reconnects_by_itself_and_stops_at_the_end(
    serve: Serve, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("busy")
    server = serve(JWT_SECRET=SECRET, **fake.env, **SHORT_LEASE)
    async with Api(server, token("alice")) as api:
        upload_id = await api.accepted(shelf.clip())
        url = f"{server.url}/api/uploads/{upload_id}/events"
        async with NodeListener(url, "upload-progress", token("alice")) as listener:
            await listener.until(upload_id, lambda message: bool(message["speed"]))
            server.kill()
            fake.heal()
            server.restart()
            end = await listener.end(upload_id)
            await listener.wait_until(lambda: listener.closed_by)
        assert (end["status"], listener.closed_by) == ("completed", 204)
        assert listener.opened == 2
        events = listener.events(upload_id)
        assert [event["seq"] for event in events] == list(range(events[0]["seq"], end["seq"] + 1))
        assert_truthful(listener.messages(upload_id))


async def test_eventsource_stops_after_a_refusal(serve: Serve) -> None:
    server = serve(JWT_SECRET=SECRET)
    async with Api(server, token("alice")) as api:
        upload_id, _ = await api.reserved("clip.mp4", 100)
    for route in (f"/api/uploads/{upload_id}/events", f"/api/files/progress/{upload_id}"):
        for bearer, status in (("", 401), ("garbage", 401), (token("bob"), 403)):
            async with NodeListener(server.url + route, "progress", bearer) as listener:
                await listener.wait_until(lambda one=listener: one.closed_by)  # type: ignore[misc]
                assert listener.closed_by == status


async def test_eventsource_reads_the_files_dialect(serve: Serve, shelf: Shelf) -> None:
    server = serve()
    async with Api(server) as api:
        upload_id = await api.accepted(shelf.image())
        async with NodeListener(f"{server.url}/api/files/progress/{upload_id}", "progress") as listener:
            await listener.wait_until(lambda: listener.closed_by)
            assert listener.received[-1].message["status"] == "completed"
