"""ffprobe: its description of files, its errors, and what it must not open."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.runner import run_ffprobe
from roomcast_workers.media_info.probe import parse_ffprobe, require_video

from tests.support import fake_ffmpeg
from tests.support.clips import make_clip, text_named_mp4, truncate
from tests.support.ffmpeg_runs import LIMITS, assert_no_process_left

pytestmark = pytest.mark.usefixtures("only_new_processes")


@pytest.mark.parametrize("name", ["clip.mp4", "-i.mp4", "100%d.mp4", 'a "quoted"|name:x.mp4', "🎬.mp4"])
async def test_probe_returns_streams_and_format_for_any_file_name(name: str, tmp_path: Path) -> None:
    output = await run_ffprobe(find_binaries(), InputFile(make_clip(tmp_path / name, seconds=1), "mov"), limits=LIMITS)
    assert [stream["codec_type"] for stream in output["streams"]] == ["video", "audio"]
    assert float(output["format"]["duration"]) == pytest.approx(1.0, abs=0.1)
    assert_no_process_left()


async def test_probe_with_the_wrong_demuxer_raises_unreadable_media(clip: Path) -> None:
    output = await run_ffprobe(find_binaries(), InputFile(clip, "mov"), limits=LIMITS)
    assert output["format"]["format_name"].startswith("mov")
    with pytest.raises(errors.UnreadableMedia):
        await run_ffprobe(find_binaries(), InputFile(clip, "matroska"), limits=LIMITS)


async def test_probe_of_other_files_raises_unreadable_media(tmp_path: Path) -> None:
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


async def test_probe_does_not_follow_a_playlist_to_remote_media(tmp_path: Path) -> None:
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


async def test_probe_allows_only_the_file_protocol(clip: Path, tmp_path: Path) -> None:
    binaries = fake_probe(tmp_path, "")
    await run_ffprobe(binaries, InputFile(clip, "mov"), limits=LIMITS)
    (argv,) = fake_ffmpeg.calls(Path(binaries.ffprobe))
    assert argv[argv.index("-protocol_whitelist") + 1] == "file"


@pytest.mark.parametrize(
    ("behaviour", "timeout_seconds", "error"),
    [("hang", 1, errors.TimedOut), ("crash", 60, errors.TranscodeError), ("die", 60, errors.UnreadableMedia)],
)
async def test_failed_probe_raises_the_error_of_its_cause(
    behaviour: str, timeout_seconds: float, error: type[Exception], clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(error):
        await run_ffprobe(
            fake_probe(tmp_path, behaviour), InputFile(clip, "mov"), limits=LIMITS, timeout_seconds=timeout_seconds
        )
    assert_no_process_left()


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
async def test_probe_with_invalid_output_raises_unreadable_media(code: str, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.UnreadableMedia):
        await run_ffprobe(script(tmp_path, code), InputFile(clip, "mov"), limits=LIMITS)
    assert_no_process_left()


@pytest.mark.parametrize(
    ("name", "options", "size", "rotation", "channels"),
    [
        ("plain.mp4", {}, (320, 240), 0, 2),
        ("turned.mp4", {"rotation": 90}, (240, 320), 90, 2),
        ("over.mov", {"rotation": 180}, (320, 240), 180, 2),
        ("odd.mp4", {"odd": True}, (319, 239), 0, 2),
        ("wide.mp4", {"aspect": "4:3"}, (427, 240), 0, 2),
        ("cover.mp4", {"cover": True}, (320, 240), 0, 2),
        ("silent.mkv", {"audio": False}, (320, 240), 0, None),
        ("surround.mp4", {"channels": 6}, (320, 240), 0, 6),
        ("vp9.webm", {"codec": "libvpx-vp9"}, (320, 240), 0, 2),
    ],
)
async def test_probe_of_real_clips_is_parsed(
    name: str, options: dict[str, Any], size: tuple[int, int], rotation: int, channels: int | None, tmp_path: Path
) -> None:
    path = make_clip(tmp_path / name, seconds=1, **options)
    demuxer = "mov" if path.suffix in {".mp4", ".mov"} else "matroska"
    info = parse_ffprobe(await run_ffprobe(find_binaries(), InputFile(path, demuxer), limits=LIMITS))
    video = require_video(info)
    assert ((video.width, video.height), video.rotation) == (size, rotation)
    assert (info.audio.channels if info.audio else None) == channels
    assert info.duration == pytest.approx(1.0, abs=0.1)
    assert info.size == path.stat().st_size
    assert video.fps == pytest.approx(25, abs=0.1)
