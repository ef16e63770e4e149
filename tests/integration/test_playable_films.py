"""Films that can be played before they are complete: their room, their playlists, and what is stored of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from roomcast_workers.segments.fragments import read_segment

from tests.support.app import AppServer
from tests.support.clips import make_film
from tests.support.decoded import packets, pictures_digest
from tests.support.film_viewer import FilmViewer, names_at
from tests.support.harness import Api, eventually, paths_below
from tests.support.hls_rules import Film
from tests.support.results import output
from tests.support.watchers import Message, Watcher

TEMPLATES = """
[templates.plain]
kind = "video"
preset = "ultrafast"

[templates.streamed]
kind = "video"
preset = "ultrafast"
hls = [240, 144]
"""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    templates = tmp_path / "templates.toml"
    templates.write_text(TEMPLATES)
    return {"ROOMCAST_TEMPLATES": str(templates)}


def stored(server: AppServer, key: str) -> Path:
    return server.data / "media" / key


def files_in(folder: Path, *suffixes: str) -> list[Path]:
    return [path for path in paths_below(folder) if path.suffix in suffixes]


def check_times(folder: Path, film: Film) -> None:
    """Check that each segment begins at the time that the playlist gives it, and the first frame is a keyframe."""
    for playlist in film.media.values():
        scale = timescale((folder / playlist.init).read_bytes())
        start = 0.0
        for segment in playlist.segments:
            frames = read_segment(memoryview((folder / segment.uri).read_bytes()))
            assert frames.frames[0].keyframe
            assert frames.shown[0] / scale == pytest.approx(start, abs=0.03), segment.uri
            start += segment.seconds
            assert frames.end / scale == pytest.approx(start, abs=0.03), segment.uri


def timescale(init: bytes) -> int:
    """Return the ticks a second of the track of an initialization segment, whose times have 32 bits."""
    at = init.index(b"mdhd") + 4
    assert init[at] == 0
    return int.from_bytes(init[at + 12 : at + 16])


async def first_playable(watcher: Watcher, upload_id: str) -> Message:
    return await watcher.until(upload_id, lambda message: "playable" in message, 60)


COPIED = ("-crf", "40", "-bf", "2")


@pytest.mark.parametrize(
    ("template", "encoding", "sides"),
    [
        ("plain", ("-pix_fmt", "yuv444p"), ["150"]),
        ("streamed", ("-pix_fmt", "yuv444p"), ["150", "144"]),
        ("streamed", COPIED, ["150", "144"]),
    ],
    ids=["without a ladder", "with a ladder", "with a ladder beside a copy"],
)
async def test_film_is_playable_from_its_first_segment_on(
    server: AppServer, api: Api, watcher: Watcher, tmp_path: Path,
    template: str, encoding: tuple[str, ...], sides: list[str],
) -> None:  # fmt: skip
    film = make_film(tmp_path / "film.mp4", *encoding, size="200x150", sound=True)
    upload_id, content_url = await api.reserved(film.name, film.stat().st_size, template=template)
    await watcher.join(upload_id, since=0)
    assert (await api.put(content_url, film.read_bytes())).status == 202
    first = await first_playable(watcher, upload_id)
    qualities = {quality["name"] for quality in first["playable"]["qualities"]}
    assert first["stage"] == "compressing"
    assert set() < qualities <= set(sides), "one at least: each has a worker of its own"
    assert "playable" in (await api.get(upload_id)).body or (await api.get(upload_id)).body["stage"] != "compressing"
    url = first["playable"]["url"]
    viewer = FilmViewer(api, url)
    await viewer.watch(watcher, upload_id)
    late = viewer.films[-1]
    assert late.complete

    done = await watcher.end(upload_id)
    assert "playable" not in done
    assert len(watcher.live_messages(upload_id, "playable")) == 1
    assert watcher.live_messages(upload_id, "playable")[0]["playable"]["key"] == first["playable"]["key"]
    last = next(event for event in reversed(watcher.events(upload_id)) if "playable" in event)
    assert [quality["name"] for quality in last["playable"]["qualities"]] == sides
    assert [variant.uri for variant in late.variants] == [f"hls-{side}.m3u8" for side in sides]
    assert list(late.audio.values()) == ["hls-audio.m3u8"]

    master = stored(server, first["playable"]["key"])
    check_times(master.parent, late)
    video = stored(server, output(done["element"], "video")["key"])
    # Where frames are reordered, ffmpeg shows all of a fragment later by that, unlike browsers.
    delays = {"v": 0.2 if encoding == COPIED else 0.0, "a": 0.0}
    for kind in ("v", "a"):
        times = [time + delays[kind] for time, _ in packets(video, kind)]
        assert [time for time, _ in packets(master, kind)] == pytest.approx(times, abs=0.03 if kind == "a" else 1e-4)
    assert len(packets(master, "v")) == 120
    assert done["element"].get("copied", False) == (encoding == COPIED)
    if encoding == COPIED:
        assert pictures_digest(master.parent / f"hls-{sides[0]}.m3u8") == pictures_digest(film)
    listed = [entry["url"] for entry in done["element"]["outputs"] if entry["kind"] == "hls"]
    assert len(listed) == (template != "plain")
    for link in listed:
        assert await names_at(api, link) == [f"hls-{side}.m3u8" for side in sides]
    if template == "streamed":
        names = "".join(path.read_text() for path in files_in(master.parent, ".m3u8"))
        await eventually(lambda: all(path.name in names for path in files_in(master.parent, ".m4s", ".mp4")))
