"""The API reference at `/docs`: both viewers, trying out calls and requests, and what it says without npm."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import new_context
from tests.support.harness import Api, RunningServer
from tests.support.tokens import SECRET, token

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that asks for a token."""
    with RunningServer(tmp_path_factory.mktemp("server") / "data", JWT_SECRET=SECRET) as running:
        yield running


@pytest.fixture
def server(shared_server: RunningServer) -> RunningServer:
    return shared_server


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


def sockets(page: Page) -> Locator:
    return page.locator("#socket-viewer")


def http(page: Page) -> Locator:
    return page.locator("#http-viewer")


@asynccontextmanager
async def without_viewer(page: Page) -> AsyncIterator[None]:
    """Serve the page without Swagger UI meanwhile, whose reference takes seconds of CPU to draw."""
    bundle = "**/swagger-ui-bundle*.js"
    await page.route(bundle, lambda route: route.fulfill(content_type="text/javascript", body=""))
    yield
    await page.unroute(bundle)


async def open_docs(page: Page, server: RunningServer) -> None:
    await page.goto(f"{server.url}/docs")
    await expect(sockets(page).get_by_text("join-upload", exact=True)).to_be_visible(timeout=120_000)
    await expect(http(page).get_by_text("Uploads", exact=True)).to_be_visible(timeout=120_000)


async def test_the_reference_is_complete_sends_calls_with_the_token_and_is_readable_in_both_colour_schemes(
    page: Page, server: RunningServer
) -> None:
    """One page and one server for all of it: to generate the reference and to draw it takes five seconds of CPU."""
    requested: set[str] = set()
    page.on("request", lambda request: requested.add(request.url))
    async with without_viewer(page):
        await page.goto(f"{server.url}/docs")
        await check_languages_by_keyboard(page, server)
    await open_docs(page, server)
    await check_list_of_calls_and_groups(page, server)
    await check_links_and_payloads(page)
    await check_call_by_keyboard_and_request_with_the_token(page, server)
    await check_size_and_contrast(page)
    assert {urlsplit(url).netloc for url in requested if url.startswith("http")} == {urlsplit(server.url).netloc}


async def check_languages_by_keyboard(page: Page, server: RunningServer) -> None:
    """One language is shown, arrow keys choose another, and a reload and the browser's find show the right one."""
    start = page.locator("#start")
    javascript, python, curl = (start.get_by_role("tab", name=name) for name in ("JavaScript", "Python", "curl"))
    shown = start.locator("section:not([hidden])")
    await expect(shown).to_have_count(1)
    await expect(shown.locator("pre").first).to_contain_text(f'"{server.url}/api/uploads"')
    await expect(shown.locator("pre").nth(1)).to_contain_text(f'io("{server.url}", {{ path: "/socket.io/" }})')
    await expect(shown.get_by_role("button", name="Copy")).to_have_count(3)
    await javascript.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(curl).to_be_focused()
    await expect(shown.locator("pre").first).to_contain_text("curl -X POST")
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    await expect(python).to_have_attribute("aria-selected", "true")
    await expect(javascript).to_have_attribute("tabindex", "-1")
    await page.reload()
    await expect(python).to_have_attribute("aria-selected", "true")
    await expect(shown).to_contain_text("asyncio.run(main())")
    await start.locator("section[data-language=curl]").dispatch_event("beforematch")
    await expect(curl).to_have_attribute("aria-selected", "true")


async def check_links_and_payloads(page: Page) -> None:
    contents = page.locator("#contents")
    await contents.locator("summary").click()
    await contents.get_by_role("link", name="completed", exact=True).click()
    event = page.locator("#socket-viewer .opblock", has=page.get_by_text("completed", exact=True))
    await expect(event.locator(".responses-table")).to_contain_text('"urlsExpireAt"')
    await expect(event.locator(".tab-list").get_by_role("tab")).to_have_text(["JavaScript", "Python"])
    await contents.get_by_role("link", name="PUT /api/uploads/{id}/content").click()
    route = http(page).locator(".opblock.is-open", has_text="Send the bytes of a reservation")
    await expect(route.locator("section[data-language]:not([hidden])")).to_contain_text("--data-binary @film.mp4")
    await expect(route.locator(".opblock-summary-control")).to_be_focused()


async def check_size_and_contrast(page: Page) -> None:
    await sockets(page).get_by_text("upload-progress", exact=True).click()
    await http(page).get_by_text("Send files, or reserve uploads").click()
    await expect(http(page).get_by_text("The files are stored and queued.").first).to_be_visible()
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await page.wait_for_function(
                "dark => document.documentElement.classList.contains('dark-mode') === dark", arg=scheme == "dark"
            )
            assert await page.evaluate(LOW_CONTRAST) == [], (width, scheme)


async def check_list_of_calls_and_groups(page: Page, server: RunningServer) -> None:
    async with Api(server) as api:
        asyncapi = (await api.request("GET", "/asyncapi.json")).body
        openapi = (await api.request("GET", "/openapi.json")).body
    listed = await sockets(page).locator(".opblock-summary-path").all_inner_texts()
    assert set(listed) == set(asyncapi["operations"]) - {"connect"}
    tags = [tag["name"] for tag in openapi["tags"]]
    assert await http(page).locator(".opblock-tag > a, .opblock-tag > span").all_inner_texts() == tags


async def check_call_by_keyboard_and_request_with_the_token(page: Page, server: RunningServer) -> None:
    access = token("ada")
    async with Api(server, access) as ada:
        files = [{"filename": "holiday.mov", "size": 100}]
        upload_id = (await ada.request("POST", "/api/uploads", json={"files": files})).body["uploadId"]
    await page.get_by_label("Access token").fill(access)
    await page.get_by_role("button", name="Use token").click()

    call = sockets(page).locator(".opblock", has_text="join-upload").first
    await call.locator(".opblock-summary-control").focus()
    await page.keyboard.press("Enter")
    await call.locator("textarea").fill(json.dumps({"uploadId": upload_id}))
    await call.get_by_role("button", name="Execute").focus()
    await page.keyboard.press("Enter")
    responses = call.locator(".live-responses-table")
    await expect(responses).to_contain_text('"ok": true')
    await expect(responses).to_contain_text('"stage": "receiving"')
    await expect(call.locator("section[data-language=javascript]")).to_contain_text(
        f'emitWithAck("join-upload", {{"uploadId": "{upload_id}"'
    )
    await expect(page.locator("#events")).to_contain_text(upload_id)

    request = http(page).locator(".opblock", has_text="Get an upload").first
    await request.locator(".opblock-summary-control").click()
    await request.get_by_placeholder("id").fill(upload_id)
    await request.get_by_role("button", name="Execute").click()
    await expect(request.locator(".live-responses-table .response .response-col_status")).to_have_text("200")
    await expect(request.locator("section[data-language=curl]")).to_contain_text(f"Authorization: Bearer {access}")


async def test_without_the_viewer_the_page_names_what_is_missing(
    context: BrowserContext, server: RunningServer
) -> None:
    page = await context.new_page()
    async with without_viewer(page):
        await page.goto(f"{server.url}/docs")
        missing = page.locator("#missing")
        await expect(missing).to_be_visible()
    await expect(missing).to_contain_text("npm ci --prefix static")
    for name in ("openapi.json", "asyncapi.json"):
        await expect(missing.get_by_role("link", name=name)).to_have_attribute("href", name)


async def test_without_scripts_the_examples_of_all_languages_are_shown(browser: Browser, server: RunningServer) -> None:
    context = await new_context(browser, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{server.url}/docs")
    await expect(page.locator("#start h3")).to_have_text(["JavaScript", "Python", "curl"])
    for block in await page.locator("#start pre").all():
        await expect(block).to_be_visible()
    await context.close()


LOW_CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => channels(colour).slice(0, 3)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const backgrounds = new Map([[null, "rgb(255, 255, 255)"]]);
  const background = (node) => {
    if (!backgrounds.has(node)) {
      const colour = getComputedStyle(node).backgroundColor;
      const [, , , alpha = 1] = channels(colour);
      backgrounds.set(node, alpha === 1 ? colour : background(node.parentElement));
    }
    return backgrounds.get(node);
  };
  const ratio = (node) => {
    const [high, low] = [luminance(getComputedStyle(node).color), luminance(background(node))].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = [...document.querySelectorAll("body *")].filter((node) =>
    node.checkVisibility({ visibilityProperty: true })
    && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.filter((node) => ratio(node) < 4.5)
    .map((node) => `${node.tagName}.${node.className} ${node.textContent.slice(0, 30)} ${ratio(node).toFixed(1)}`);
}"""
