"""ffprobe: what it tells, and what it must not be led to open."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.runner import run_ffprobe

from tests.support import fake_ffmpeg
from tests.support.clips import make_clip, text_named_mp4, truncate
from tests.support.runs import LIMITS, assert_nobody_left

pytestmark = pytest.mark.usefixtures("only_new_processes")


@pytest.mark.parametrize("name", ["clip.mp4", "-i.mp4", "100%d.mp4", 'a "quoted"|name:x.mp4', "🎬.mp4"])
async def test_probing_tells_streams_and_format_whatever_the_name(name: str, tmp_path: Path) -> None:
    said = await run_ffprobe(find_binaries(), InputFile(make_clip(tmp_path / name, seconds=1), "mov"), limits=LIMITS)
    assert [stream["codec_type"] for stream in said["streams"]] == ["video", "audio"]
    assert float(said["format"]["duration"]) == pytest.approx(1.0, abs=0.1)
    assert_nobody_left()


async def test_the_demuxer_can_be_forced(clip: Path) -> None:
    said = await run_ffprobe(find_binaries(), InputFile(clip, "mov"), limits=LIMITS)
    assert said["format"]["format_name"].startswith("mov")
    with pytest.raises(errors.UnreadableMedia):
        await run_ffprobe(find_binaries(), InputFile(clip, "matroska"), limits=LIMITS)


async def test_what_is_no_media_cannot_be_probed(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for path in (
        text_named_mp4(tmp_path / "text.mp4"),
        tmp_path / "empty.mp4",
        tmp_path / "absent.mp4",
        truncate(make_clip(tmp_path / "cut.mp4", faststart=False), 0.5),
    ):
        with pytest.raises(errors.UnreadableMedia) as caught:
            await run_ffprobe(find_binaries(), InputFile(path, "mov"), limits=LIMITS)
        assert str(tmp_path) not in caught.value.message


async def test_a_playlist_of_remote_media_is_not_followed(tmp_path: Path) -> None:
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: connections.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n")
    async with server:
        with pytest.raises(errors.UnreadableMedia):
            await run_ffprobe(find_binaries(), InputFile(playlist, "hls"), limits=LIMITS)
    assert connections == []


def fake_probe(tmp_path: Path, behaviour: str) -> Binaries:
    real = find_binaries()
    return Binaries(real.ffmpeg, str(fake_ffmpeg.install(tmp_path, behaviour, name="ffprobe", real=real.ffprobe)))


def script(tmp_path: Path, code: str) -> Binaries:
    path = tmp_path / "script"
    path.write_text(f"#!{sys.executable} -IS\n{code}\n")
    path.chmod(0o755)
    return Binaries(str(path), str(path))


async def test_probing_allows_no_protocol_but_files(clip: Path, tmp_path: Path) -> None:
    binaries = fake_probe(tmp_path, "")
    await run_ffprobe(binaries, InputFile(clip, "mov"), limits=LIMITS)
    argv = json.loads(fake_ffmpeg.beside(Path(binaries.ffprobe), "calls").read_text())
    assert argv[argv.index("-protocol_whitelist") + 1] == "file"


@pytest.mark.parametrize(
    ("behaviour", "timeout_seconds", "error"),
    [("hang", 1, errors.TimedOut), ("crash", 10, errors.TranscodeError), ("die", 10, errors.UnreadableMedia)],
)
async def test_a_probe_that_fails(
    behaviour: str, timeout_seconds: float, error: type[Exception], clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(error):
        await run_ffprobe(
            fake_probe(tmp_path, behaviour), InputFile(clip, "mov"), limits=LIMITS, timeout_seconds=timeout_seconds
        )
    assert_nobody_left()


@pytest.mark.parametrize(
    "code",
    [
        "print('[' * 100_000)",
        "print('{')",
        "print('[]')",
        "print('{\"streams\": []}')",
        "pass",
        "import sys; sys.stdout.buffer.write(bytes(range(256)))",
        "print('{\"streams\": [' + '0,' * 4_000_000)",
        "while True: print('x' * 10_000)",
    ],
)
async def test_a_probe_that_makes_no_sense_is_unreadable(code: str, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.UnreadableMedia):
        await run_ffprobe(script(tmp_path, code), InputFile(clip, "mov"), limits=LIMITS)
    assert_nobody_left()
