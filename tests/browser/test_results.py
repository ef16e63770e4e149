"""The poster, the filmstrip, HLS playback and incomplete sources on the demo page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Position, Route, expect
from roomcast_workers.ffmpeg.binaries import find_binaries

from tests.browser.conftest import Ffmpeg, OpenPage
from tests.conftest import Shelf
from tests.support.browser.demo import hold_requests
from tests.support.clips import truncate
from tests.support.harness import RunningServer

pytestmark = pytest.mark.browser

TEMPLATES = """
[templates.streamed]
kind = "video"
preset = "ultrafast"
hls = [240, 144]
"""

NOT_NATIVELY = "HTMLMediaElement.prototype.canPlayType = () => ''"
"""Leaves HLS to hls.js."""

_SHOWN = "(image) => image.decode().then(() => image.naturalWidth)"
_PLAYED = """
(video) => new Promise((resolve, reject) => {
  video.addEventListener("timeupdate", () => video.currentTime > 0.5 && resolve(video.currentSrc));
  video.addEventListener("error", () => reject(new Error(video.error.message)));
  video.muted = true;
  void video.play();
})
"""
_REACHED = """
(video, time) => new Promise((resolve) => {
  const check = () => video.readyState >= 2 && Math.abs(video.currentTime - time) < 0.1 && resolve(true);
  for (const name of ["seeked", "loadeddata", "timeupdate"]) video.addEventListener(name, check);
  check();
})
"""


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("streaming")
    templates = folder / "templates.toml"
    templates.write_text(TEMPLATES)
    with RunningServer(folder / "data", ROOMCAST_TEMPLATES=str(templates)) as running:
        yield running


async def test_poster_is_shown_while_the_video_is_compressed(
    server: RunningServer, open_page: OpenPage, shelf: Shelf, ffmpeg: Ffmpeg
) -> None:
    clip = shelf.clip(size="320x240")
    ffmpeg.behave("slow:600")
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).reaches("Compressing")
    poster = card.root.get_by_role("img", name=f"Poster of {clip.name}")
    assert await poster.evaluate(_SHOWN) == 320
    await card.button("Cancel").click()
    await card.reaches("Cancelled")
    await expect(poster).to_be_hidden()


async def test_filmstrip_seeks_by_keyboard_and_pointer(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    clip = shelf.clip(seconds=10)
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).reaches("Completed")
    scenes = card.root.get_by_role("slider", name=f"Scenes of {clip.name}")
    preview = card.root.locator(".scene-preview")
    await expect(scenes).to_have_attribute("aria-valuetext", "0:00 of 0:10")
    await expect(preview).to_be_hidden()
    await scenes.focus()
    for _ in range(4):
        await scenes.press("PageUp")
    await expect(scenes).to_have_attribute("aria-valuetext", "0:04 of 0:10")
    await expect(preview).to_have_text("0:04")
    assert await card.root.locator("video").evaluate(_REACHED, 4)
    await scenes.blur()
    await expect(preview).to_be_hidden()
    box = await scenes.bounding_box()
    assert box is not None
    middle: Position = {"x": box["width"] / 2, "y": box["height"] / 2}
    await scenes.hover(position=middle)
    await expect(preview).to_have_text("0:05")
    await scenes.click(position=middle)
    assert await card.root.locator("video").evaluate(_REACHED, 5)


async def streamed(open_page: OpenPage, server: RunningServer, clip: Path) -> Locator:
    demo = await open_page(server)
    await demo.template.select_option("streamed")
    await demo.choose(clip)
    card = await demo.card(clip).reaches("Completed")
    return card.root.locator("video")


@pytest.mark.usefixtures("own_profile")
@pytest.mark.parametrize("natively", [True, False])
async def test_hls_result_plays_in_the_page(
    streaming: RunningServer, open_page: OpenPage, context: BrowserContext, shelf: Shelf, natively: bool
) -> None:
    if not natively:
        await context.add_init_script(NOT_NATIVELY)
    video = await streamed(open_page, streaming, shelf.clip(audio=True))
    if natively and not await video.evaluate("(video) => video.canPlayType('application/vnd.apple.mpegurl')"):
        pytest.skip("this browser leaves HLS to hls.js")
    played = await video.evaluate(_PLAYED)
    assert played.endswith("/hls.m3u8") if natively else played.startswith("blob:")


@pytest.mark.usefixtures("own_profile")
async def test_hls_result_plays_although_the_button_was_pressed_before_the_library_was_loaded(
    streaming: RunningServer, open_page: OpenPage, context: BrowserContext, shelf: Shelf
) -> None:
    await context.add_init_script(NOT_NATIVELY)
    library = await hold_requests(context, re.compile(r"/hls\.min[^/]*js$"))
    video = await streamed(open_page, streaming, shelf.clip(audio=True))
    await video.evaluate("(video) => { video.muted = true; void video.play(); }")
    library.set()
    assert str(await video.evaluate(_PLAYED)).startswith("blob:")


async def test_video_plays_from_the_file_if_hls_fails(
    streaming: RunningServer, open_page: OpenPage, context: BrowserContext, shelf: Shelf
) -> None:
    async def lose(route: Route) -> None:
        await route.fulfill(status=404)

    await context.route("**/hls*.m3u8", lose)
    video = await streamed(open_page, streaming, shelf.clip())
    await video.evaluate("(video) => void video.play().catch(() => {})")
    await expect(video).to_have_attribute("src", re.compile("/video.mp4$"))
    assert str(await video.evaluate(_PLAYED)).endswith("/video.mp4")


async def test_incomplete_video_is_reported_as_incomplete(
    server: RunningServer, open_page: OpenPage, shelf: Shelf
) -> None:
    clip = truncate(shelf.clip(seconds=8), 0.5)
    demo = await open_page(server)
    await demo.choose(clip)
    card = await demo.card(clip).reaches("Completed")
    await expect(card.root.locator(".partial")).to_contain_text("The file is incomplete")
    await expect(card.root.locator(".partial")).to_contain_text("of 8 s could be read.")


def recording(folder: Path) -> Path:
    path = folder / "talk.wav"
    source = ["-f", "lavfi", "-i", "sine=440:duration=3"]
    subprocess.run([find_binaries().ffmpeg, "-v", "error", *source, str(path)], check=True)
    return path


async def test_audio_result_has_a_player_measures_and_links(
    server: RunningServer, open_page: OpenPage, context: BrowserContext, tmp_path: Path
) -> None:
    talk = recording(tmp_path)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    demo = await open_page(server)
    await demo.choose(talk)
    card = await demo.card(talk).reaches("Completed")
    result = card.root.locator(".result")
    assert str(await result.locator("audio").evaluate(_PLAYED)).endswith("/audio.m4a")
    await expect(card.download("Audio, M4A")).to_have_attribute("download", "talk.m4a")
    await expect(result.locator(".measures")).to_have_text(["0:03 · PCM", "0:03 · AAC"])
    await expect(result.locator(".validity")).to_have_text(re.compile("files are valid until .*[0-9]:[0-9]{2}"))

    async def copied() -> str:
        return str(await demo.page.evaluate("navigator.clipboard.readText()"))

    async def status_of(url: str) -> int:
        return int(await demo.page.evaluate("async (url) => (await fetch(url)).status", url))

    note = result.locator(".sharing-note")
    await card.button("Copy link").click()
    await expect(note).to_have_text("The link was copied. It is valid until the upload is deleted.")
    link = await copied()
    assert link.startswith(f"{server.url}/u/link_")
    assert await status_of(link) == 200
    await card.button("Copy embed code").click()
    await expect(note).to_have_text("The embed code was copied.")
    code = await copied()
    embedded = re.fullmatch(r'<audio controls preload="none" src="(.+)"></audio>', code)
    assert embedded, code
    assert embedded[1] == f"{link}/audio.m4a", "the link is made once"
    assert await status_of(embedded[1]) == 200

    async with context.expect_page() as opening:
        await card.root.get_by_role("link", name="Open", exact=True).click()
    assert (await opening.value).url.endswith("/audio.m4a")
    upload_id = await card.root.locator(".upload-id").text_content()
    await demo.page.evaluate("(now => { Date.now = () => now() + 86_400_000; })(Date.now)")
    async with demo.page.expect_request(f"**/api/uploads/{upload_id}"), demo.page.expect_download() as saving:
        await card.download("Audio, M4A").click()
    assert (await saving.value).suggested_filename == "talk.m4a", "the expired link was renewed first"


async def test_link_of_the_file_is_copied_where_no_lasting_link_can_be_made(
    server: RunningServer, open_page: OpenPage, context: BrowserContext, shelf: Shelf
) -> None:
    await context.route("**/links", lambda route: route.fulfill(status=403, json={"error": {"code": "FORBIDDEN"}}))
    picture = shelf.image()
    demo = await open_page(server)
    await demo.choose(picture)
    card = await demo.card(picture).reaches("Completed")
    await demo.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    await card.button("Copy link").click()
    await expect(card.root.locator(".sharing-note")).to_contain_text("The browser does not allow copying.")
    shown = card.root.locator(".sharing-text")
    await expect(shown).to_have_text(re.compile(f"^{re.escape(server.url)}/media/.*[.]webp$"))
    assert await demo.page.evaluate("getSelection().toString()") == await shown.text_content()
    await card.button("Copy embed code").click()
    await expect(card.root.locator(".sharing-note")).to_contain_text("needs a lasting link")
