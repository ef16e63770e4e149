"""The main path of the demo page: drop files, watch the progress, use the results."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.conftest import Ffmpeg, OpenPage
from tests.conftest import Serve, Shelf
from tests.support.browser.demo import WORK_SECONDS, assert_valid_progress
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

_LOADED = """
(video) => new Promise((resolve, reject) => {
  video.addEventListener("loadeddata", () => resolve([video.videoWidth, video.videoHeight]));
  video.addEventListener("error", () => reject(new Error(video.error.message)));
  video.preload = "auto";
  video.load();
})
"""


_STEPS = """
([file, count]) => {
  const shown = renderings.filter(({ name, stage }) => name === file && stage === "Compressing");
  return new Set(shown.map(({ percent }) => percent)).size >= count;
}
"""
"""Whether so many different percentages of a file were shown while it was compressed."""


async def test_two_dropped_clips_are_shown_until_completed(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    one, other = shelf.clip("one.mp4", seconds=8, audio=True), shelf.clip("other.mov")
    ffmpeg.behave("busy")
    demo = await open_page(server)
    await demo.drop(one, other)
    for file in (one, other):
        await demo.card(file).compresses()
    await expect(demo.card(one).facts).to_contain_text("speed")
    await expect(demo.batch).to_contain_text("2 compressing")
    await demo.page.wait_for_function(_STEPS, arg=[one.name, 3], timeout=WORK_SECONDS * 1000)
    ffmpeg.heal()
    for file in (one, other):
        await demo.card(file).reaches("Completed")
        assert_valid_progress(await demo.renderings(file))
    await expect(demo.batch).to_have_text("2 done")


async def test_result_plays_and_can_be_downloaded(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, context: BrowserContext
) -> None:
    clip = shelf.clip("holiday film.mov", size="320x240", crf=5)
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).reaches("Completed")
    assert await card.root.locator("video").evaluate(_LOADED) == [320, 240]
    await expect(card.root.locator(".saved")).to_contain_text("% smaller")
    link = card.download("Video, MP4")
    await expect(link).to_have_attribute("download", "holiday film.mp4")
    reply = await context.request.get(await link.evaluate("(link) => link.href"))
    assert reply.status == 200
    assert reply.headers["content-type"] == "video/mp4"
    assert len(await reply.body()) < clip.stat().st_size


async def test_image_result_is_shown(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    picture = shelf.image("card.png", size=(800, 600))
    demo = await open_page(server)
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Completed")
    shown = card.root.get_by_role("img", name="card.png, compressed")
    await expect(shown).to_have_js_property("complete", True)
    await expect(shown).to_have_js_property("naturalWidth", 800)
    for name in ("WebP", "AVIF", "JPEG"):
        await expect(card.download(name).first).to_be_visible()


async def test_queued_uploads_show_their_queue_position(
    serve: Serve, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    server = serve(**ffmpeg.env, ROOMCAST_WORKERS="1")
    files = [shelf.clip(f"{name}.mp4", seconds=1) for name in ("one", "two", "three")]
    ffmpeg.behave("slow:600")
    demo = await open_page(server)
    for file in files:
        await demo.choose(file)
        card = demo.card(file)
        await (card.compresses() if file is files[0] else card.reaches("Waiting for a worker"))
    await expect(demo.card(files[1]).facts).to_have_text("next in the queue")
    await expect(demo.card(files[2]).facts).to_have_text("2nd in the queue")
    ffmpeg.heal()
    await demo.card(files[0]).button("Cancel").click()
    for file in files[1:]:
        await demo.card(file).reaches("Completed")


async def test_second_attempt_is_shown(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    clip = shelf.clip(seconds=1)
    ffmpeg.behave(f"busy-again:{tmp_path / 'died'}")
    demo = await open_page(server)
    await demo.choose(clip)
    card = demo.card(clip)
    await expect(card.attempt).to_contain_text("Attempt 2", timeout=WORK_SECONDS * 1000)
    ffmpeg.heal()
    await card.reaches("Completed")
    renderings = await demo.renderings(clip)
    assert_valid_progress(renderings)
    assert any(rendering.attempt for rendering in renderings)


async def test_permanent_failure_shows_its_reason_and_no_retry(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    fake = shelf.clip("text.mp4")
    fake.write_text("This is not a film.\n" * 50)
    demo = await open_page(server)
    await demo.choose(fake)
    card = await demo.card(fake).reaches("Failed")
    await expect(card.problem).to_have_text(
        "This is not a video or an image that can be processed. It may be damaged, or its format is unknown here. "
        "Try to save it as MP4 or JPEG."
    )
    await expect(card.button("Retry")).to_be_hidden()
    await expect(card.button("Cancel")).to_be_hidden()


async def test_retryable_failure_can_be_retried(
    serve: Serve, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    server = serve(**ffmpeg.env, ROOMCAST_ATTEMPTS="1")
    clip = shelf.clip(seconds=1)
    ffmpeg.behave("die")
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).reaches("Failed")
    await expect(card.problem).not_to_be_empty()
    ffmpeg.heal()
    await card.button("Retry").click()
    await card.reaches("Completed")
    await expect(card.problem).to_be_empty()
