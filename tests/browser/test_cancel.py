"""Cancel and retry on the demo page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Request, Route, expect

from tests.browser.conftest import Compressing, Ffmpeg, ListUploads, OpenPage
from tests.conftest import Shelf
from tests.support.clips import pad
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser


def large(shelf: Shelf, name: str) -> Path:
    """Return an image that takes some seconds to send with `limited_bandwidth`."""
    return pad(shelf.image(name), 760_000)


async def test_cancel_while_compressing_stops_this_upload_only(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg, list_uploads: ListUploads
) -> None:
    clip, other = shelf.clip("clip.mp4"), shelf.clip("other.mp4")
    ffmpeg.behave("slow:600")
    demo = await open_page(server)
    await demo.choose(clip, other)
    card = await demo.card(clip).compresses()
    await demo.card(other).compresses()
    ffmpeg.heal()
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    states = {upload["filename"]: upload["stage"] for upload in await list_uploads()}
    assert states == {"clip.mp4": "cancelled", "other.mp4": "compressing"}


async def test_cancelled_upload_can_be_retried(compressing: Compressing, ffmpeg: Ffmpeg) -> None:
    card = compressing.card
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    ffmpeg.heal()
    await card.button("Retry").click()
    await card.reaches("Completed")


async def test_retry_before_the_cancel_is_answered_waits_for_it(compressing: Compressing, ffmpeg: Ffmpeg) -> None:
    demo, _, card = compressing
    asked, retried = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await retried.wait()
        await route.continue_()

    await demo.page.route("**/api/uploads/upload_*", hold)  # a cancel ends with a request for the state
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    await asked.wait()
    ffmpeg.heal()
    await card.button("Retry").press("Enter")
    await card.button("Retry").press("Enter")
    retried.set()
    await card.reaches("Completed")
    await expect(card.problem).to_be_hidden()


async def test_cancel_while_sending_stops_and_a_retry_sends_again(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, list_uploads: ListUploads
) -> None:
    picture = large(shelf, "large.png")
    demo = await open_page(server)
    async with demo.limited_bandwidth():
        await demo.choose(picture)
        card = await demo.card(picture).reaches("Sending")
        await expect(card.facts).to_contain_text(" of ")
        await card.button("Cancel").click()
        await card.reaches("Cancelled")
    (upload,) = await list_uploads()
    assert upload["stage"] == "cancelled"

    await card.button("Retry").click()  # the page sends the file again
    await card.reaches("Completed")


async def test_cancel_before_sending_calls_no_server(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    pictures = [large(shelf, f"{number}.png") for number in range(4)]
    demo = await open_page(server)
    reserved: list[str] = []

    def record(request: Request) -> None:
        if request.url.endswith("/api/uploads"):
            reserved.append(json.loads(request.post_data or "")["files"][0]["filename"])

    demo.page.on("request", record)
    async with demo.limited_bandwidth():
        await demo.choose(*pictures)
        for picture in pictures[:3]:
            await demo.card(picture).reaches("Sending")
        last = await demo.card(pictures[3]).reaches("Waiting to be sent")
        await last.button("Cancel").click()
        await last.reaches("Cancelled")
    for picture in pictures[:3]:
        await demo.card(picture).reaches("Completed")
    assert reserved == ["0.png", "1.png", "2.png"]
