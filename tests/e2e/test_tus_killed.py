"""tus 1.0.0: files in chunks, to a server that is killed meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.e2e.conftest import HeldServer
from tests.support.harness import SHORT_LEASE, Api, HalfSent, eventually
from tests.support.tokens import SECRET, token
from tests.support.tus import MIB, Tus, completed, half_sent, id_of, on_disk, reserved
from tests.support.tus_clients import JAVASCRIPT, client


async def test_upload_resumes_after_the_server_was_killed_during_a_chunk(serve: Serve, large: bytes) -> None:
    server = serve()
    async with Api(server) as api:
        url = await reserved(api, large)
        async with half_sent(server, url, 0, large, 3 * MIB):
            await on_disk(server, url, 2 * MIB)
            server.kill()
        server.restart()
        tus = Tus(api)
        offset = await tus.offset(url)
        assert 2 * MIB <= offset <= 3 * MIB
        assert (await tus.patch(url, offset, large[offset:])).status == 204
        await completed(api, url)


async def test_slow_chunk_loses_nothing_that_its_room_was_told_when_the_server_is_killed_or_terminated(
    serve: Serve, large: bytes
) -> None:
    server = serve(ROOMCAST_SHUTDOWN_SECONDS="1")
    async with Api(server) as api:
        url, tus, offset = await reserved(api, large), Tus(api), 0
        for end in (server.kill, server.terminate):
            async with half_sent(server, url, offset, large[offset:], 1) as sending:
                told = await received_in_drops(api, url, sending, offset + 2000)
                end()
            server.restart()
            offset, before = await tus.offset(url), offset
            assert offset >= told > before
        assert (await tus.patch(url, offset, large[offset:])).status == 204
        await completed(api, url)


async def received_in_drops(api: Api, url: str, sending: HalfSent, least: int) -> int:
    """Send a few bytes now and then, until the room is told that `least` bytes are here; return what it was told."""

    async def told() -> int:
        await sending.send_some(100)
        received: int = (await api.get(id_of(url))).body["bytesReceived"]
        return received if received >= least else 0

    found: int = await eventually(told, 60.0, what="the bytes")
    return found


async def test_upload_is_queued_after_the_server_was_killed_with_all_bytes_stored(tmp_path: Path, large: bytes) -> None:
    held = HeldServer(tmp_path, **SHORT_LEASE)
    with held.server as server:
        async with Api(server) as api:
            url = await reserved(api, large)
            held.hold("complete")
            async with half_sent(server, url, 0, large, len(large)):
                part = next(iter(await eventually(lambda: server.files_of(id_of(url)))))
                await eventually(lambda: part.stat().st_size == len(large))
                server.kill()
            held.let_go()
            server.restart()
            tus = Tus(api)
            await eventually(lambda: waits(api, url), what="the lapse of the lease")
            assert await tus.offset(url) == len(large)
            assert (await api.get(id_of(url))).body["stage"] != "receiving", (
                "the client that knows all bytes are stored sends nothing more"
            )
            await completed(api, url)


async def waits(api: Api, url: str) -> bool:
    return bool((await api.get(id_of(url))).body["message"] == "Waiting for the rest of the file")


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_javascript_client_resumes_after_the_server_was_killed(
    serve: Serve, large: bytes, tmp_path: Path
) -> None:
    server = serve(JWT_SECRET=SECRET, ROOMCAST_VIEWER_BYTES_PER_SECOND=str(2 * MIB))  # so there is time to kill it
    file = tmp_path / "holiday.png"
    file.write_bytes(large[: 3 * MIB])
    async with Api(server, token("ada")) as api:
        async with client(JAVASCRIPT, server, file) as sending:
            url = (await sending.reports("url"))["url"]
            await api.until(id_of(url), lambda message: message["bytesReceived"] > 0)
            server.kill()
            server.restart()
            assert (await sending.reports("success", "error"))["kind"] == "success"
        await completed(api, url)
