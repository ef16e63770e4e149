"""Films that are played in their rows while they are still being compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Route, expect

from tests.browser.conftest import Ffmpeg, OpenPage, OpenRows
from tests.support.browser.axe import violations
from tests.support.browser.demo import WORK_SECONDS, record_changes
from tests.support.browser.rows import Rows
from tests.support.clips import make_film
from tests.support.growing_film import GrowingFilm
from tests.support.harness import SHORT_LEASE, RunningServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, shared_ffmpeg: Ffmpeg) -> Iterator[RunningServer]:
    """A server that a test kills while it works."""
    with RunningServer(tmp_path_factory.mktemp("server") / "data", **shared_ffmpeg.env, **SHORT_LEASE) as running:
        yield running


_SHOW = """
([stage, { playable, ...message }]) => {
  if (playable) message.playable = { ...playable, url: new URL(playable.url, location.href).href };
  connection.named("film.mp4").reach(stage, { poster, ...message });
}
"""
_REACHED = """
(video, time) => new Promise((resolve) => {
  const check = () => video.readyState >= 2 && video.currentTime >= time && resolve(video.currentTime);
  for (const name of ["seeked", "loadeddata", "timeupdate", "waiting", "ended"]) video.addEventListener(name, check);
  check();
})
"""
_PLAY = """
(video, rate) => {
  Object.assign(video, { muted: true, defaultPlaybackRate: rate ?? 1, playbackRate: rate ?? 1 });
  void video.play().catch(() => {}); // if the stream is not loaded yet, the player itself plays it
}
"""
_NOTE_JUMPS = """
(video) => {
  globalThis.jumps = [];
  let last = video.currentTime;
  video.addEventListener("timeupdate", () => {
    if (video.currentTime < last) jumps.push([last, video.currentTime]);
    last = video.currentTime;
  });
}
"""


_PAUSED = """
(video) => new Promise((resolve) => {
  const paused = new AbortController();
  const check = () => {
    if (video.readyState < 2 || video.currentTime === 0) return;
    video.pause();
    resolve(paused.abort());
  };
  for (const name of ["timeupdate", "waiting"]) video.addEventListener(name, check, { signal: paused.signal });
})
"""
"""Pauses a video once it has begun to play."""

_RENEWING = """
([before, now]) => {
  const upload = connection.named("film.mp4");
  upload.refresh = async () => {
    upload.calls.push("refresh");
    const { stage, playable, ...message } = upload.state;
    upload.reach(stage, { ...message, playable: { ...playable, url: playable.url.replace(before, now) } });
  };
}
"""


async def _not_found(route: Route) -> None:
    await route.fulfill(status=404)


class FilmRow:
    """A page with a row whose film grows."""

    def __init__(self, rows: Rows, film: GrowingFilm) -> None:
        self.rows = rows
        self.film = film
        self.card = rows.card("film.mp4").root
        self.video = self.card.locator("video")
        self.note = self.card.locator(".film-note")
        self.play = rows.card("film.mp4").button("Play")

    def quality(self, name: str) -> Locator:
        return self.card.get_by_role("radio", name=name, exact=True)

    async def height(self) -> float:
        return float(await self.card.evaluate("(card) => card.getBoundingClientRect().height"))

    async def show(self, stage: str = "compressing", progress: int = 50, **fields: object) -> None:
        """Show the state of the upload at a stage."""
        message = {"progress": progress, "playable": self.film.playable, **fields}
        await self.rows.page.evaluate(_SHOW, [stage, message])


async def open_film(open_rows: OpenRows, context: BrowserContext, film: GrowingFilm) -> FilmRow:
    """Open a page with the row of an upload whose film this is."""
    rows = await open_rows()
    await context.route("**/media/**", film.answer)
    await rows.run("connection.add(0, 'film.mp4')")
    return FilmRow(rows, film)


async def test_film_is_played_to_its_end_while_it_grows(
    open_rows: OpenRows, context: BrowserContext, tmp_path: Path
) -> None:
    film = GrowingFilm(tmp_path / "film", seconds=4)
    row = await open_film(open_rows, context, film)
    await row.show()
    await expect(row.play).to_be_hidden()
    height = await row.height()

    film.store(0)
    await row.show()
    await expect(row.play).to_be_visible()
    assert await row.height() == height
    assert film.requests == [], "nothing is loaded before the viewer wants to play"
    assert await violations(row.rows.page) == []
    await row.play.press("Enter")
    await expect(row.video).to_be_focused()
    await row.video.evaluate(_PLAY)
    await row.video.evaluate(_NOTE_JUMPS)
    await row.video.evaluate(_REACHED, 0.8)
    await expect(row.note).to_have_text("Waiting for the next seconds of the film.")
    assert await row.card.get_by_role("radio").count() == 0, "there is one quality, and nothing to choose"
    await expect(row.card.get_by_role("progressbar")).to_be_visible()

    film.store(1)
    await row.show(progress=55)
    await expect(row.quality("144p")).to_be_visible()
    await record_changes(row.note, "textContent")
    film.store(2)
    await row.video.evaluate(_REACHED, 1.5)
    assert (await row.rows.page.evaluate("recorded"))[0] == "You can watch what is compressed so far."
    assert await violations(row.rows.page) == []
    await row.quality("Automatic (144p)").focus()
    for _ in range(2):
        await row.rows.page.keyboard.press("ArrowDown")
    await expect(row.quality("72p")).to_be_checked()
    await row.rows.page.evaluate(_RENEWING, [film.grant, "second"])
    film.grant = "second"
    film.store(3)
    film.store(4)
    await row.video.evaluate(_REACHED, 2.5)
    await row.show("done", 100, element=None)
    await row.video.evaluate(_REACHED, 3.9)
    await expect(row.note).to_have_text("The film is complete.")
    await row.rows.page.emulate_media(color_scheme="dark")
    assert await violations(row.rows.page, rules=("color-contrast",)) == []
    await row.rows.page.emulate_media(color_scheme="light")
    assert await row.rows.page.evaluate("jumps") == []
    assert film.refused > 0
    assert "refresh" in await row.rows.calls("film.mp4"), "the URL that had expired was renewed"
    assert {name for name in film.requests if "00003" in name} == {"hls-72-00003.m4s", "hls-audio-00003.m4s"}

    await row.card.get_by_role("button", name="Close the player").click()
    await expect(row.video).to_have_count(0)


async def test_film_is_played_past_segments_that_could_not_be_decoded(
    open_rows: OpenRows, context: BrowserContext, tmp_path: Path
) -> None:
    film = GrowingFilm(tmp_path / "film", seconds=5)
    for task in film.board.plan.tasks:
        film.store(task.number, decodable=task.segment not in (0, 2))
    row = await open_film(open_rows, context, film)
    await row.show()
    await row.play.press("Enter")
    await row.video.evaluate(_PLAY, 2)
    await row.video.evaluate(_REACHED, 0.1)
    assert float(await row.video.evaluate("(video) => video.currentTime")) >= 1, "the first second is missing"
    await row.video.evaluate(_REACHED, 4.5)
    assert {name[-5] for name in film.requests if name.startswith(("hls-144-0", "hls-72-0"))} == {"1", "3", "4"}


ENDS = {
    "cancelled": "The upload was cancelled, so the film ends here.",
    "failed": "The compression has failed, so the film ends here.",
}


async def test_player_of_a_film_that_will_not_be_complete_says_so_and_of_a_complete_one_plays_its_result(
    open_rows: OpenRows, context: BrowserContext, tmp_path: Path
) -> None:
    film = GrowingFilm(tmp_path / "film", seconds=2)
    film.store(0)
    film.store(1)
    row = await open_film(open_rows, context, film)
    for stage, sentence in ENDS.items():
        await row.show()
        await row.play.click()
        await expect(row.quality("72p")).to_be_visible()
        await row.show(stage, error={"code": "X", "message": "It ended.", "step": "video", "retryable": False})
        await expect(row.note).to_have_text(sentence)
        await expect(row.quality("72p")).to_be_hidden()
        assert await row.video.get_attribute("controls") is None
        await row.card.get_by_role("button", name="Close the player").press("Enter")
        await expect(row.note).to_have_count(0)
        await expect(row.play).to_be_hidden()

    await row.show()
    await row.play.click()
    await row.video.evaluate(_PLAY)
    await row.video.evaluate(_REACHED, 0.5)
    element = await row.rows.page.evaluate("(output) => ({ ...result('film.mp4'), outputs: [output] })", film.result)
    await row.show("done", 100, element=element)
    await context.route("**/film/segments/**", _not_found)  # not before: the film could not be played then
    await expect(row.video).to_have_attribute("src", re.compile(r"/results/video\.mp4$"))
    await row.video.evaluate(_REACHED, 1.5)
    assert [name for name in film.requests if name == "video.mp4"]
    assert await row.video.get_attribute("controls") == ""
    await expect(row.note).to_have_text("The film is complete.")
    await expect(row.quality("72p")).to_be_hidden()


async def test_film_is_played_to_its_end_although_its_worker_is_killed(
    server: RunningServer, open_page: OpenPage, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    path = make_film(tmp_path / "film.mp4", "-pix_fmt", "yuv444p", seconds=32, sound=True)
    ffmpeg.behave("busy-from:16")
    demo = await open_page(server)
    await demo.choose(path)
    card = demo.card(path)
    await card.button("Play").click(timeout=WORK_SECONDS * 1000)
    video, note = card.root.locator("video"), card.root.locator(".film-note")
    await video.evaluate(_PLAY, 4)
    await video.evaluate(_NOTE_JUMPS)
    await expect(note).to_have_text("Waiting for the next seconds of the film.", timeout=WORK_SECONDS * 1000)
    server.kill()
    ffmpeg.heal()
    server.restart()
    await video.evaluate(_REACHED, 31.5)
    await expect(note).to_have_text("The film is complete.", timeout=WORK_SECONDS * 1000)
    assert await demo.page.evaluate("jumps") == []
    assert await video.evaluate("(video) => video.error") is None
    await card.button("Show result").click()
    await expect(note).to_have_count(0)
    await expect(video).to_have_attribute("src", re.compile("/video.mp4$"))


async def test_film_is_played_after_a_reload_and_in_a_second_tab_until_it_is_cancelled(
    server: RunningServer, open_page: OpenPage, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    path = make_film(tmp_path / "film.mp4", "-pix_fmt", "yuv444p", seconds=32, sound=True)
    ffmpeg.behave("busy-from:16")
    first = await open_page(server)
    await first.choose(path)
    await first.card(path).button("Play").click(timeout=WORK_SECONDS * 1000)
    await first.card(path).root.locator("video").evaluate(_REACHED, 0.1)
    await first.page.reload()
    second = await open_page(server)
    for demo in (first, second):
        card = demo.card(path)
        await card.button("Play").click(timeout=WORK_SECONDS * 1000)
        await card.root.locator("video").evaluate(_PLAY)
        await card.root.locator("video").evaluate(_REACHED, 0.5)
    await first.card(path).button("Cancel").click()
    for demo in (second, first):
        card = demo.card(path)
        note = card.root.locator(".film-note")
        await expect(note).to_have_text("The upload was cancelled, so the film ends here.", timeout=WORK_SECONDS * 1000)
        await card.button("Close the player").click()
        await expect(card.root.locator("video")).to_have_count(0)
        await expect(card.button("Play")).to_be_hidden()


async def test_player_of_a_film_that_is_compressed_again_gives_way_to_the_result(
    open_rows: OpenRows, context: BrowserContext, tmp_path: Path
) -> None:
    film = GrowingFilm(tmp_path / "film", seconds=2)
    film.store(0)
    film.store(1)
    row = await open_film(open_rows, context, film)
    await context.route("**/hls.m3u8", _not_found)
    await row.show()
    await row.play.click()
    await expect(row.note).to_contain_text("The film cannot be played at the moment.")
    await row.show(playable=None)
    await context.unroute("**/hls.m3u8", _not_found)
    await row.show()
    await row.video.evaluate(_PAUSED)  # before it has shown all that there is
    await expect(row.note).to_contain_text("You can watch what is compressed so far.")
    await row.show(playable=None)
    await row.video.evaluate(_PLAY)
    await expect(row.note).to_contain_text("The film cannot be played at the moment.")
    await row.rows.run("connection.named('film.mp4').reach('done', { progress: 100, element: result('film.mp4') })")
    await expect(row.note).to_have_count(0)
    await expect(row.rows.button("Hide result")).to_be_visible()
