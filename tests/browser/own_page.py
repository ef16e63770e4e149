"""A page of somebody's own: nothing on it but a file picker and `roomcast.js`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from playwright.async_api import BrowserContext, Page, Request, Route

from tests.browser.demo import WORK_SECONDS

_PATH = "/own-page"
_HTML = '<!doctype html><meta charset="utf-8"><input type="file" multiple>'

_CONNECT = """
async () => {
  const { connect } = await import("/static/roomcast.js");
  globalThis.roomcast = connect();
  globalThis.heard = [];
  roomcast.addEventListener("uploadadded", ({ detail: upload }) => {
    upload.addEventListener("message", ({ detail }) => heard.push({ ...detail, by: roomcast.state }));
  });
}
"""


class OwnPage:
    """The page in a tab. `pieces` are the offsets of the pieces that were sent from it, in order."""

    def __init__(self, page: Page, url: str, script: str) -> None:
        self.page = page
        self.pieces: list[int] = []
        self._url = f"{url}{_PATH}"
        self._script = script
        page.on("request", self._note)

    @classmethod
    async def open(cls, context: BrowserContext, url: str, *, script: str = _CONNECT) -> Self:
        """`url` is the server's, or of what leads to it; `script` is run whenever the page is loaded."""
        own = cls(await context.new_page(), url, script)

        async def serve(route: Route) -> None:
            await route.fulfill(body=_HTML, content_type="text/html")

        await own.page.route(own._url, serve)
        await own.load()
        return own

    def _note(self, request: Request) -> None:
        if request.method == "PATCH":
            self.pieces.append(int(request.headers["upload-offset"]))

    async def load(self) -> None:
        """Load the page, for the first time or again."""
        await self.page.goto(self._url)
        await self.page.evaluate(self._script)

    async def pick(self, *files: Path) -> None:
        await self.page.locator("input").set_input_files(list(files))

    async def upload(self, *files: Path) -> list[str]:
        """Give the files to `roomcast.upload`; their ids."""
        await self.pick(*files)
        ids: list[str] = await self.page.evaluate(
            """async () => {
              globalThis.uploads = [...document.querySelector("input").files].map((file) => roomcast.upload(file));
              const placed = (upload) => new Promise((go) => {
                const look = () => upload.id && go(upload.id);
                upload.addEventListener("change", look);
                look();
              });
              return Promise.all(uploads.map(placed));
            }"""
        )
        return ids

    async def until(self, expression: str) -> None:
        """Wait until the expression is true on the page."""
        await self.page.wait_for_function(expression, timeout=WORK_SECONDS * 1000)

    async def say(self, expression: str) -> Any:
        """The expression's value, awaited if need be."""
        return await self.page.evaluate(expression)

    async def midway(self, share: float = 0.3) -> None:
        """The server has that share of the first upload, and not all."""
        await self.until(
            f"""(() => {{
              const {{ stage, bytesReceived, bytesExpected }} = uploads[0].state ?? {{}};
              return stage === "receiving" && bytesReceived > {share} * bytesExpected;
            }})()"""
        )

    async def completes(self) -> None:
        """Every upload that was given here ends well."""
        for status in await self.say("Promise.all(uploads.map(async (one) => (await one.finished).status))"):
            assert status == "completed"
