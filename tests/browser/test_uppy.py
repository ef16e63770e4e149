"""Uppy with its Tus plugin."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Route

from tests.browser.conftest import ListUploads
from tests.conftest import Shelf
from tests.support.browser.demo import limited_bandwidth
from tests.support.browser.own_page import OwnPage
from tests.support.clips import pad
from tests.support.harness import ROOT, Api, RunningServer, eventually

pytestmark = pytest.mark.browser

BUNDLE = ROOT / "tests" / "node" / "node_modules" / "uppy" / "dist" / "uppy.min.mjs"
CHUNK_BYTES = 200_000

_SCRIPT = f"""
async () => {{
  const {{ Uppy, Tus }} = await import("/uppy.min.mjs");
  globalThis.uppy = new Uppy({{ id: "own", autoProceed: true }});
  uppy.use(Tus, {{ endpoint: "/api/tus/", chunkSize: {CHUNK_BYTES} }});
  document.querySelector("input").addEventListener("change", ({{ target }}) => {{
    for (const data of target.files) uppy.addFile({{ name: data.name, type: data.type, data, source: "input" }});
  }});
  globalThis.result = new Promise((resolve) => uppy.on("complete", resolve));
}}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def uppy(server: RunningServer, context: BrowserContext) -> OwnPage:
    if not BUNDLE.is_file():
        pytest.skip("tests/node/node_modules is missing: `make setup` brings it where npm is installed")

    async def deliver(route: Route) -> None:
        await route.fulfill(path=BUNDLE, content_type="text/javascript")

    await context.route("**/uppy.min.mjs", deliver)
    return await OwnPage.open(context, server.url, script=_SCRIPT)


async def test_uppy_resumes_after_a_reload(uppy: OwnPage, shelf: Shelf, api: Api, list_uploads: ListUploads) -> None:
    picture = pad(shelf.image(), 1_600_000)
    async with limited_bandwidth(uppy.page, 150_000):
        await uppy.pick(picture)
        await eventually(lambda: len(uppy.chunks) >= 3)
        await uppy.load()
    before = uppy.chunks.copy()
    uppy.chunks.clear()
    await uppy.pick(picture)
    assert await uppy.evaluate("result.then(({ successful, failed }) => [successful.length, failed.length])") == [1, 0]
    assert before[:3] == [0, CHUNK_BYTES, 2 * CHUNK_BYTES]
    assert uppy.chunks[0] >= before[-1], "at most the interrupted chunk is sent again"
    (upload,) = await list_uploads()
    completed = await api.finished(upload["uploadId"])
    assert completed["status"] == "completed"
    assert completed["element"]["original"]["size"] == picture.stat().st_size
