"""Which streams of a file are played, the sizes of frames, declared durations, and mixes of channels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import UnreadableMedia
from roomcast_workers.ffmpeg.channels import stereo_mix
from roomcast_workers.media_info.declared import declared_seconds
from roomcast_workers.media_info.frame_sizes import FrameSize, FrameSizes
from roomcast_workers.media_info.probe import MediaInfo, choose_streams, parse_ffprobe

from tests.support.media import VIDEO


def video(index: int, *, codec: str = "h264", size: tuple[int, int] = (640, 360), **disposition: int) -> dict[str, Any]:
    width, height = size
    return {
        "index": index, "codec_type": "video", "codec_name": codec, "width": width, "height": height,
        "disposition": disposition,
    }  # fmt: skip


def audio(index: int, **disposition: int) -> dict[str, Any]:
    return {
        "index": index, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000",
        "disposition": disposition,
    }  # fmt: skip


def chosen(*streams: dict[str, Any], empty: frozenset[int] = frozenset(), programs: Any = ()) -> tuple[int, int]:
    """Return the indices of the video and the audio that are played, -1 for none."""
    listed = [{"streams": [{"index": index} for index in indices]} for indices in programs]
    info = parse_ffprobe({"format": {}, "streams": list(streams), "programs": listed})
    info = choose_streams(info, lambda index: index not in empty)
    return (info.video.index if info.video else -1), (info.audio.index if info.audio else -1)


def test_default_stream_is_played() -> None:
    assert chosen(video(0, codec="mjpeg", size=(160, 90)), video(1, default=1), audio(2), audio(3, default=1)) == (1, 3)
    assert chosen(video(0, size=(160, 90), default=1), video(1)) == (0, -1)


def test_first_or_largest_is_played_without_a_default() -> None:
    assert chosen(audio(0), audio(1)) == (-1, 0)
    assert chosen(video(0, size=(160, 90)), video(1, size=(1280, 720)), video(2, size=(640, 360))) == (1, -1)
    assert chosen(video(0, default=1, size=(160, 90)), video(1, default=1)) == (1, -1)


def test_thumbnails_and_commentaries_are_played_for_want_of_others() -> None:
    assert chosen(video(0, codec="mjpeg", size=(1920, 1080)), video(1)) == (1, -1)
    assert chosen(video(0, codec="mjpeg", size=(1920, 1080))) == (0, -1)
    assert chosen(video(0), audio(1, comment=1), audio(2, visual_impaired=1), audio(3)) == (0, 3)
    assert chosen(video(0, attached_pic=1), audio(1)) == (-1, 1)


def test_stream_without_packets_is_not_played() -> None:
    assert chosen(video(0), audio(1, default=1), audio(2), empty=frozenset({1})) == (0, 2)
    assert chosen(video(0, default=1), video(1), empty=frozenset({0})) == (1, -1)


def test_audio_is_of_the_programme_of_the_video() -> None:
    streams = audio(0), video(1), audio(2), video(3), audio(4)
    assert chosen(*streams, programs=[[1, 2], [3, 0]]) == (1, 2)
    assert chosen(*streams, programs=[[3, 0], [1, 2]]) == (3, 0)
    assert chosen(*streams, programs=[[1, 2], [3, 0]], empty=frozenset({1})) == (3, 0)
    assert chosen(audio(0), video(1), programs=[[1], [0]]) == (1, -1)
    assert chosen(audio(0), video(1), programs=[[1]]) == (1, 0)


def test_file_without_streams_to_play_raises_unreadable_media() -> None:
    with pytest.raises(UnreadableMedia):
        choose_streams(MediaInfo(None, None, "mov", None, None), lambda _: True)


def test_duration_is_from_the_first_start_to_the_last_end() -> None:
    late = video(0) | {"start_time": "2.4", "duration": "4.0"}
    info = parse_ffprobe(
        {"format": {"start_time": "1.4"}, "streams": [late, audio(1) | {"start_time": "1.4", "duration": "3"}]}
    )
    assert info.duration == pytest.approx(5.0)
    assert info.video_end == pytest.approx(5.0)
    assert info.unused_start == pytest.approx(0)


FRAMES = b"""frame|width=320|height=240|sample_aspect_ratio=1:1
frame|width=240|height=320|sample_aspect_ratio=N/A
frame|width=320|height=240|sample_aspect_ratio=4:3
frame|width=320|height=240|sample_aspect_ratio=1:1|side_datum/display_matrix:rotation=-90
frame|width=0|height=240
"""


@given(st.lists(st.integers(0, len(FRAMES)), max_size=6))
def test_frame_sizes_are_parsed_from_any_chunks(cuts: list[int]) -> None:
    sizes = FrameSizes()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(FRAMES)], strict=True):
        sizes.feed(FRAMES[start:end])
    assert sizes.sizes == dict.fromkeys(
        [FrameSize(320, 240), FrameSize(240, 320), FrameSize(427, 240), FrameSize(240, 320, 270)], 1
    )
    applied = sizes.applied_to(VIDEO)
    assert (applied.width, applied.height, applied.size_varies, applied.as_is) == (427, 240, True, False)


def test_video_with_frames_of_one_size_stays_as_it_is() -> None:
    sizes = FrameSizes()
    sizes.feed(b"frame|width=320|height=240\n" * 9)
    assert sizes.applied_to(VIDEO) is VIDEO


@given(st.binary())
def test_frame_sizes_of_any_bytes_never_raise(data: bytes) -> None:
    sizes = FrameSizes()
    sizes.feed(data + b"\n")
    assert sizes.applied_to(VIDEO).codec == VIDEO.codec


WAV_FORMAT = b"fmt \x10\x00\x00\x00\x01\x00\x01\x00" + (8000).to_bytes(4, "little") + (16_000).to_bytes(4, "little")
WAV = b"RIFF\xff\xff\xff\xffWAVE" + WAV_FORMAT + b"\x02\x00\x10\x00LIST\x03\x00\x00\x00abc\x00data"
XING = b"\xff\xfb\x90\x64" + bytes(32) + b"Xing\x00\x00\x00\x01" + (100).to_bytes(4, "big")
VBRI = b"\xff\xfb\x90\x64" + bytes(32) + b"VBRI" + bytes(10) + (200).to_bytes(4, "big")


def test_declared_durations_are_read_from_headers() -> None:
    assert declared_seconds("wav", WAV + (160_000).to_bytes(4, "little")) == pytest.approx(10)
    assert declared_seconds("wav", WAV + b"\xff\xff\xff\xff") is None
    assert declared_seconds("mp3", XING) == pytest.approx(100 * 1152 / 44_100)
    assert declared_seconds("mp3", VBRI) == pytest.approx(200 * 1152 / 44_100)
    assert declared_seconds("mp3", XING[:36]) is None
    assert declared_seconds("aac", XING) is None


@given(st.sampled_from(["wav", "asf", "mp3"]), st.binary(max_size=200))
def test_declared_duration_of_any_bytes_never_raises(name: str, head: bytes) -> None:
    for prefix in (b"", WAV, XING[:40], bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")):
        assert (declared_seconds(name, prefix + head) or 0.0) >= 0


@pytest.mark.parametrize(
    ("channels", "layout", "mix"),
    [
        (1, "mono", None),
        (6, "5.1(side)", None),
        (24, "22.2", None),
        (5, None, None),
        (7, "7 channels", None),
        (10, "10 channels", "channelmap=0|1:stereo"),
        (4, "4 channels (UNSD+UNSD+UNSD+UNSD)", "channelmap=0|1:stereo"),
        (2, "2 channels (BL+BR)", "channelmap=0|1:stereo"),
        (3, "3 channels (FR+UNK+FL)", "channelmap=2|0:stereo"),
        (4, "4 channels (FL+FC+FR+LFE)", "pan=stereo|c0<c0+c1|c1<c1+c2"),
        (4, "ambisonic 1", "pan=stereo|c0=0.6*c0+0.4*c1|c1=0.6*c0-0.4*c1"),
        (6, "ambisonic 1+stereo", "pan=stereo|c0=0.6*c0+0.4*c1+0.5*c4|c1=0.6*c0-0.4*c1+0.5*c5"),
    ],
)
def test_channels_that_ffmpeg_cannot_place_are_mixed(channels: int, layout: str | None, mix: str | None) -> None:
    assert stereo_mix(channels, layout) == mix
