"""Poster, storyboard and HLS of a video, and the links to all of their files."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from urllib.parse import urljoin

import pytest
from roomcast_workers.ffmpeg.binaries import find_binaries

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.app import AppServer
from tests.support.harness import Api, eventually
from tests.support.results import decode_image, fetched, output
from tests.support.watchers import Watcher, assert_truthful

TEMPLATES = """
[templates.streamed]
kind = "video"
preset = "ultrafast"
hls = [240, 144]
"""


@pytest.fixture
def settings(tmp_path: Path, fake: FakeFfmpeg) -> dict[str, str]:
    templates = tmp_path / "templates.toml"
    templates.write_text(TEMPLATES)
    return {"ROOMCAST_TEMPLATES": str(templates), **fake.env}


async def compressing(api: Api, watcher: Watcher, fake: FakeFfmpeg, clip: Path) -> str:
    """An upload whose film is being compressed, and will be until `fake` is told something else."""
    fake.behave("busy")
    upload_id = await api.accepted(clip)
    await watcher.join(upload_id, since=0)
    await watcher.stage(upload_id, "compressing")
    return upload_id


async def test_poster_arrives_before_the_video_is_compressed(
    api: Api, watcher: Watcher, fake: FakeFfmpeg, shelf: Shelf
) -> None:
    upload_id = await compressing(api, watcher, fake, shelf.clip())
    first = next(event for event in watcher.events(upload_id) if "poster" in event)
    assert first["stage"] == "probing"
    poster = first["poster"]
    assert (poster["kind"], poster["mime"]) == ("poster", "image/jpeg")
    assert decode_image(await fetched(api, poster)).size == (poster["width"], poster["height"])
    async with Watcher(api.server.url) as latecomer:
        ack = await latecomer.join(upload_id)
        assert ack["state"]["poster"]["key"] == poster["key"]
    assert (await api.cancel(upload_id)).status == 200
    fake.heal()


async def test_poster_is_deleted_with_its_upload_and_made_again_on_retry(
    api: Api, watcher: Watcher, fake: FakeFfmpeg, shelf: Shelf
) -> None:
    upload_id = await compressing(api, watcher, fake, shelf.clip())
    poster = (await api.get(upload_id)).body["poster"]
    assert (await api.cancel(upload_id)).status == 200
    state = (await api.get(upload_id)).body
    assert "poster" not in state
    await eventually(lambda: not list((api.server.data / "media").glob(f"{upload_id}/*")), what="the poster's end")
    assert (await api.request("GET", poster["url"])).refusal == (404, "NOT_FOUND")
    fake.heal()
    assert "poster" not in (await api.retry(upload_id)).body
    if state["bytesReceived"]:
        reply = await api.put(f"/api/uploads/{upload_id}/content", shelf.clip().read_bytes())
        assert reply.status == 202
    last = await api.finished(upload_id)
    assert last["status"] == "completed", last
    assert decode_image(await fetched(api, output(last["element"], "poster"))).width > 0


async def test_storyboard_links_to_its_sprite(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    upload_id = await api.accepted(shelf.clip(seconds=4))
    await watcher.join(upload_id, since=0)
    last = await watcher.end(upload_id)
    assert_truthful(watcher.messages(upload_id))
    sprite, storyboard = (output(last["element"], kind) for kind in ("sprite", "storyboard"))
    shown = decode_image(await fetched(api, sprite))
    assert shown.size == (sprite["width"], sprite["height"])
    areas = re.findall(r"^(.+)#xywh=(\d+),(\d+),(\d+),(\d+)$", (await fetched(api, storyboard)).decode(), re.MULTILINE)
    assert len(areas) == 4
    for name, *area in areas:
        reply = await api.request("GET", urljoin(storyboard["url"], name))
        assert (reply.status, len(reply.content)) == (200, sprite["size"])
        x, y, width, height = map(int, area)
        assert x + width <= sprite["width"]
        assert y + height <= sprite["height"]


async def test_short_clip_has_no_storyboard(api: Api, shelf: Shelf) -> None:
    element = (await api.finished(await api.accepted(shelf.clip(seconds=1))))["element"]
    assert {entry["kind"] for entry in element["outputs"]} == {"video", "poster"}


async def test_hls_plays_from_the_master_playlist_link(
    server: AppServer, api: Api, watcher: Watcher, shelf: Shelf, tmp_path: Path
) -> None:
    upload_id = await api.accepted(shelf.clip(seconds=9, size="320x240", fps=10, audio=True), template="streamed")
    await watcher.join(upload_id, since=0)
    last = await watcher.end(upload_id)
    assert last["status"] == "completed", last
    assert_truthful(watcher.messages(upload_id))
    element = last["element"]
    assert [entry["kind"] for entry in element["outputs"]] == ["video", "hls", "sprite", "storyboard", "poster"]
    hls = output(element, "hls")
    assert (hls["name"], hls["width"], hls["height"]) == ("hls", 320, 240)
    master = (await fetched(api, hls)).decode()
    renditions = re.findall(r'^([^#].*)$|URI="(.+)"', master, re.MULTILINE)
    assert len(renditions) == 3
    for playlist in ("".join(found) for found in renditions):
        url = urljoin(hls["url"], playlist)
        content = (await api.request("GET", url)).content.decode()
        init, *names = re.findall(r'^#EXT-X-MAP:URI="(.+)"$|^([^#].*)$', content, re.MULTILINE)
        assert len(names) == 3
        for name, mime in [(init[0], "video/mp4"), *((name[1], "video/iso.segment") for name in names)]:
            reply = await api.request("GET", urljoin(url, name), headers={"Range": "bytes=0-3"})
            assert (reply.status, reply.headers["Content-Type"]) == (206, mime)
            assert "immutable" in reply.headers["Cache-Control"]
    await asyncio.to_thread(assert_plays, urljoin(server.url, hls["url"]), tmp_path)


def assert_plays(url: str, folder: Path) -> None:
    """ffmpeg's own player takes it from its URL, best rendition and sound, to its last frame."""
    target = folder / "played.mp4"
    command = [find_binaries().ffmpeg, "-v", "error", "-xerror", "-i", url, "-c", "copy", str(target)]
    subprocess.run(command, check=True, timeout=60)
    command = [
        find_binaries().ffprobe,
        "-v",
        "error",
        "-show_entries",
        "format=duration:stream=codec_name",
        "-of",
        "csv",
    ]
    output = subprocess.run([*command, str(target)], check=True, capture_output=True, text=True).stdout
    assert re.findall(r"stream,(\w+)", output) == ["h264", "aac"]
    assert float(re.findall(r"format,([\d.]+)", output)[0]) == pytest.approx(9, abs=0.2)


async def test_hls_files_are_deleted_with_their_upload(
    api: Api, watcher: Watcher, fake: FakeFfmpeg, shelf: Shelf
) -> None:
    fake.behave("busy")
    upload_id = await api.accepted(shelf.clip(), template="streamed")
    await watcher.join(upload_id, since=0)
    await watcher.stage(upload_id, "compressing")
    assert (await api.cancel(upload_id)).status == 200
    fake.heal()
    await eventually(lambda: not api.server.files_of(upload_id), what="the end of all that was made")
