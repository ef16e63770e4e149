"""Debian's Chromium, and servers for its page. A page that complains fails its test, whatever else the test finds."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, WebError, async_playwright

from tests import fake_ffmpeg
from tests.browser.demo import Card, Demo
from tests.conftest import Serve, Shelf
from tests.harness import RunningServer

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

OpenPage = Callable[..., Awaitable[Demo]]


class Ffmpeg:
    """An ffmpeg that can be told to take its time, so that a test decides how long a stage lasts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._path = fake_ffmpeg.install(folder)
        self.env = {"FFMPEG_PATH": str(self._path)}

    def behave(self, how: str) -> None:
        fake_ffmpeg.behave(self._path, how)

    def heal(self) -> None:
        self.behave("")


@pytest.fixture
def ffmpeg(tmp_path: Path) -> Ffmpeg:
    return Ffmpeg(tmp_path / "ffmpeg")


@pytest.fixture
def server(serve: Serve, ffmpeg: Ffmpeg) -> RunningServer:
    return serve(**ffmpeg.env)


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    """A browser's profile. No script may fail in it, no promise be left to reject, no policy be broken."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    complaints: list[str] = []

    def hear_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    def hear_error(error: WebError) -> None:
        complaints.append(str(error.error))

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = await browser.new_context()
        context.on("console", hear_console)
        context.on("weberror", hear_error)
        yield context
        await browser.close()
    assert complaints == []


@pytest.fixture
def open_page(context: BrowserContext) -> OpenPage:
    """Open the demo page in a new tab, once the server's room calls can be made."""

    async def open_page(server: RunningServer, query: str = "", *, state: str | None = "online") -> Demo:
        demo = await Demo.open(context, f"{server.url}/progress-demo{query}")
        if state:
            await demo.connection_is(state)
        return demo

    return open_page


class AtWork(NamedTuple):
    """A page with a clip that is compressed until the test heals ffmpeg, or ends."""

    demo: Demo
    clip: Path
    card: Card


@pytest.fixture
async def at_work(server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg) -> AtWork:
    clip = shelf.clip()
    ffmpeg.behave("slow:60")
    demo = await open_page(server)
    await demo.choose(clip)
    return AtWork(demo, clip, await demo.card(clip).compresses())
