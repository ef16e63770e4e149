"""Imports of files from URLs: interrupted, changed, refused and cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from roomcast.app import SHUTDOWN

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.remote_files import RemoteFiles
from tests.support.results import source_deleted

StartRemote = Callable[..., Awaitable[str]]


@pytest.fixture
def settings() -> dict[str, str]:
    return {"ROOMCAST_IMPORT_PRIVATE": "1", "ROOMCAST_MAX_UPLOAD_BYTES": "2000000"}


@pytest.fixture
def files(shelf: Shelf) -> RemoteFiles:
    return RemoteFiles(shelf.image().read_bytes() + bytes(300_000))


@pytest.fixture
async def remote(files: RemoteFiles, aiohttp_server: Any) -> str:
    server: TestServer = await aiohttp_server(files.app())
    return str(server.make_url("/"))


async def imported(api: Api, url: str, **more: Any) -> dict[str, Any]:
    reply = await api.request("POST", "/api/uploads", json={"url": url, "type": "image", **more})
    assert reply.status == 201, reply.body
    assert reply.body["uploads"][0].keys() == {"uploadId", "filename"}
    state = await api.finished(reply.body["uploadId"])
    return state | {"code": state.get("error", {}).get("code")}


async def begun(api: Api, files: RemoteFiles, url: str, **more: Any) -> str:
    """Import a file whose connection breaks off, to where the bytes before that are stored; return the upload's id."""
    reply = await api.request("POST", "/api/uploads", json={"files": [{"url": url}], "type": "image", **more})
    assert reply.status == 201, reply.body
    upload_id = str(reply.body["uploadId"])
    await api.until(upload_id, lambda state: state["bytesReceived"] == 100_000)
    return upload_id


async def test_interrupted_file_continues_where_it_ended(
    server: AppServer, api: Api, files: RemoteFiles, remote: str
) -> None:
    files.cuts = [100_000, 0]
    upload_id = await begun(api, files, f"{remote}file.png", metadata={"n": 1})
    files.stored.set()
    state = await api.finished(upload_id)
    assert (state["status"], state["filename"], state["metadata"]) == ("completed", "file.png", {"n": 1})
    assert state["bytesReceived"] == len(files.content)
    assert files.asked == [None, "bytes=100000-", "bytes=100000-"]
    await source_deleted(server, upload_id)
    assert list((server.data / "incoming").iterdir()) == []


@pytest.mark.parametrize("change", ["etag", "no ranges", "no etag", "etag with other characters than ASCII's"])
async def test_changed_file_begins_again(
    server: AppServer, api: Api, files: RemoteFiles, remote: str, change: str
) -> None:
    files.cuts = [100_000]
    files.ranges = change != "no ranges"
    files.etag = {"no etag": None, "etag with other characters than ASCII's": '"é"'}.get(change, files.etag)
    upload_id = await begun(api, files, f"{remote}file.png")
    if change == "etag":
        files.etag, files.content = '"two"', files.content + bytes(10)
    files.stored.set()
    state = await api.finished(upload_id)
    assert (state["status"], state["bytesReceived"]) == ("completed", len(files.content))
    assert files.asked == [None, "bytes=100000-" if change in ("etag", "no ranges") else None]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("missing", "IMPORT_FAILED"),
        ("page", "UNSUPPORTED_TYPE"),
        ("endless", "TOO_LARGE"),
        ("loop", "IMPORT_FAILED"),
        ("redirect?to=file:///etc/passwd", "ADDRESS_REFUSED"),
        ("redirect?to=/page", "UNSUPPORTED_TYPE"),
        ("redirect?to=http://[", "ADDRESS_REFUSED"),
        ("redirect?to=http://films..example/", "ADDRESS_REFUSED"),
    ],
)
async def test_what_cannot_be_imported_fails_with_a_code_and_leaves_nothing(
    server: AppServer, api: Api, remote: str, path: str, code: str
) -> None:
    state = await imported(api, remote + path)
    assert (state["status"], state["code"]) == ("error", code)
    assert state["error"]["retryable"] is False
    assert list((server.data / "incoming").iterdir()) == []


async def test_redirects_are_followed(server: AppServer, api: Api, remote: str) -> None:
    state = await imported(api, f"{remote}redirect?to=/redirect?to=/file.png", filename="named.png")
    assert (state["status"], state["filename"]) == ("completed", "named.png")


async def test_file_of_another_size_than_declared_is_refused(
    server: AppServer, api: Api, files: RemoteFiles, remote: str
) -> None:
    state = await imported(api, f"{remote}file.png", size=len(files.content) + 1)
    assert (state["status"], state["code"]) == ("error", "IMPORT_FAILED")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://films.example/a.mov",
        "http://",
        "//films.example/a",
        "http://user:pw@films.example/a",
        "http://a b/",
        "x",
        "http://[",
        "http://films..example/a",
        f"http://{'a' * 64}.example/a",
        "http://films.example:65536/a",
    ],
)
async def test_wrong_url_is_refused_at_once(server: AppServer, api: Api, url: str) -> None:
    reply = await api.request("POST", "/api/uploads", json={"url": url})
    assert reply.refusal == (422, "ADDRESS_REFUSED")
    assert (await api.list()).body["uploads"] == []


async def test_private_addresses_are_refused_by_literal_by_name_and_after_a_redirect(
    serve: ServeApp, remote: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guarded = await serve(tmp_path / "guarded")
    async with Api(guarded) as api:
        for host in ("127.0.0.1", "[::1]", "localhost", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0"):
            reply = await api.request("POST", "/api/uploads", json={"url": f"http://{host}:{remote.split(':')[2]}"})
            assert reply.refusal == (422, "ADDRESS_REFUSED"), host
        # A decimal notation of 127.0.0.1, which the resolver understands, is found when it is connected to.
        reply = await api.request("POST", "/api/uploads", json={"url": f"http://2130706433:{remote.split(':')[2]}"})
        state = await api.finished(reply.body["uploadId"])
        assert state["error"]["code"] == "ADDRESS_REFUSED"


async def test_import_is_cancelled_while_bytes_arrive(server: AppServer, api: Api, remote: str) -> None:
    reply = await api.request("POST", "/api/uploads", json={"url": f"{remote}file.png", "type": "image"})
    upload_id = reply.body["uploadId"]
    assert (await api.cancel(upload_id)).status in (200, 409)
    state = await api.finished(upload_id)
    assert state["stage"] in ("cancelled", "done")
    assert (await api.put(f"/api/uploads/{upload_id}/content", b"x")).status == 409


async def test_import_continues_after_a_restart(
    serve: ServeApp, settings: dict[str, str], files: RemoteFiles, remote: str, tmp_path: Path
) -> None:
    files.cuts = [100_000]
    first = await serve(tmp_path / "data", **settings)
    async with Api(first) as api:
        upload_id = await begun(api, files, f"{remote}file.png")
    await first.app[SHUTDOWN]()
    await first.app.cleanup()
    second = await serve(tmp_path / "data", **settings)
    async with Api(second) as api:
        state = await api.finished(upload_id)
    assert (state["status"], state["bytesReceived"]) == ("completed", len(files.content))
    assert files.asked == [None, "bytes=100000-"]
