"""The Python client against the real server, directly and through proxies that fail."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from roomcast.client import client as roomcast_module
from roomcast.client.client import LOCAL_FILE, NETWORK, Client, ClientError
from roomcast.client.local_file import LocalFile

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.tokens import SECRET, token
from tests.support.tus import MIB, half_sent, on_disk
from tests.support.watchers import assert_truthful

Middle = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


TEMPLATES = """
[templates.kept]
kind = "image"
keep_source = "1h"
"""


@pytest.fixture
def settings(fake: FakeFfmpeg, tmp_path: Path) -> dict[str, str]:
    templates = tmp_path / "templates.toml"
    templates.write_text(TEMPLATES)
    return {
        **fake.env,
        "ROOMCAST_TEMPLATES": str(templates),
        "JWT_SECRET": SECRET,
        "ROOMCAST_VIEWER_BYTES_PER_SECOND": str(8 * MIB),
        "ROOMCAST_IMPORT_PRIVATE": "1",
    }


@pytest.fixture
async def api(server: AppServer) -> AsyncIterator[Api]:
    async with Api(server, token("ada")) as client:
        yield client


@pytest.fixture
async def roomcast(server: AppServer) -> AsyncIterator[Client]:
    async with Client(server.url, token=token("ada")) as client:
        yield client


@pytest.fixture
def file(large: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    path.write_bytes(large)
    return path


@asynccontextmanager
async def front(server: AppServer, middle: Middle) -> AsyncIterator[str]:
    """A proxy, whose `middle` may answer a request itself; its URL."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if answer := await middle(request):
            return answer
        async with session.request(
            request.method,
            f"{server.url}{request.path_qs}",
            headers=request.headers,
            data=io.BytesIO(await request.read()),
        ) as response:
            kept = {
                name: value for name, value in response.headers.items() if name.startswith(("Upload-", "Content-T"))
            }
            answer = web.StreamResponse(status=response.status, headers=kept)
            await answer.prepare(request)
            with suppress(ConnectionError):  # the client has heard enough
                async for chunk in response.content.iter_any():
                    await answer.write(chunk)
            return answer

    app = web.Application(client_max_size=16 * MIB)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    async with aiohttp.ClientSession() as session:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def states_of(client: Client, upload_id: str) -> list[Any]:
    return [state async for state in client.watch(upload_id)]


async def test_known_file_is_found_and_not_sent_again(roomcast: Client, api: Api, shelf: Shelf, tmp_path: Path) -> None:
    picture = shelf.image("picture.png")
    states: list[Any] = []
    done = await roomcast.upload(picture, type="image", on_progress=states.append)
    assert done["status"] == "completed"
    assert states[-1] == done
    assert_truthful(states[1:])
    renamed = picture.rename(tmp_path / "renamed.png")
    again = await roomcast.upload(renamed, type="image")
    assert again["uploadId"] == done["uploadId"]
    other = await roomcast.upload(renamed)
    assert other["uploadId"] != done["uploadId"], "another template makes something else of it"
    listed = [state["uploadId"] async for state in roomcast.list(status="completed")]
    assert listed[:2] == [other["uploadId"], done["uploadId"]]
    main, *_ = done["element"]["outputs"]
    fetched = await roomcast.download(main, tmp_path / "out")
    assert (fetched.name, fetched.stat().st_size) == (Path(main["key"]).name, main["size"])


async def test_links_are_absolute_in_every_method(server: AppServer, roomcast: Client, shelf: Shelf) -> None:
    clip = shelf.clip(seconds=1)
    done = await roomcast.upload(clip)
    upload_id = done["uploadId"]
    states = [done, await roomcast.state(upload_id)]
    states += [state async for state in roomcast.watch(upload_id)]
    states += [state async for state in roomcast.list(status="completed") if state["uploadId"] == upload_id]
    assert len(states) >= 4
    for state in states:
        links = [state["element"]["url"], state["poster"]["url"], *(one["url"] for one in state["element"]["outputs"])]
        assert all(link is not None and link.startswith(f"{server.url}/media/") for link in links)
    md5 = hashlib.md5(clip.read_bytes(), usedforsecurity=False).hexdigest()
    status = await roomcast.assembly(hashlib.sha256(f"{md5}autoada".encode()).hexdigest())
    results = [result for made in status["results"].values() for result in made]
    assert results
    assert all(result["ssl_url"].startswith(f"{server.url}/media/") for result in results)


async def test_stored_file_is_linked_processed_again_imported_and_deleted(
    server: AppServer, roomcast: Client, shelf: Shelf
) -> None:
    done = await roomcast.upload(shelf.image(size=(64, 64)), type="kept")
    upload_id = done["uploadId"]
    made = await roomcast.create_link(upload_id, scope="control", expires="7d")
    assert made["url"].startswith(f"{server.url}/u/")
    assert made["scope"] == "control"
    (listed,) = await roomcast.links(upload_id)
    assert listed == {name: value for name, value in made.items() if name != "url"}
    await roomcast.revoke_link(upload_id, made["id"])
    assert await roomcast.links(upload_id) == []

    again = await roomcast.process(upload_id, type="image", metadata={"n": 1})
    assert again["uploadId"] != upload_id
    processed = await roomcast.follow(again["uploadId"], lambda _: None)
    assert (processed["status"], processed["metadata"]) == ("completed", {"n": 1})

    source = done["element"]["outputs"][0]["url"]
    fetched = await roomcast.import_url(source, type="image", filename="copy.webp", metadata={"n": 2})
    imported = await roomcast.follow(fetched["uploadId"], lambda _: None)
    assert (imported["status"], imported["filename"], imported["metadata"]) == ("completed", "copy.webp", {"n": 2})

    assert [await roomcast.delete(upload_id) for _ in range(2)] == [True, False]
    with pytest.raises(ClientError) as gone:
        await roomcast.state(upload_id)
    assert gone.value.code == "DELETED"
    reserved = await roomcast.reserve(shelf.image())
    assert await roomcast.delete(reserved["uploadId"]), "it is cancelled first"


async def test_concurrent_uploads_complete(roomcast: Client, shelf: Shelf) -> None:
    pictures = [shelf.image(f"{side}.png", size=(side, 64)) for side in range(64, 67)]
    ended = await asyncio.gather(*(roomcast.upload(picture) for picture in pictures))
    assert [state["filename"] for state in ended] == [picture.name for picture in pictures]
    assert {state["status"] for state in ended} == {"completed"}


async def test_upload_resumes_what_another_client_left(server: AppServer, roomcast: Client, file: Path) -> None:
    reserved = await roomcast.reserve(file)
    url = f"/api/tus/{reserved['uploadId']}"
    offsets: list[int] = []

    async def noting(request: web.Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["Upload-Offset"]))

    headers = {"Authorization": f"Bearer {token('ada')}"}
    async with half_sent(server, url, 0, file.read_bytes(), 2 * MIB, headers):
        await on_disk(server, url, MIB)
        async with front(server, noting) as behind, Client(behind, token=token("ada")) as client:
            done = await client.upload(file)
    assert (done["status"], done["uploadId"]) == ("completed", reserved["uploadId"])
    assert [offset >= MIB for offset in offsets] == [True]


async def test_overtaken_client_fails_with_wrong_state(
    server: AppServer, roomcast: Client, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first client reads no more of its file after some bytes, and the other one none before the first failed."""
    read_chunks = LocalFile.chunks

    async def held_chunks(source: LocalFile, offset: int) -> AsyncGenerator[bytes, None]:
        left, is_first = 2 * MIB, offset == 0
        if not is_first:
            await asyncio.wait({first})
        async for chunk in read_chunks(source, offset):
            yield chunk
            left -= len(chunk)
            if is_first and left <= 0:
                await asyncio.Event().wait()

    async with Client(server.url, token=token("ada")) as other:
        reserved = await roomcast.reserve(file)
        monkeypatch.setattr(LocalFile, "chunks", held_chunks)
        first = asyncio.create_task(roomcast.send(file, reserved["uploadId"]))
        async for state in other.watch(reserved["uploadId"]):
            if state["bytesReceived"] >= MIB:
                break
        done = await other.send(file, reserved["uploadId"])
        with pytest.raises(ClientError) as overtaken:
            await first
    assert overtaken.value.code == "WRONG_STATE"
    assert done["stage"] != "receiving"
    await states_of(roomcast, reserved["uploadId"])


async def test_watch_resumes_a_broken_stream(server: AppServer, roomcast: Client, shelf: Shelf) -> None:
    positions: list[str | None] = []

    async def cutting(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/events"):
            return None
        positions.append(request.headers.get("Last-Event-ID"))
        if len(positions) == 2:
            return web.Response(status=502, text="<html>")
        if len(positions) == 1:
            state = await roomcast.state(request.path.split("/")[3])
            body = f"id: {state['epoch']}:1\ndata: {json.dumps(state)}\n\ndata: half"
            return web.Response(text=body, content_type="text/event-stream")
        return None

    upload_id = (await roomcast.upload(shelf.image(), wait=False))["uploadId"]
    async with front(server, cutting) as url, Client(url, token=token("ada")) as behind:
        states = await states_of(behind, upload_id)
    assert states[-1]["status"] == "completed"
    assert positions[0] is None
    assert positions[1:] == [f"{states[0]['epoch']}:1"] * 2


async def test_watch_polls_if_streams_are_refused(
    server: AppServer, roomcast: Client, shelf: Shelf, fake: FakeFfmpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roomcast_module, "_POLL_SECONDS", 0.05)

    async def refusing(request: web.Request) -> web.StreamResponse | None:
        return web.Response(status=405) if request.path.endswith("/events") else None

    async with front(server, refusing) as url, Client(url, token=token("ada")) as behind:
        fake.behave("slow:0.6")
        states: list[Any] = []
        done = await behind.upload(shelf.clip(seconds=0.5), on_progress=states.append)
        fake.heal()
        assert done["status"] == "completed"
        assert_truthful(states)
        assert len(states) == len({str(state) for state in states}), "each is told once"
        with pytest.raises(ClientError) as refused:
            await states_of(behind, "upload_" + "0" * 32)
        assert (refused.value.code, refused.value.status) == ("NOT_FOUND", 404)


async def test_failed_upload_raises_and_a_cancelled_one_completes_after_a_retry(
    roomcast: Client, shelf: Shelf, fake: FakeFfmpeg
) -> None:
    fake.behave("invalid")
    clip, states = shelf.clip(seconds=0.6), list[Any]()
    with pytest.raises(ClientError) as failed:
        await roomcast.upload(clip, on_progress=states.append)
    assert (failed.value.code, failed.value.retryable) == ("UNREADABLE_MEDIA", False)
    assert states[-1]["error"]["code"] == "UNREADABLE_MEDIA"
    with pytest.raises(ClientError) as refused:
        await roomcast.retry(states[-1]["uploadId"])
    assert (refused.value.code, refused.value.status) == ("WRONG_STATE", 409)
    fake.behave("hang")
    begun = await roomcast.upload(clip, wait=False)
    assert begun["uploadId"] != states[-1]["uploadId"], "what failed is not gone on with"
    assert (await roomcast.cancel(begun["uploadId"]))["stage"] == "cancelled"
    fake.heal()
    assert (await roomcast.retry(begun["uploadId"]))["stage"] == "receiving"
    await roomcast.send(clip, begun["uploadId"])
    assert (await states_of(roomcast, begun["uploadId"]))[-1]["status"] == "completed"


async def test_file_that_shrinks_while_it_is_sent_raises_local_file(
    server: AppServer, roomcast: Client, file: Path
) -> None:
    async def shrinking(request: web.Request) -> web.StreamResponse | None:
        if request.method != "HEAD":
            return None
        file.write_bytes(b"little")
        return web.Response(headers={"Upload-Offset": "0"})

    reserved = await roomcast.reserve(file)
    async with front(server, shrinking) as behind, Client(behind, token=token("ada")) as client:
        with pytest.raises(ClientError) as failed:
            await client.send(file, reserved["uploadId"])
    assert failed.value.code == LOCAL_FILE
    await roomcast.cancel(reserved["uploadId"])


async def test_calls_need_the_token_of_the_owner(server: AppServer, api: Api) -> None:
    upload_id, _ = await api.reserved("picture.png", 100)
    for given, expected in ((None, "UNAUTHENTICATED"), (token("eve"), "FORBIDDEN")):
        async with Client(server.url, token=given) as client:
            for call in (client.state, client.cancel, client.retry, lambda one: states_of(client, one)):
                with pytest.raises(ClientError) as refused:
                    await call(upload_id)
                assert refused.value.code == expected


async def test_unreachable_server_raises_at_once_if_it_was_never_reached(shelf: Shelf) -> None:
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ClientError) as failed:
            await client.upload(shelf.image())
    assert (failed.value.code, failed.value.status, failed.value.retryable) == (NETWORK, None, False)


async def test_token_is_not_sent_to_another_server(server: AppServer, tmp_path: Path) -> None:
    sent: list[str | None] = []
    folder = tmp_path / "out"
    folder.mkdir()

    async def bucket(request: web.Request) -> web.StreamResponse:
        sent.append(request.headers.get("Authorization"))
        return web.Response(body=b"12345")

    async with front(server, bucket) as url, Client(server.url, token=token("ada"), retry_seconds=0) as client:
        output: Any = {"key": "upload_x/video.mp4", "size": 5, "url": f"{url}/signed%2Flink?a=b"}
        assert (await client.download(output, folder)).read_bytes() == b"12345"
        with pytest.raises(ClientError, match="The download has 5 of 6 bytes"):
            await client.download(output | {"size": 6}, folder)
    assert set(sent) == {None}
    assert [path.name for path in folder.iterdir()] == ["video.mp4"]
