"""Videos that need no compression, and audio, on the real server."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Shelf
from tests.support.clips import make_sound
from tests.support.harness import Api
from tests.support.results import check_video, fetched, output
from tests.support.watchers import Watcher


async def test_video_that_meets_the_template_is_copied(
    api: Api, watcher: Watcher, shelf: Shelf, tmp_path: Path
) -> None:
    upload_id = await api.accepted(shelf.clip("small.mkv", seconds=2, audio=True, crf=40))
    await watcher.join(upload_id)
    element = (await watcher.end(upload_id))["element"]
    assert element["copied"] is True
    assert element["filename"] == "small.mp4"
    video = output(element, "video")
    check_video(await fetched(api, video), video, tmp_path, audio=True)


async def test_audio_alone_becomes_an_m4a(api: Api, watcher: Watcher, tmp_path: Path) -> None:
    upload_id = await api.accepted(make_sound(tmp_path / "note.wav"))
    await watcher.join(upload_id)
    element = (await watcher.end(upload_id))["element"]
    assert element["filename"] == "note.m4a"
    (audio,) = element["outputs"]
    assert (audio["kind"], audio["mime"], audio["width"]) == ("audio", "audio/mp4", None)
    assert b"ftyp" in (await fetched(api, audio))[:12]
    assert element["saved"]["bytes"] > 0
