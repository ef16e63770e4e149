"""Fixtures of the browser tests: Debian's Chromium, servers and pages. Any error in a page fails the test.

All tests of a process share one Chromium, so they and their fixtures run in one event loop; each has an empty profile.
The tests of a module share its `server`, which is idle when a test begins; `serve` starts another one for tests that
damage it or need other settings.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Frame,
    Page,
    WebError,
    async_playwright,
    expect,
)

from tests.conftest import Shelf
from tests.support import fake_ffmpeg
from tests.support.browser.demo import Card, Demo
from tests.support.browser.rows import Rows
from tests.support.harness import Api, RunningServer

# The process of a page costs half as much CPU as to show the page in it.
ARGUMENTS = (
    "--process-per-site",
    "--renderer-process-limit=1",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
)

expect.set_options(timeout=30_000)  # Playwright's five seconds are too few for a page on a busy machine

OpenPage = Callable[..., Awaitable[Demo]]
OpenRows = Callable[..., Awaitable[Rows]]
ListUploads = Callable[[], Awaitable[list[dict[str, Any]]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(300))  # some wait for several deadlines of a busy machine in turn
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


class Ffmpeg:
    """A fake ffmpeg whose behaviour a test sets, such as how long a stage lasts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._path = fake_ffmpeg.install(folder)
        self.env = {"FFMPEG_PATH": str(self._path)}

    def behave(self, how: str) -> None:
        fake_ffmpeg.behave(self._path, how)

    def heal(self) -> None:
        self.behave("")


@pytest.fixture(scope="module")
def shared_ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> Ffmpeg:
    return Ffmpeg(tmp_path_factory.mktemp("fake") / "ffmpeg")


@pytest.fixture
def ffmpeg(shared_ffmpeg: Ffmpeg) -> Ffmpeg:
    shared_ffmpeg.heal()
    return shared_ffmpeg


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, shared_ffmpeg: Ffmpeg) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("server") / "data", **shared_ffmpeg.env) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def server(shared_server: RunningServer, ffmpeg: Ffmpeg) -> RunningServer:
    """Return the module's server, after cancelling the unfinished uploads of earlier tests."""
    async with Api(shared_server) as api:
        for upload in (await api.list()).body["uploads"]:
            if upload["status"] not in ("completed", "error"):
                await api.cancel(upload["uploadId"])
    return shared_server


@pytest_asyncio.fixture(loop_scope="session")
async def api(server: RunningServer) -> AsyncIterator[Api]:
    async with Api(server) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def list_uploads(api: Api) -> ListUploads:
    """Return a function that lists the uploads that were created during the test."""
    before = {upload["uploadId"] for upload in (await api.list()).body["uploads"]}

    async def list_uploads() -> list[dict[str, Any]]:
        return [upload for upload in (await api.list()).body["uploads"] if upload["uploadId"] not in before]

    return list_uploads


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


async def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """Return a new profile in which nothing moves unless a test asks for it: without a graphics card, the moving icon
    of a single row takes a fifth of a processor. Chromium's own switch for it is overridden by Playwright."""
    return await browser.new_context(reduced_motion="reduce", **options)


class Profile:
    """A browser profile that tests use in turn, because a new one costs half a second of CPU. `clean` empties it."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self._origins: set[str] = set()
        self._tab: Page | None = None
        """A tab that stays open, because clearing the storage needs one."""
        context.on("page", lambda page: page.on("framenavigated", self._note))

    def _note(self, frame: Frame) -> None:
        parts = urlsplit(frame.url)
        if parts.netloc:
            self._origins.add(f"{parts.scheme}://{parts.netloc}")

    async def close_tabs(self) -> None:
        for page in self.context.pages:
            await page.unroute_all(behavior="ignoreErrors")
        await self.context.unroute_all(behavior="ignoreErrors")
        for page in self.context.pages:
            if page is not self._tab:
                await page.close()

    async def clean(self) -> None:
        self._tab = self._tab or await self.context.new_page()
        session = await self.context.new_cdp_session(self._tab)
        while self._origins:
            await session.send("Storage.clearDataForOrigin", {"origin": self._origins.pop(), "storageTypes": "all"})
        await session.detach()
        await self.context.clear_cookies()
        await self.context.clear_permissions()
        await self.context.set_offline(False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_profile(browser: Browser) -> AsyncIterator[Profile]:
    profile = Profile(await new_context(browser))
    yield profile
    await profile.context.close()


@pytest.fixture
def own_profile() -> None:
    """Marks a test that changes its profile for good, such as by a script for all pages, a clock or a route."""


@pytest_asyncio.fixture(loop_scope="session")
async def profile(browser: Browser, shared_profile: Profile, request: pytest.FixtureRequest) -> AsyncIterator[Profile]:
    if "own_profile" in request.fixturenames:
        own = Profile(await new_context(browser))
        yield own
        await own.context.close()
    else:
        yield shared_profile
        await shared_profile.clean()


@pytest_asyncio.fixture(loop_scope="session")
async def context(profile: Profile) -> AsyncIterator[BrowserContext]:
    """Return an empty profile, and fail the test on script errors, unhandled rejections and policy violations."""
    errors: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            errors.append(message.text)

    def on_error(error: WebError) -> None:
        errors.append(str(error.error))

    profile.context.on("console", on_console)
    profile.context.on("weberror", on_error)
    yield profile.context
    await profile.close_tabs()
    profile.context.remove_listener("console", on_console)
    profile.context.remove_listener("weberror", on_error)
    assert errors == []


@pytest.fixture
def open_page(context: BrowserContext) -> OpenPage:
    """Return a function that opens the demo page in a new tab and waits until it is connected."""

    async def open_page(server: RunningServer, query: str = "", *, state: str | None = "online") -> Demo:
        demo = await Demo.open(context, f"{server.url}/progress-demo{query}")
        if state:
            await demo.connection_is(state)
        return demo

    return open_page


@pytest.fixture
def open_rows(shared_server: RunningServer, context: BrowserContext) -> OpenRows:
    """Return a function that opens a page with a list of fake uploads in a new tab."""

    async def open_rows(attributes: str = "results") -> Rows:
        return await Rows.open(await context.new_page(), shared_server, attributes)

    return open_rows


class Compressing(NamedTuple):
    """A page with a clip that is being compressed until the test ends or resets ffmpeg."""

    demo: Demo
    clip: Path
    card: Card


@pytest_asyncio.fixture(loop_scope="session")
async def compressing(server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg) -> Compressing:
    clip = shelf.clip()
    ffmpeg.behave("slow:60")
    demo = await open_page(server)
    await demo.choose(clip)
    return Compressing(demo, clip, await demo.card(clip).compresses())
