"""Uploads, sockets, streams and downloads through nginx, HAProxy and Caddy, configured as the documentation shows, and
through an nginx that nobody has configured."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest

from tests.support.certificates import Certificate, authority
from tests.support.harness import RunningServer, eventually
from tests.support.proxies import PUBLIC_URL, running_proxy
from tests.support.tokens import SECRET, token
from tests.support.tus import CHUNK_HEADERS, VERSION, metadata

CONFIGURED = ("nginx", "haproxy", "caddy")
BARE = "nginx without settings"
LARGE, SMALL = bytes(range(256)) * 20_500, bytes(range(256)) * 2_000
"""More than 5 MB, which is read past the HTTP parser, and half a MB."""

TEMPLATES = '[templates.document]\nkind = "file"\nmax_bytes = 10_000_000\n'


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("templates") / "templates.toml"
    path.write_text(TEMPLATES)
    return {"JWT_SECRET": SECRET, "ROOMCAST_TEMPLATES": str(path), "ROOMCAST_PUBLIC_URL": PUBLIC_URL}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, ssl.SSLContext]:
    """The certificate of the proxies, and what trusts it."""
    folder = tmp_path_factory.mktemp("certificates")
    signer = authority(folder)
    return signer.sign(folder), ssl.create_default_context(cafile=str(signer.certificate.path))


@pytest.fixture(scope="module")
def proxy(
    server: RunningServer, certificate: tuple[Certificate, ssl.SSLContext], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """Starts a proxy by its name, at the first call, and returns its URL."""
    folder = tmp_path_factory.mktemp("proxies")
    urls: dict[str, str] = {}
    with ExitStack() as running:

        def start(name: str) -> str:
            if name not in urls:
                path = folder / name.replace(" ", "_")
                urls[name] = running.enter_context(running_proxy(name, path, certificate[0], server.port))
            return urls[name]

        yield start


class Browser:
    """Calls the server through a proxy as a page does that the server's public address has served."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    def request(self, method: str, url: str, **rest: Any) -> Any:
        """Send a request to the proxy. An absolute URL of the server is called there."""
        assert not url.startswith("http") or url.startswith(f"{PUBLIC_URL}/")
        if isinstance(rest.get("data"), bytes):
            rest["data"] = io.BytesIO(rest["data"])  # so that aiohttp sends it piece by piece
        return self.http.request(method, f"{self.url}{url.removeprefix(PUBLIC_URL)}", **rest)

    async def json(self, method: str, url: str, **rest: Any) -> Any:
        async with self.request(method, url, **rest) as response:
            body = await response.json()
            assert response.status < 400, body
            return body

    async def reserve(self, size: int) -> dict[str, Any]:
        body = {"type": "document", "files": [{"filename": "a.bin", "size": size}]}
        (entry,) = (await self.json("POST", "/api/uploads", json=body))["uploads"]
        return dict(entry)

    async def completed(self, upload_id: str) -> dict[str, Any]:
        """Listen to an upload until its end, and return its result."""
        last: dict[str, Any] = {}
        async with self.request("GET", f"/api/uploads/{upload_id}/events") as stream:
            async for message in events(stream):
                last = message
        assert last["status"] == "completed", last
        return dict(last["element"]["outputs"][0])

    async def poll(self, sid: str = "", body: str | None = None) -> str:
        """Send a polling request of Socket.IO, as a browser does that fetches from the page's origin."""
        url = f"/socket.io/?EIO=4&transport=polling{sid and f'&sid={sid}'}"
        origin = {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"}
        async with self.request("GET" if body is None else "POST", url, data=body, headers=origin) as response:
            text = await response.text()
            assert response.status == 200, text
            return str(text)


async def events(stream: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Yield the messages of an event stream until it ends."""
    assert stream.status == 200
    async for line in stream.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


@pytest.fixture
async def behind(
    proxy: Callable[[str], str], certificate: tuple[Certificate, ssl.SSLContext]
) -> AsyncIterator[Callable[[str], Browser]]:
    connector = aiohttp.TCPConnector(ssl=certificate[1])
    headers = {"Authorization": f"Bearer {token('alice')}"}
    ports: set[int | None] = set()

    def browser(name: str) -> Browser:
        url = proxy(name)
        ports.add(urlsplit(url).port)
        return Browser(url, http)

    async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
        yield browser

    def all_closed() -> bool:
        return not any(one.raddr and one.raddr.port in ports for one in psutil.Process().net_connections("tcp"))

    # aiohttp does not wait for the end of TLS connections, and the loop would be closed before it.
    await eventually(all_closed, what="the end of the connections to the proxy")


configured = pytest.mark.parametrize("name", CONFIGURED)
any_proxy = pytest.mark.parametrize("name", [*CONFIGURED, BARE])


@configured
async def test_form_put_and_tus_of_several_megabytes_arrive(behind: Callable[[str], Browser], name: str) -> None:
    browser = behind(name)
    form = aiohttp.FormData()
    form.add_field("type", "document")
    form.add_field("file", io.BytesIO(LARGE), filename="a.bin")
    by_form = (await browser.json("POST", "/api/uploads", data=form))["uploadId"]

    async def unannounced() -> AsyncIterator[bytes]:
        yield LARGE[:100_000]
        yield LARGE[100_000:]

    by_put, chunked, by_tus = [await browser.reserve(len(LARGE)) for _ in range(3)]
    await browser.json("PUT", by_put["contentUrl"], data=LARGE)
    await browser.json("PUT", chunked["contentUrl"], data=unannounced())
    headers = {**CHUNK_HEADERS, "Upload-Offset": "0"}
    async with browser.request("PATCH", by_tus["tusUrl"], data=LARGE, headers=headers) as response:
        assert (response.status, response.headers["Upload-Offset"]) == (204, str(len(LARGE)))
    for upload_id in (by_form, *(entry["uploadId"] for entry in (by_put, chunked, by_tus))):
        assert (await browser.completed(upload_id))["size"] == len(LARGE)


@any_proxy
async def test_tus_in_small_chunks_arrives_at_the_public_address(behind: Callable[[str], Browser], name: str) -> None:
    browser = behind(name)
    declared = {"Upload-Length": str(2 * len(SMALL)), "Upload-Metadata": metadata(type="document", filename="a.bin")}
    async with browser.request("POST", "/api/tus/", headers={**VERSION, **declared}) as response:
        url = response.headers["Location"]
    assert url.startswith(f"{PUBLIC_URL}/api/tus/upload_")
    for offset in (0, len(SMALL)):
        headers = {**CHUNK_HEADERS, "Upload-Offset": str(offset)}
        async with browser.request("PATCH", url, data=SMALL, headers=headers) as response:
            assert response.status == 204
    assert (await browser.completed(url.rpartition("/")[2]))["size"] == 2 * len(SMALL)


@configured
async def test_websocket_of_a_page_receives_the_events_of_its_room(behind: Callable[[str], Browser], name: str) -> None:
    browser = behind(name)
    entry = await browser.reserve(len(SMALL))
    url = f"{browser.url}/socket.io/?EIO=4&transport=websocket"
    async with asyncio.timeout(60), browser.http.ws_connect(url, headers={"Origin": browser.url}) as socket:
        assert (await socket.receive_str()).startswith("0{")
        await socket.send_str("40")
        assert (await socket.receive_str()).startswith("40{")
        await socket.send_str(f'420["join-upload","{entry["uploadId"]}"]')
        await browser.json("PUT", entry["contentUrl"], data=SMALL)
        while '"completed"' not in await socket.receive_str():
            pass


@any_proxy
async def test_polling_of_a_page_of_the_public_address_receives_the_events_of_its_room(
    behind: Callable[[str], Browser], name: str
) -> None:
    browser = behind(name)
    entry = await browser.reserve(len(SMALL))
    sid = json.loads((await browser.poll())[1:])["sid"]
    assert await browser.poll(sid, "40") == "ok"
    assert (await browser.poll(sid)).startswith("40{")
    assert await browser.poll(sid, f'420["join-upload","{entry["uploadId"]}"]') == "ok"
    await browser.json("PUT", entry["contentUrl"], data=SMALL)
    async with asyncio.timeout(60):
        while '"completed"' not in (packets := await browser.poll(sid)):
            if packets == "2":
                await browser.poll(sid, "3")
    await browser.poll(sid, "1")


@any_proxy
async def test_event_stream_is_passed_on_while_it_lasts(behind: Callable[[str], Browser], name: str) -> None:
    browser = behind(name)
    entry = await browser.reserve(len(SMALL))
    async with asyncio.timeout(60), browser.request("GET", f"/api/uploads/{entry['uploadId']}/events") as stream:
        messages = events(stream)
        assert (await anext(messages))["stage"] == "receiving"
        await browser.json("PUT", entry["contentUrl"], data=SMALL)
        assert [message async for message in messages][-1]["status"] == "completed"


@any_proxy
async def test_result_is_served_in_ranges_and_not_again(behind: Callable[[str], Browser], name: str) -> None:
    browser = behind(name)
    entry = await browser.reserve(len(SMALL))
    await browser.json("PUT", entry["contentUrl"], data=SMALL)
    url = (await browser.completed(entry["uploadId"]))["url"]
    async with browser.request("GET", url) as response:
        assert await response.read() == SMALL
        tag = response.headers["ETag"]
    for headers, status, content in (
        ({"Range": "bytes=10-19"}, 206, SMALL[10:20]),
        ({"Range": "bytes=-7"}, 206, SMALL[-7:]),
        ({"Range": "bytes=10-19", "If-Range": tag}, 206, SMALL[10:20]),
        ({"Range": "bytes=10-19", "If-Range": '"other"'}, 200, SMALL),
        ({"If-None-Match": tag}, 304, b""),
    ):
        async with browser.request("GET", url, headers=headers) as response:
            assert (response.status, await response.read()) == (status, content), headers
    async with browser.request("GET", url, headers={"Range": f"bytes={len(SMALL)}-"}) as response:
        assert response.headers["Content-Range"] == f"bytes */{len(SMALL)}"
        assert (response.status, (await response.json())["error"]["code"]) == (416, "MALFORMED")


async def test_nginx_without_settings_refuses_large_bodies_and_websockets(behind: Callable[[str], Browser]) -> None:
    """What the documentation says of it."""
    browser = behind(BARE)
    entry = await browser.reserve(len(LARGE))
    async with browser.request("PUT", entry["contentUrl"], data=LARGE) as response:
        assert (response.status, response.content_type) == (413, "text/html")
    socket = f"{browser.url}/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await browser.http.ws_connect(socket, headers={"Origin": PUBLIC_URL})
    assert refused.value.status == 400
    foreign = {"Origin": "https://other.example"}
    async with browser.request("GET", "/socket.io/?EIO=4&transport=polling", headers=foreign) as response:
        assert response.status == 403
