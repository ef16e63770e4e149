"""Cancel, and what can be done afterwards."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Request, Route, expect

from tests.browser.conftest import AtWork, Ffmpeg, ListUploads, OpenPage
from tests.conftest import Shelf
from tests.support.clips import pad
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser


def large(shelf: Shelf, name: str) -> Path:
    """A picture that takes some seconds to send through `narrow`."""
    return pad(shelf.image(name), 760_000)


async def test_while_compressing(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg, list_uploads: ListUploads
) -> None:
    clip, other = shelf.clip("clip.mp4"), shelf.clip("other.mp4")
    ffmpeg.behave("slow:60")
    demo = await open_page(server)
    await demo.choose(clip, other)
    card = await demo.card(clip).compresses()
    await demo.card(other).compresses()
    ffmpeg.heal()
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    states = {upload["filename"]: upload["stage"] for upload in await list_uploads()}
    assert states == {"clip.mp4": "cancelled", "other.mp4": "compressing"}


async def test_a_cancelled_upload_can_be_started_again(at_work: AtWork, ffmpeg: Ffmpeg) -> None:
    card = at_work.card
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    ffmpeg.heal()
    await card.button("Retry").click()
    await card.reaches("Completed")


async def test_retry_before_the_cancel_is_answered(at_work: AtWork, ffmpeg: Ffmpeg) -> None:
    demo, _, card = at_work
    asked, retried = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await retried.wait()
        await route.continue_()

    await demo.page.route("**/api/uploads/upload_*", hold)  # the last thing a cancel does is to look
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    await asked.wait()
    ffmpeg.heal()
    await card.button("Retry").press("Enter")
    await card.button("Retry").press("Enter")
    retried.set()
    await card.reaches("Completed")
    await expect(card.problem).to_be_hidden()


async def test_while_its_bytes_are_on_their_way(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, list_uploads: ListUploads
) -> None:
    picture = large(shelf, "large.png")
    demo = await open_page(server)
    async with demo.narrow():
        await demo.choose(picture)
        card = await demo.card(picture).reaches("Receiving")
        await expect(card.facts).to_contain_text(" kB of ")
        await card.button("Cancel").click()
        await card.reaches("Cancelled")
    (upload,) = await list_uploads()
    assert upload["stage"] == "cancelled"

    await card.button("Retry").click()  # the page still has the file, and sends it again
    await card.reaches("Completed")


async def test_while_it_waits_to_be_sent_asks_nothing_of_the_server(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    pictures = [large(shelf, f"{number}.png") for number in range(4)]
    demo = await open_page(server)
    reserved: list[str] = []

    def hear(request: Request) -> None:
        if request.url.endswith("/api/uploads"):
            reserved.append(json.loads(request.post_data or "")["files"][0]["filename"])

    demo.page.on("request", hear)
    async with demo.narrow():
        await demo.choose(*pictures)
        for picture in pictures[:3]:
            await demo.card(picture).reaches("Receiving")
        last = await demo.card(pictures[3]).reaches("Waiting to be sent")
        await last.button("Cancel").click()
        await last.reaches("Cancelled")
    for picture in pictures[:3]:
        await demo.card(picture).reaches("Completed")
    assert reserved == ["0.png", "1.png", "2.png"]
