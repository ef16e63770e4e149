"""tus 1.0.0 with the official JavaScript client and the Python client from PyPI."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.app import AppServer
from tests.support.harness import Api, eventually
from tests.support.tokens import SECRET, token
from tests.support.tus import MIB, Tus, completed, id_of
from tests.support.tus_clients import JAVASCRIPT, PYTHON, client

SIZE = 3 * MIB


@pytest.fixture
def settings() -> dict[str, str]:
    # So slow that there is time for mishaps.
    return {"JWT_SECRET": SECRET, "ROOMCAST_VIEWER_BYTES_PER_SECOND": str(2 * MIB)}


@pytest.fixture
async def api(server: AppServer) -> AsyncIterator[Api]:
    async with Api(server, token("ada")) as client:
        yield client


@pytest.fixture
def file(picture: bytes, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "holiday.png"
    path.write_bytes(picture + random.Random(request.node.name).randbytes(SIZE - len(picture)))
    return path


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_javascript_client_resumes_what_another_one_began(
    server: AppServer, api: Api, file: Path, tmp_path: Path
) -> None:
    store = str(tmp_path / "remembered.json")
    options = {"store": store, "chunkSize": 400_000, "metadata": {"filename": file.name, "type": "image"}}
    async with client(JAVASCRIPT, server, file, leaveAfter=800_000, **options) as first:
        url = (await first.reports("url"))["url"]
        await first.succeeds()
    assert await Tus(api).offset(url) >= 800_000
    async with client(JAVASCRIPT, server, file, **options) as second:
        assert (await second.reports("accepted"))["bytes"] > 800_000
        assert (await second.reports("success", "error"))["url"] == url
    last = await completed(api, url)
    assert (last["filename"], last["element"]["type"]) == (file.name, "image")
    assert last["element"]["original"]["size"] == SIZE


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_javascript_client_may_declare_the_length_last(server: AppServer, api: Api, file: Path) -> None:
    async with client(JAVASCRIPT, server, file, deferred=True, chunkSize=1_000_000) as sending:
        done = await sending.reports("success", "error")
    assert (await completed(api, done["url"]))["element"]["original"]["size"] == SIZE


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_javascript_client_can_terminate_an_upload(server: AppServer, api: Api, file: Path) -> None:
    async with client(JAVASCRIPT, server, file, chunkSize=400_000, terminateAfter=800_000) as sending:
        url = (await sending.reports("url"))["url"]
        await sending.reports("terminated")
    assert (await api.get(id_of(url))).body["error"]["code"] == "CANCELLED"
    await eventually(lambda: server.files_of(id_of(url)) == [])


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_javascript_client_can_send_partial_uploads_in_parallel(server: AppServer, api: Api, file: Path) -> None:
    async with client(JAVASCRIPT, server, file, parallelUploads=3) as sending:
        done = await sending.reports("success", "error")
    assert (await completed(api, done["url"]))["element"]["original"]["size"] == SIZE


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_javascript_client_works_without_patch_and_with_creation_with_upload(
    server: AppServer, api: Api, file: Path
) -> None:
    options = {"overridePatchMethod": True, "uploadDataDuringCreation": True, "chunkSize": MIB}
    async with client(JAVASCRIPT, server, file, **options) as sending:
        done = await sending.reports("success", "error")
    await completed(api, done["url"])


async def test_python_client_stops_and_resumes(server: AppServer, api: Api, file: Path) -> None:
    options = {"chunk_size": 400_000, "upload_checksum": True}
    async with client(PYTHON, server, file, stop_at=1_000_000, **options) as first:
        url = (await first.reports("url"))["url"]
        await first.succeeds()
    async with client(PYTHON, server, file, url=url, **options) as second:
        assert (await second.reports("offset"))["offset"] == 1_000_000
        assert (await second.reports("url"))["offset"] == SIZE
        await second.succeeds()
    assert (await completed(api, url))["filename"] == file.name
