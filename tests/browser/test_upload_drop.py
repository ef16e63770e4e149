"""`<upload-drop>`: files are dropped, chosen and pasted, by pointer and by keyboard; some are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.test_docs_pages import opened
from tests.conftest import Shelf
from tests.support.browser.axe import AXE, violations
from tests.support.browser.demo import NO_HANDLES, WORK_SECONDS, Card, choosing, transferred
from tests.support.harness import RunningServer
from tests.support.pages import examples

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not AXE.is_file(), reason="tests/node/node_modules is missing: `make setup` brings it"),
]

ALONE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Alone</title>
<script type="module" src="/static/element.js"></script>
<main><upload-drop accept=".png, video/*"><b>Give us pictures</b><span slot="hint">PNG or video</span></upload-drop>
<upload-progress-list></upload-progress-list></main>"""
RECORD = """() => {
  globalThis.events = [];
  for (const name of ["upload-files", "upload-started", "upload-refused"]) {
    const summary = (detail) => detail.reason ?? detail.length ?? detail.file.name;
    document.addEventListener(name, ({ detail }) => events.push([name, summary(detail)]));
  }
}"""


async def give(page: Page, event: str, *files: Path, folder: str = "") -> None:
    """Drop or paste files, and a folder, as the browser does."""
    transfer = await transferred(page, files)
    await page.locator("upload-drop").evaluate(
        """(drop, [event, transfer, folder]) => {
          const items = [...transfer.items];
          const createReader = () => ({ readEntries: (done) => done([]) });
          const webkitGetAsEntry = () => ({ isDirectory: true, name: folder, createReader });
          const item = { kind: "file", getAsFile: () => new File([], folder), webkitGetAsEntry };
          if (folder) Object.defineProperty(transfer, "items", { value: [...items, item] });
          const given = event === "paste"
            ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, composed: true, cancelable: true })
            : new DragEvent(event, { dataTransfer: transfer, bubbles: true, composed: true, cancelable: true });
          if (folder) Object.defineProperty(given, "dataTransfer", { value: transfer });
          globalThis.prevented = !drop.shadowRoot.getElementById("input").dispatchEvent(given);
        }""",
        [event, transfer, folder],
    )


async def test_files_are_dropped_chosen_and_pasted_into_the_list_that_it_is_for(
    server: RunningServer, context: BrowserContext, shelf: Shelf
) -> None:
    html = examples("html")["drop"].code.replace(
        "<!doctype html>", '<!doctype html><html lang="en"><title>Drop</title>'
    )
    page = await opened(context, server, html)
    await page.evaluate(NO_HANDLES)
    await page.evaluate(RECORD)
    drop = page.locator("upload-drop")
    await expect(drop).to_contain_text("Drop files here")
    chosen, dropped, pasted = (shelf.image(f"{name}.png") for name in ("chosen", "dropped", "pasted"))

    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Choose files")).to_be_focused()
    await expect(drop.locator("#zone")).to_have_css("outline-style", "solid")
    async with choosing(page, chosen):
        await page.keyboard.press("Enter")
    await expect(Card(page, chosen.name).root).to_be_visible()  # each choice asks the server what it accepts
    await give(page, "dragenter", dropped)
    assert await drop.evaluate("(drop) => drop.matches(':state(over)')")
    await give(page, "dragover", dropped)
    assert await page.evaluate("prevented"), "otherwise the browser does not allow the drop"
    await give(page, "drop", dropped, folder="holiday")
    await expect(drop.get_by_role("alert")).to_have_text("The folder holiday has no files.")
    assert await drop.evaluate("(drop) => !drop.matches(':state(over)')")
    await expect(Card(page, dropped.name).root).to_be_visible()
    await give(page, "paste", pasted)
    for file in (chosen, dropped, pasted):
        await Card(page, file.name).reaches("Completed", seconds=WORK_SECONDS)

    notes = chosen.with_name("notes.txt")
    notes.write_text("no picture")
    await give(page, "drop", notes)
    await expect(Card(page, "notes.txt").problem).to_contain_text("not a video, an image or an audio file")
    events = await page.evaluate("events")
    assert [detail for name, detail in events if name == "upload-started"] == [
        "chosen.png",
        "dropped.png",
        "pasted.png",
    ]
    assert [name for name, _ in events if name != "upload-started"] == [
        "upload-files", "upload-files", "upload-files", "upload-files", "upload-refused",
    ]  # fmt: skip
    assert await violations(page, of="upload-drop") == []

    await page.evaluate("document.addEventListener('upload-files', (event) => event.preventDefault())")
    await give(page, "drop", dropped)
    await drop.evaluate("(drop) => { drop.disabled = true }")
    await expect(page.get_by_label("Choose files")).to_be_disabled()
    for event in ("dragenter", "dragover", "drop", "paste"):
        await give(page, event, dropped)
    assert await drop.evaluate("(drop) => !drop.matches(':state(over)')")
    assert len(await page.evaluate("events")) == len(events) + 1, "what is prevented or disabled sends nothing"
    assert await violations(page, of="upload-drop") == []


async def test_zone_alone_names_refused_files_and_shares_the_connection_of_the_lists(
    server: RunningServer, context: BrowserContext, shelf: Shelf
) -> None:
    page = await opened(context, server, ALONE)
    await page.evaluate(RECORD)
    await expect(page.get_by_text("Give us pictures")).to_be_visible()
    await expect(page.locator("upload-drop #text")).to_be_hidden()
    await expect(page.get_by_label("Choose files")).to_have_attribute("accept", ".png, video/*")
    picture, other = shelf.image(), shelf.image("photo.jpg")
    await give(page, "drop", other)
    problem = page.locator("upload-drop").get_by_role("alert")
    await expect(problem).to_have_text("photo.jpg: not uploaded. Files of this type are not accepted here.")
    assert await violations(page, of="upload-drop") == []
    await page.evaluate(
        "([type]) => { document.querySelector('upload-drop').setAttribute('type', type) }", ["hero-video"]
    )
    await give(page, "drop", picture)
    await expect(problem).to_contain_text("The template “Video” accepts videos only.")
    await page.evaluate("() => document.querySelector('upload-drop').removeAttribute('type')")
    await give(page, "drop", picture)
    await expect(problem).to_be_empty()
    await Card(page, picture.name).reaches("Completed", seconds=WORK_SECONDS)
    errors = await page.evaluate(
        """async () => {
          const drop = document.querySelector("upload-drop");
          drop.htmlFor = "nowhere";
          return drop.send([new File(["x"], "x.png")]).catch(({ message }) => message);
        }"""
    )
    assert errors == '<upload-drop> is for "nowhere", but there is no element with this id.'
