"""Downloads of results: ranges, types, and signed links that expire."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, Reply, eventually
from tests.support.results import output


@dataclass
class Film:
    """A finished film: its entry in the element, and all its bytes."""

    api: Api
    entry: dict[str, Any]
    content: bytes

    @property
    def url(self) -> str:
        return str(self.entry["url"])

    async def get(self, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.api.request("GET", self.url, headers=named)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's servers, one after the other, find the film that the first of them made."""
    return tmp_path_factory.mktemp("server") / "data"


@pytest.fixture
async def server(serve: ServeApp, data: Path) -> AppServer:
    return await serve(data)


@pytest.fixture
async def film(server: AppServer, api: Api, shelf: Shelf, made: dict[str, Any]) -> Film:
    if not made:
        upload_id = await api.accepted(shelf.clip(seconds=2))
        made.update((await api.finished(upload_id))["element"])
    entry = output(made, "video")
    return Film(api, entry, (await api.request("GET", entry["url"])).content)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The element of the module's one film."""
    return {}


async def test_whole_file_is_served_with_its_type_and_length(film: Film, made: dict[str, Any]) -> None:
    reply = await film.get()
    expires = datetime.fromtimestamp(int(film.url.split("/media/")[1].partition(".")[0]), UTC)
    assert datetime.fromisoformat(made["urlsExpireAt"]) == expires
    assert film.entry["codec"] == "h264"
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "video/mp4"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["Content-Disposition"] == f"inline; filename*=UTF-8''{Path(made['filename']).stem}.mp4"
    assert len(reply.content) == film.entry["size"]
    head = await film.api.request("HEAD", film.url, headers={"Range": "bytes=0-9"})
    assert head.status == 200
    assert head.headers["Content-Length"] == str(film.entry["size"])


async def test_download_is_saved_under_the_name_of_the_uploaded_file(film: Film, made: dict[str, Any]) -> None:
    reply = await film.api.request("GET", film.entry["downloadUrl"])
    name = f"{Path(made['filename']).stem}.mp4"
    assert reply.headers["Content-Disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
    assert reply.content == film.content


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-9999999999", 5, None)],
)  # fmt: skip
async def test_range_is_served_as_partial_content(film: Film, asked: str, first: int, last: int | None) -> None:
    size = len(film.content)
    begin = first if first >= 0 else size + first
    end = size - 1 if last is None else last
    reply = await film.get(Range=asked)
    assert reply.status == 206
    assert reply.headers["Content-Range"] == f"bytes {begin}-{end}/{size}"
    assert reply.content == film.content[begin : end + 1]
    assert reply.headers["Content-Type"] == "video/mp4"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("asked", ["items=0-5", "bytes=0-9,20-29"])
async def test_range_of_another_unit_or_of_several_ranges_gets_the_whole_file(film: Film, asked: str) -> None:
    reply = await film.get(Range=asked)
    assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(film.content)))
    assert reply.content == film.content


async def test_range_beyond_the_end_is_refused_in_json(film: Film) -> None:
    for asked in (f"bytes={len(film.content)}-", "bytes=-0", "bytes=9-0"):
        reply = await film.get(Range=asked)
        assert reply.refusal == (416, "MALFORMED"), asked
        assert reply.headers["Content-Range"] == f"bytes */{len(film.content)}"
    assert (await film.get(If_Match='"another"')).refusal == (412, "MALFORMED")


async def test_range_of_another_version_gets_the_whole_file(film: Film) -> None:
    os.utime(film.api.server.data / "media" / film.entry["key"], (1_700_000_000, 1_700_000_000))
    first = (await film.get()).headers
    for validator in (first["ETag"], first["Last-Modified"]):
        assert (await film.get(Range="bytes=0-9", If_Range=validator)).status == 206, validator
    for validator in ('"another"', "Fri, 01 Jan 2100 00:00:00 GMT"):
        changed = await film.get(Range="bytes=0-9", If_Range=validator)
        assert (changed.status, changed.headers["Server"]) == (200, "Roomcast"), validator
        assert changed.content == film.content
    assert (await film.get(If_None_Match=first["ETag"], Range="bytes=-0")).status == 304


async def test_client_that_leaves_during_a_download_is_no_error(film: Film, server: AppServer) -> None:
    with (server.data / "media" / film.entry["key"]).with_name("large.mp4").open("wb") as large:
        large.truncate(100_000_000)
    url = urljoin(film.url, "large.mp4")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.transport.abort()

    def all_answered() -> bool:
        return not any("_handle_request" in repr(task.get_coro()) for task in asyncio.all_tasks())

    await eventually(all_answered, what="the end of the response")
    assert server.error_lines() == []
    reply = await film.api.request("GET", url, headers={"Range": "bytes=99999998-"})
    assert (reply.status, reply.content) == (206, bytes(2))


async def test_tampered_link_is_refused(film: Film) -> None:
    _, _, grant, upload_id, name = film.url.split("/")
    expires, signature = grant.split(".")
    worse = [
        f"/media/{expires}/{upload_id}/{name}",
        f"/media/.{signature}/{upload_id}/{name}",
        f"/media/{expires}.{'0' * len(signature)}/{upload_id}/{name}",
        f"/media/{int(expires) + 1}.{signature}/{upload_id}/{name}",
        f"/media/x.{signature}/{upload_id}/{name}",
        f"/media/{grant}/{upload_id}0/{name}",
    ]
    for url in worse:
        assert (await film.api.request("GET", url)).refusal == (403, "FORBIDDEN"), url


async def test_link_gives_access_to_the_files_of_its_upload_only(film: Film, made: dict[str, Any]) -> None:
    poster = output(made, "poster")
    assert (await film.api.request("GET", urljoin(film.url, "poster.jpg"))).content == (
        await film.api.request("GET", poster["url"])
    ).content
    assert (await film.api.request("GET", urljoin(film.url, "none.jpg"))).refusal == (404, "NOT_FOUND")
    names = ("none.exe", f"{'x' * 300}.mp4", f"{'x' * 2000}.mp4", "%00.mp4", "a%0D%0Ab.mp4", "%ff.mp4", "%C2%85.mp4")
    for name in (*names, f"download/{'x' * 300}", "download/%00"):
        assert (await film.api.request("GET", urljoin(film.url, name))).status in (403, 404), name


async def test_path_out_of_the_media_directory_is_refused(film: Film) -> None:
    folder = film.url.rpartition("/")[0]
    paths = [f"/media/9999999999.00/{way}ledger.sqlite3" for way in ("../", "%2e%2e/", "..%2f", "x/")]
    paths += [f"{folder}/{way}ledger.sqlite3" for way in ("../../", "%2e%2e/%2e%2e/", "..%2f..%2f", "%2fx%2f")]
    for path in paths:
        reader, writer = await asyncio.open_connection("127.0.0.1", film.api.server.port)
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        head, _, _ = (await reader.read()).partition(b"\r\n")
        writer.close()
        await writer.wait_closed()
        assert head.split()[1] in (b"403", b"404"), path


async def test_link_expires_and_the_state_has_a_new_one(serve: ServeApp, shelf: Shelf) -> None:
    async with Api(await serve(ROOMCAST_URL_SECONDS="1")) as api:
        upload_id = await api.accepted(shelf.image())
        old = (await api.finished(upload_id))["element"]["url"]

        async def expired() -> bool:
            return (await api.request("GET", old)).refusal == (403, "FORBIDDEN")

        async def renewed() -> bool:
            new = (await api.get(upload_id)).body["element"]["url"]
            return new != old and (await api.request("GET", new)).status == 200

        await eventually(expired, what="the link's expiry")
        await eventually(renewed, what="a link that is valid for a second")


async def test_media_can_be_read_by_pages_of_allowed_origins_only(serve: ServeApp, shelf: Shelf) -> None:
    async with Api(await serve(ROOMCAST_CORS_ORIGINS="https://player.example")) as api:
        url = (await api.finished(await api.accepted(shelf.image())))["element"]["url"]
        part = {"Range": "bytes=0-9"}
        reply = await api.request("GET", url, headers={"Origin": "https://player.example", **part})
        assert reply.status == 206
        assert reply.headers["Access-Control-Allow-Origin"] == "https://player.example"
        assert "Content-Range" in reply.headers["Access-Control-Expose-Headers"]
        for origin in ({}, {"Origin": "https://other.example"}):
            reply = await api.request("GET", url, headers={**origin, **part})
            assert "Access-Control-Allow-Origin" not in reply.headers
            assert reply.headers["Vary"] == "Origin", "a cache would take this answer for the player's too"
