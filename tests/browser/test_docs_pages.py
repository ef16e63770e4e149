"""The documentation's examples for a page, as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.conftest import Shelf
from tests.support.browser.demo import WORK_SECONDS
from tests.support.harness import ROOT, Api, RunningServer
from tests.support.pages import ADDRESS, examples, start_examples

pytestmark = pytest.mark.browser

WORK_MS = WORK_SECONDS * 1000
EXAMPLE_ID = re.compile(r"upload_[0-9a-f]{32}")
CLIENT_PAGE = """<!doctype html><meta charset="utf-8"><input id="picker" type="file"><p id="result"></p>
<script type="module">
  import { send } from "/docs-example.js";
  picker.onchange = async () => { result.textContent = await send(picker.files[0]); };
</script>"""


START_PAGE = """<!doctype html><meta charset="utf-8"><input type="file">
<script type="module">
  document.querySelector("input").onchange = () => import("/docs-example.js");
</script>"""
SOCKET_IO = ROOT / "static" / "node_modules" / "socket.io-client" / "dist" / "socket.io.esm.min.js"


def test_every_example_has_its_test() -> None:
    assert examples("html").keys() == {"page", "list", "element", "drop", "tus"}
    assert "client" in examples("js")


async def opened(context: BrowserContext, server: RunningServer, html: str, script: str = "") -> Page:
    """A tab with the page, where README says that it is saved. `script` is a module that it may import."""
    page = await context.new_page()

    async def serve_page(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html")

    async def serve_script(route: Route) -> None:
        await route.fulfill(body=script, content_type="text/javascript")

    await page.route("**/static/my-page.html", serve_page)
    await page.route("**/docs-example.js", serve_script)
    await page.goto(f"{server.url}/static/my-page.html")
    return page


def two_images(shelf: Shelf) -> list[Path]:
    return [shelf.image("one.png"), shelf.image("other.png", size=(90, 60))]


async def test_the_page_of_readme_shows_progress_and_results(
    server: RunningServer, context: BrowserContext, shelf: Shelf
) -> None:
    page = await opened(context, server, examples("html")["page"].code)
    await page.locator("#picker").set_input_files(two_images(shelf))
    await expect(page.locator("#results a")).to_have_text(
        [re.compile(r"^one\.\w+$"), re.compile(r"^other\.\w+$")], timeout=WORK_MS
    )
    assert await page.locator("#bar").evaluate("bar => bar.value") == 100
    await expect(page.locator("#count")).to_have_text("2 of 2 completed")
    links = await page.locator("#results a").evaluate_all("links => links.map((link) => link.href)")
    assert all(link.startswith(f"{server.url}/media/") for link in links)


async def test_the_example_of_the_client_resolves_with_the_result(
    server: RunningServer, context: BrowserContext, shelf: Shelf
) -> None:
    page = await opened(context, server, CLIENT_PAGE, examples("js")["client"].code)
    await page.locator("#picker").set_input_files(shelf.image("one.png"))
    await expect(page.locator("#result")).to_have_text(re.compile(r"^one\.\w+$"), timeout=WORK_MS)


async def test_the_example_of_the_list_shows_its_uploads(
    server: RunningServer, context: BrowserContext, shelf: Shelf
) -> None:
    page = await opened(context, server, examples("html")["list"].code)
    all_completed = "() => new Promise((done) => list.addEventListener('all-completed', () => done(true)))"
    await page.evaluate(f"() => {{ globalThis.completed = ({all_completed})(); }}")
    await page.locator("#picker").set_input_files(two_images(shelf))
    assert await page.evaluate("completed")
    assert await page.evaluate("list.roomcast.uploads.map((upload) => upload.state.status)") == ["completed"] * 2


async def test_the_example_of_the_element_shows_its_upload(
    server: RunningServer, context: BrowserContext, api: Api, shelf: Shelf
) -> None:
    state = await api.finished(await api.accepted(shelf.image("one.png")))
    html = EXAMPLE_ID.sub(state["uploadId"], examples("html")["element"].code)
    page = await opened(context, server, f"<!doctype html><meta charset='utf-8'>{html}")
    await page.wait_for_function("document.querySelector('upload-progress').upload?.state?.status === 'completed'")


async def test_the_examples_of_the_reference_print_the_progress_to_the_end(
    server: RunningServer, context: BrowserContext, shelf: Shelf
) -> None:
    script = "\n".join(example.code.replace(ADDRESS, server.url) for example in start_examples("javascript"))
    page = await opened(context, server, START_PAGE, script)
    await page.route("https://cdn.jsdelivr.net/**", lambda route: route.fulfill(path=SOCKET_IO))
    async with page.expect_console_message(lambda message: message.text == "done 100 Done", timeout=WORK_MS):
        await page.locator("input").set_input_files(shelf.image("one.png"))


async def test_the_example_of_tus_sends_its_file(
    server: RunningServer, context: BrowserContext, api: Api, shelf: Shelf
) -> None:
    page = await opened(context, server, examples("html")["tus"].code)
    await page.locator("#picker").set_input_files(shelf.image("one.png"))
    result = page.locator("#result")
    await expect(result).to_have_text(re.compile(r"/api/tus/upload_\w+ has arrived$"), timeout=WORK_MS)
    found = EXAMPLE_ID.search(await result.inner_text())
    assert found
    assert (await api.finished(found[0]))["status"] == "completed"
