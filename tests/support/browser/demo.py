"""Page objects of the demo page. They find controls by role and name."""

from __future__ import annotations

import asyncio
import base64
import mimetypes
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from playwright.async_api import BrowserContext, JSHandle, Locator, Page, Route, expect

WORK_SECONDS = 60
"""Longer than any stage of a small file takes on a busy machine."""

_RECORD_RENDERINGS = """
(() => {
  const renderings = (globalThis.renderings = []);
  const last = new Map();
  const roots = [];
  const text = (card, part) => card.querySelector(part).textContent;
  const record = () => {
    for (const card of roots.flatMap((root) => [...root.querySelectorAll(".card")])) {
      const rendering = {
        name: text(card, ".name"),
        stage: text(card, ".stage"),
        attempt: text(card, ".attempt"),
        percent: Number(card.querySelector(".bar").getAttribute("aria-valuenow")),
      };
      const json = JSON.stringify(rendering);
      if (last.get(rendering.name) !== json) renderings.push(rendering);
      last.set(rendering.name, json);
    }
  };
  const attachShadow = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (options) {
    const root = attachShadow.call(this, options);
    const everything = {subtree: true, childList: true, attributes: true, characterData: true};
    new MutationObserver(record).observe(root, everything);
    roots.push(root);
    return root;
  };
})();
"""
"""Records every rendering of every card, without gaps."""

NO_HANDLES = "delete globalThis.showOpenFilePicker"
"""Lets the page use the file input, whose files Playwright can choose."""

_RECORD_CHANGES = """
(element, property) => {
  globalThis.recorded = [];
  let last = element[property];
  const record = () => last !== element[property] && recorded.push((last = element[property]));
  const everything = {subtree: true, childList: true, attributes: true, characterData: true};
  new MutationObserver(record).observe(element, everything);
}
"""

_HOLD_TIMERS = """
(delays) => {
  const held = (delay) => (delays.includes(delay) ? 3_600_000 : delay);
  const start = globalThis.setTimeout;
  globalThis.setTimeout = (callback, delay, ...rest) => start(callback, held(delay), ...rest);
}
"""

_TRANSFER = """
(files) => {
  const transfer = new DataTransfer();
  for (const { name, type, content } of files) {
    const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  return transfer;
}
"""


async def transferred(page: Page, files: Iterable[Path]) -> JSHandle:
    """Return a `DataTransfer` with the files, as a drop or a paste has."""
    described = [
        {
            "name": file.name,
            "type": mimetypes.guess_type(file.name)[0] or "",
            "content": base64.b64encode(file.read_bytes()).decode(),
        }
        for file in files
    ]
    return await page.evaluate_handle(_TRANSFER, described)


@asynccontextmanager
async def choosing(page: Page, *files: Path) -> AsyncIterator[None]:
    """Expect that a file chooser opens meanwhile, and choose files in it; without files, it stays open.

    Playwright asks the browser to report choosers in a task of its own, which the next call overtakes. The answer to a
    call that follows that task comes when the browser does report them.
    """
    async with page.expect_file_chooser() as opening:
        for _ in range(2):
            await page.evaluate("0")
        yield
    chooser = await opening.value
    if files:
        await chooser.set_files(list(files))


async def record_changes(element: Locator, property_name: str) -> None:
    """Record each new value of an element's property in the page's `recorded`, also one that it has for a moment."""
    await element.evaluate(_RECORD_CHANGES, property_name)


async def hold_timers(page: Page, *milliseconds: int) -> None:
    """Let the timers that the page starts from now on with one of these delays last an hour, however long the test
    stands still."""
    await page.evaluate(_HOLD_TIMERS, list(milliseconds))


async def hold_requests(tab: Page | BrowserContext, url: str | re.Pattern[str]) -> asyncio.Event:
    """Hold the requests for a URL until the event is set that is returned."""
    may_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_go.wait()
        await route.continue_()

    await tab.route(url, hold)
    return may_go


FOCUSED = "document.activeElement.shadowRoot?.activeElement ?? document.activeElement"
"""The expression of the focused element."""


@dataclass(frozen=True)
class Rendering:
    """The contents of a card at one time."""

    name: str
    stage: str
    attempt: str
    percent: int


class Card:
    """The row of an upload."""

    def __init__(self, page: Page, name: str) -> None:
        self.root = page.get_by_role("listitem", name=name, exact=True)
        self.stage = self.root.locator(".stage")
        self.facts = self.root.locator(".progress-facts")
        self.attempt = self.root.locator(".attempt")
        self.problem = self.root.locator(".problem")
        self.percent = self.root.locator(".percent-number")
        self.bar = self.root.get_by_role("progressbar", name=name, exact=True)

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def download(self, name: str) -> Locator:
        return self.root.get_by_role("link", name=name)

    async def compresses(self) -> Self:
        """Wait until the encoder has reported progress."""
        await expect(self.facts).to_contain_text(" speed", timeout=WORK_SECONDS * 1000)
        return await self.reaches("Compressing")

    async def reaches(self, stage: str, *, seconds: float = WORK_SECONDS) -> Self:
        await expect(self.stage).to_have_text(stage, timeout=seconds * 1000)
        return self


@asynccontextmanager
async def limited_bandwidth(page: Page, bytes_per_second: int) -> AsyncIterator[None]:
    """Limit the upload bandwidth of the tab."""
    session = await page.context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    await session.send("Network.emulateNetworkConditions", conditions)
    yield
    await session.detach()


class Demo:
    """The page in a tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cards = page.locator(".card")
        self.state = page.locator("#connection-text")
        self.banner = page.locator("#banner")
        self.batch = page.locator("#count")
        self.note = page.locator(".notice").get_by_role("status")
        self.warning = page.locator(".notice").get_by_role("alert")
        self.question = page.get_by_role("alertdialog")
        self.overlay = page.locator("#overlay")
        self.template = page.get_by_label("What is it for?")
        self.announced = page.locator("#announcer")
        self.picker = page.get_by_label("Choose files", exact=True)
        self.token = page.get_by_label("Access token")

    @classmethod
    async def open(cls, context: BrowserContext, url: str) -> Self:
        page = await context.new_page()
        await page.add_init_script(_RECORD_RENDERINGS)
        await page.add_init_script(NO_HANDLES)
        await page.goto(url)
        return cls(page)

    def card(self, file: Path | str) -> Card:
        return Card(self.page, file if isinstance(file, str) else file.name)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def connection_is(self, state: str) -> None:
        await expect(self.page.locator(f'#connection[data-state="{state}"]')).to_be_visible(timeout=WORK_SECONDS * 1000)

    async def choose(self, *files: Path) -> None:
        await self.picker.set_input_files(list(files))

    async def drop(self, *files: Path) -> None:
        """Drop the files on the page."""
        transfer = await transferred(self.page, files)
        await self.page.dispatch_event("main", "drop", {"dataTransfer": transfer})

    async def paste(self, file: Path, *, as_name: str) -> None:
        """Paste a file under another name, with the date of now, as browsers give pictures of the clipboard."""
        transfer = await transferred(self.page, [file])
        await self.page.evaluate(
            """([transfer, name]) => {
              const pasted = new DataTransfer();
              pasted.items.add(new File([transfer.files[0]], name, { type: transfer.files[0].type }));
              document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true }));
            }""",
            [transfer, as_name],
        )

    @asynccontextmanager
    async def dragging(self, *paths: Path) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
        """Drag files and folders over the page as a person does; yields the function that goes on."""
        session = await self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}

        async def drag(event: str) -> None:
            await session.send("Input.dispatchDragEvent", {"type": event, "x": 300, "y": 300, "data": data})

        await drag("dragEnter")
        await drag("dragOver")
        yield drag
        await session.detach()

    @asynccontextmanager
    async def limited_bandwidth(self, bytes_per_second: int = 50_000) -> AsyncIterator[None]:
        """Limit the upload bandwidth of the tab."""
        async with limited_bandwidth(self.page, bytes_per_second):
            yield

    async def renderings(self, file: Path) -> list[Rendering]:
        """Return all renderings of the file's card since the page was loaded."""
        recorded: list[dict[str, Any]] = await self.page.evaluate("() => globalThis.renderings")
        return [Rendering(**rendering) for rendering in recorded if rendering["name"] == file.name]

    async def focused(self) -> str:
        """Return the text of the focused element."""
        text: str = await self.page.evaluate(f"() => ({FOCUSED}).textContent.trim()")
        return text


def assert_valid_progress(renderings: list[Rendering]) -> None:
    """Assert that progress never fell within an attempt, and was 100 only for a completed upload."""
    assert renderings
    for earlier, later in pairwise(renderings):
        if earlier.attempt == later.attempt or later.stage == "Completed":
            assert earlier.percent <= later.percent, (earlier, later)
    for rendering in renderings:
        assert (rendering.percent == 100) == (rendering.stage == "Completed"), rendering
