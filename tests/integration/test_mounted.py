"""Roomcast in another aiohttp application, below a prefix, with that application's session cookies."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
import socketio
from aiohttp import web
from aiohttp.test_utils import TestServer
from roomcast import CallerRequest, Roomcast, Settings, Viewer

from tests.support.app import AppServer, nothing_left
from tests.support.harness import Api, eventually
from tests.support.settings import settings_of
from tests.support.streams import StreamWatcher
from tests.support.tus import CHUNK_HEADERS, VERSION
from tests.support.watchers import Watcher, refused

PREFIX = "/shop/uploads"
ADA = {"Cookie": "sessionid=ada"}


async def who(request: CallerRequest) -> Viewer | None:
    return Viewer(request.cookies["sessionid"]) if "sessionid" in request.cookies else None


@web.middleware
async def shop(request: web.Request, handler: Any) -> web.StreamResponse:
    """The middleware of the outer application, which changes every response that is not sent yet."""
    response: web.StreamResponse = await handler(request)
    if not response.prepared:
        response.headers["X-Shop"] = "middleware"
    return response


async def on_prepare(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Shop-Signal"] = "prepared"


@asynccontextmanager
async def mounted(rc: Roomcast, folder: Path, log: list[dict[str, Any]]) -> AsyncIterator[AppServer]:
    outer = web.Application(middlewares=[shop])
    outer.on_response_prepare.append(on_prepare)
    outer.router.add_get("/", front_page)
    rc.mount(outer, PREFIX)
    server = AppServer(folder, log, outer)
    async with nothing_left(), TestServer(outer) as listening:
        assert listening.port is not None
        server.port, server.prefix, server.headers = listening.port, PREFIX, ADA
        yield server


async def front_page(_: web.Request) -> web.Response:
    return web.Response(text="The shop.")


def settings(folder: Path) -> Settings:
    return settings_of(data=folder, workers=1, preset="veryfast", lease_seconds=30)


@pytest.fixture
def rc(tmp_path: Path) -> Roomcast:
    made = Roomcast(settings=settings(tmp_path / "data"))
    made.authenticate(who)
    return made


@pytest.fixture
async def server(rc: Roomcast, tmp_path: Path, log: list[dict[str, Any]]) -> AsyncIterator[AppServer]:
    async with mounted(rc, tmp_path / "data", log) as running:
        yield running


async def test_every_link_leads_below_the_prefix(server: AppServer, api: Api, picture: bytes) -> None:
    """One upload by each way, its results, and what listens to it."""
    reply = await api.request("POST", "/api/uploads", json={"files": [{"filename": "a.png", "size": len(picture)}]})
    (entry,) = reply.body["uploads"]
    assert entry["contentUrl"] == f"{PREFIX}/api/uploads/{entry['uploadId']}/content"
    assert entry["tusUrl"] == f"{PREFIX}/api/tus/{entry['uploadId']}"
    async with Watcher(server.url, headers=ADA) as watcher:
        assert (await watcher.join(entry["uploadId"]))["ok"]
        assert (await api.put(entry["contentUrl"], picture)).status == 202
        await watcher.wait_until(lambda: any(one.name == "completed" for one in watcher.received))
        element = watcher.received[-1].message["element"]
    links = [element["url"], *(output["url"] for output in element["outputs"])]
    assert all(link.startswith(f"{PREFIX}/media/") for link in links)
    async with aiohttp.ClientSession() as anybody:
        for link in links:
            async with anybody.get(urljoin(server.url, link)) as response:
                assert response.status == 200
            async with anybody.get(urljoin(server.url, link.removeprefix(PREFIX))) as response:
                assert response.status == 404
    url = f"{server.url}/api/uploads/{entry['uploadId']}/events"
    async with StreamWatcher(url, headers=ADA) as stream:
        await stream.wait_until(lambda: PREFIX in str(stream.received))


async def test_tus_upload_continues_at_its_location(server: AppServer, api: Api, picture: bytes) -> None:
    created = await api.request("POST", "/api/tus", headers={**VERSION, "Upload-Length": str(len(picture))})
    location = created.headers["Location"]
    assert (created.status, location.startswith(f"{PREFIX}/api/tus/")) == (201, True)
    half = len(picture) // 2
    for offset, chunk in ((0, picture[:half]), (half, picture[half:])):
        headers = {**CHUNK_HEADERS, "Upload-Offset": str(offset)}
        assert (await api.request("PATCH", location, headers=headers, data=chunk)).status == 204
    assert (await api.request("OPTIONS", "/api/tus")).headers["Tus-Version"] == "1.0.0"


async def test_large_body_and_one_that_expects_to_continue_arrive(api: Api, large: bytes) -> None:
    for headers in ({}, {"Expect": "100-continue"}):
        reply = await api.request("POST", "/api/uploads", json={"files": [{"filename": "a.png", "size": len(large)}]})
        url = reply.body["uploads"][0]["contentUrl"]
        assert (await api.request("PUT", url, data=large, headers=headers)).status == 202


async def test_pages_and_all_that_they_load_are_below_the_prefix(server: AppServer, api: Api) -> None:
    assert (await api.request("GET", "/progress-demo")).status == 200
    for page in ("/progress-demo", "/docs", "/admin"):
        html = (await api.request("GET", page)).content.decode()
        loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', html)
        assert loaded, page
        for url in loaded:
            resolved = urljoin(f"{server.url}{page}", url)
            assert resolved.startswith(f"{server.url}/"), (page, url)
            if "node_modules" not in url:
                assert (await api.request("GET", resolved.removeprefix(server.url))).status == 200, url
    document = (await api.request("GET", "/openapi.json")).body
    assert document["servers"] == [{"url": PREFIX}]
    for path, to in (
        ("", f"{PREFIX}/"),
        ("/", f"{PREFIX}/progress-demo"),
        ("/admin/progress-demo", f"{PREFIX}/progress-demo"),
    ):
        url = f"{server.url}{path}?lang=en"
        async with aiohttp.request("GET", url, allow_redirects=False) as response:
            assert response.status == 302, path
            assert urljoin(url, response.headers["Location"]).partition("?")[0].endswith(to), path


async def test_outer_application_is_served_beside_and_its_middlewares_and_signals_apply(
    server: AppServer, api: Api
) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.get(f"http://127.0.0.1:{server.port}/") as response:
            assert (response.status, await response.text()) == (200, "The shop.")
        for path in ("/api/uploads", "/shop/uploadsx", "/socket.io/?transport=polling&EIO=4"):
            async with client.get(f"http://127.0.0.1:{server.port}{path}", headers=ADA) as response:
                assert response.status == 404, path
        async with client.get(f"{server.url}/api/admin/events", headers=ADA) as response:
            assert response.status == 403
    listed = await api.list()
    assert (listed.headers["X-Shop"], listed.headers["X-Shop-Signal"], listed.headers["Server"]) == (
        "middleware",
        "prepared",
        "Roomcast",
    )
    upload_id, _ = await api.reserved("a.png", 100)
    async with StreamWatcher(f"{server.url}/api/uploads/{upload_id}/events", headers=ADA) as stream:
        await stream.wait_until(lambda: bool(stream.received))


async def test_nobody_gets_in_without_the_session(server: AppServer) -> None:
    server.headers = {}
    async with Api(server) as nobody:
        for method, path in (("GET", "/api/uploads"), ("POST", "/api/tus"), ("GET", "/metrics"), ("GET", "/admin")):
            assert (await nobody.request(method, path)).status == 401, path
    assert (await refused(server.url))["code"] == "UNAUTHENTICATED"


async def test_application_shares_the_socket_io_server(rc: Roomcast, tmp_path: Path, log: list[dict[str, Any]]) -> None:
    seen: list[Any] = []
    sio: Any = rc.sio
    assert isinstance(sio, socketio.AsyncServer)

    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> bool:
        seen.append(("connect", sio.viewer(sid).user, environ["REQUEST_METHOD"], auth))
        return bool(auth != {"banned": True})

    def disconnect(sid: str, reason: str) -> None:
        seen.append(("disconnect", sio.viewer(sid).user))

    async def basket(sid: str, item: str) -> str:
        return f"{sio.viewer(sid).user} has {item}"

    async def enter_chat(sid: str, environ: dict[str, Any], auth: Any) -> None:
        seen.append(("chat", (await sio.authenticate(environ, auth)).user))

    sio.event(connect)
    sio.event(disconnect)
    sio.on("basket", basket)
    sio.on("connect", enter_chat, namespace="/chat")
    with pytest.raises(ValueError, match="Roomcast's"):
        sio.on("join-upload", basket)
    async with mounted(rc, tmp_path / "data", log) as server:
        sio.on("late", lambda sid: "registered while it runs")
        with pytest.raises(KeyError):
            sio.viewer("nobody")
        async with Watcher(server.url, headers=ADA, auth={"a": 1}) as watcher, Api(server) as api:
            assert await watcher.ask("basket", "a hat") == "ada has a hat"
            assert await watcher.ask("late") == "registered while it runs"
            upload_id, _ = await api.reserved("a.png", 100)
            assert (await watcher.join(upload_id))["ok"]
        await eventually(lambda: ("disconnect", "ada") in seen)
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with Watcher(server.url, headers=ADA, auth={"banned": True}):
                pass
        assert (await refused(server.url))["code"] == "UNAUTHENTICATED"
        client = socketio.AsyncClient(handle_sigint=False, reconnection=False)
        options = {"socketio_path": f"{PREFIX}/socket.io", "namespaces": ["/chat"], "wait_timeout": 60}
        await client.connect(server.url, headers={**ADA}, **options)
        await client.disconnect()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(server.url, **options)
        await client.shutdown()
    assert seen == [
        ("connect", "ada", "GET", {"a": 1}),
        ("disconnect", "ada"),
        ("connect", "ada", "GET", {"banned": True}),
        ("chat", "ada"),
    ]


@pytest.mark.parametrize(
    "prefix", ["uploads", "/a/../b", "/a/./b", "/a?b", "/a#b", "/a//b", "/a b", "/%2e", "", "/", "/ü"]
)
def test_prefix_that_is_no_plain_path_is_refused(rc: Roomcast, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        rc.mount(web.Application(), prefix)


def test_second_start_of_one_roomcast_is_refused(rc: Roomcast) -> None:
    rc.mount(web.Application(), "/a/")
    with pytest.raises(RuntimeError, match="mounted or has been run already"):
        rc.mount(web.Application(), "/b")


async def test_prefix_and_the_path_of_the_public_address_are_both_in_links(
    tmp_path: Path, log: list[dict[str, Any]], picture: bytes
) -> None:
    rc = Roomcast(settings=settings_of(data=tmp_path / "data", workers=1, public_url="https://shop.example/de/"))
    rc.authenticate(who)
    async with mounted(rc, tmp_path / "data", log) as server, Api(server) as api:
        reply = await api.request("POST", "/api/uploads", json={"files": [{"filename": "a.png", "size": 1}]})
        upload_id = reply.body["uploadId"]
        base = f"https://shop.example/de{PREFIX}"
        assert reply.body["uploads"][0]["tusUrl"] == f"{base}/api/tus/{upload_id}"
        assert (await api.request("GET", "/openapi.json")).body["servers"] == [{"url": base}]
