"""A person drops films and pictures on the page, watches, and takes home what came out."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.conftest import Ffmpeg, ListUploads, OpenPage
from tests.browser.demo import WORK_SECONDS, assert_truthful
from tests.conftest import Serve, Shelf
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


async def test_two_dropped_clips_are_watched_to_the_end(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    one, other = shelf.clip("one.mp4", seconds=3, size="640x480", crf=5), shelf.clip("other.mov", seconds=2)
    ffmpeg.behave("slow:2")
    demo = await open_page(server)
    await demo.drop(one, other)
    for file in (one, other):
        await demo.card(file).compresses()
    ffmpeg.heal()  # those at work stay slow; what comes after them need not be
    await expect(demo.card(one).facts).to_contain_text("fps")
    await expect(demo.batch).to_contain_text("0 of 2 finished")
    for file in (one, other):
        await demo.card(file).reaches("Completed")
        assert_truthful(await demo.glimpses(file))
    await expect(demo.batch).to_have_text("All 2 finished")
    assert len({glimpse.percent for glimpse in await demo.glimpses(one) if glimpse.stage == "Compressing"}) >= 3


async def test_the_result_plays_and_can_be_taken_home(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, context: BrowserContext
) -> None:
    clip = shelf.clip("holiday film.mov", seconds=3, size="640x480", crf=5)
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).reaches("Completed")
    assert await card.root.locator("video").evaluate(_LOADED) == [640, 480]
    await expect(card.root.locator(".saved")).to_contain_text("% smaller")
    link = card.download("Video, MP4")
    await expect(link).to_have_attribute("download", "holiday film.mp4")
    reply = await context.request.get(await link.evaluate("(link) => link.href"))
    assert reply.status == 200
    assert reply.headers["content-type"] == "video/mp4"
    assert len(await reply.body()) < clip.stat().st_size


async def test_a_picture_is_shown(server: RunningServer, open_page: OpenPage, shelf: Shelf) -> None:
    picture = shelf.image("card.png", size=(800, 600))
    demo = await open_page(server)
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Completed")
    shown = card.root.get_by_role("img", name="card.png, compressed")
    await expect(shown).to_have_js_property("complete", True)
    await expect(shown).to_have_js_property("naturalWidth", 800)
    for name in ("Image, WebP", "Image, AVIF", "Image, JPEG"):
        await expect(card.download(name).first).to_be_visible()


async def test_the_template_that_was_chosen_is_the_one_that_is_used(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, list_uploads: ListUploads
) -> None:
    clip = shelf.clip(seconds=1)
    demo = await open_page(server)
    await demo.page.get_by_label("Template").select_option("hero-video")
    await demo.choose(clip)
    await demo.card(clip).reaches("Completed")
    (upload,) = await list_uploads()
    assert upload["element"]["type"] == "hero-video"


async def test_waiting_uploads_show_their_place_in_the_queue(
    serve: Serve, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    server = serve(**ffmpeg.env, ROOMCAST_WORKERS="1")
    files = [shelf.clip(f"{name}.mp4", seconds=1) for name in ("one", "two", "three")]
    ffmpeg.behave("slow:60")
    demo = await open_page(server)
    for file in files:
        await demo.choose(file)
        await demo.card(file).reaches("Compressing" if file is files[0] else "Waiting for a worker")
    await expect(demo.card(files[1]).facts).to_have_text("next in the queue")
    await expect(demo.card(files[2]).facts).to_have_text("2nd in the queue")
    ffmpeg.heal()
    await demo.card(files[0]).button("Cancel").click()
    for file in files[1:]:
        await demo.card(file).reaches("Completed")


async def test_a_second_attempt_is_told_of(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    clip = shelf.clip(seconds=1)
    ffmpeg.behave("die-after:2")
    demo = await open_page(server)
    await demo.choose(clip)
    card = demo.card(clip)
    await expect(card.attempt).to_contain_text("Attempt 2", timeout=WORK_SECONDS * 1000)
    ffmpeg.heal()
    await card.reaches("Completed")
    glimpses = await demo.glimpses(clip)
    assert_truthful(glimpses)
    assert any(glimpse.attempt for glimpse in glimpses)


async def test_an_upload_that_fails_for_good_says_why_and_offers_nothing_in_vain(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    fake = shelf.clip("text.mp4")
    fake.write_text("This is not a film.\n" * 50)
    demo = await open_page(server)
    await demo.choose(fake)
    card = await demo.card(fake).reaches("Failed")
    await expect(card.problem).to_have_text("This is not a video or an image that can be processed.")
    await expect(card.button("Retry")).to_be_hidden()
    await expect(card.button("Cancel")).to_be_hidden()


async def test_an_upload_that_may_yet_succeed_can_be_tried_again(
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
