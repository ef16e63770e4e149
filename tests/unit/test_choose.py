"""Whether to compress, how much it takes, and how a quality is found: the decisions, without ffmpeg."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from roomcast.errors import TooLarge, UnreadableMedia
from roomcast.uploads.templates import Template
from roomcast_workers.ffmpeg.codecs import peak_bitrate
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream
from roomcast_workers.media_info.truncation import VerifiedMedia, find_truncation, segment_size, verify_media
from roomcast_workers.video.copy_or_compress import (
    audio_meets_template,
    decide,
    is_worthwhile,
    low_bitrate,
    meets_template,
    target_audio_bitrate,
)
from roomcast_workers.video.crf_search import (
    MAX_TRIALS,
    CrfSearch,
    equivalent_ssim,
    sample_starts,
    ssim_score,
    vmaf_score,
)
from roomcast_workers.video.encoder import fit_even
from roomcast_workers.video.size_budget import compute_budget, hits_target, next_bitrate

FILM = VideoStream(0, "h264", 1280, 720, 0, 25.0, "yuv420p", 250, 10.0, profile="High")
SOUND = AudioStream(1, "aac", 2, 48_000, 10.0, 469)
INFO = MediaInfo(10.0, 1_000_000, "mov", FILM, SOUND)


def scanned(
    *, packets: int = 250, bits: int = 1_000_000, first: str = "K__", gap: int = 50, pts: bool = True
) -> PacketScan:
    """Ten seconds of film at 25 frames and `bits` a second, and as much sound at 100 kbit/s."""
    scan = PacketScan()
    for number in range(packets):
        flags = first if number == 0 else "K__" if number % gap == 0 else "___"
        time = f"{number / 25:.6f}"
        scan.feed(f"0,{time if pts else 'N/A'},{time},0.040000,{bits // 200},{flags}\n".encode())
    for number in range(500):
        scan.feed(f"1,{number / 50:.6f},{number / 50:.6f},0.020000,250,K__\n".encode())
    return scan


def source(video: VideoStream | None = FILM, scan: PacketScan | None = None, **info: Any) -> VerifiedMedia:
    return VerifiedMedia(dataclasses.replace(INFO, video=video, **info), scan or scanned(), 10.0, None)


def template(**wishes: Any) -> Template:
    return Template(name="t", **wishes)


# --- Choosing ---------------------------------------------------------------------------------------------------------


def test_a_frugal_film_is_copied_and_a_lavish_one_compared() -> None:
    assert decide(source(), template()) == "copy"
    assert decide(source(scan=scanned(bits=5_000_000)), template()) == "compare"


@pytest.mark.parametrize(
    "wrong",
    [
        {"codec": "hevc"},
        {"profile": "High 4:2:2"},
        {"profile": None},
        {"pix_fmt": "yuv420p10le"},
        {"full_range": True},
        {"interlaced": True},
        {"as_is": False},
        {"transfer": "smpte2084"},
        {"primaries": "bt2020"},
        {"matrix": "bt2020nc"},
        {"width": 1279},
        {"width": 1922},
    ],
)
def test_a_film_that_not_every_player_shows_rightly_is_compressed(wrong: dict[str, Any]) -> None:
    assert decide(source(dataclasses.replace(FILM, **wrong)), template()) == "encode"


@pytest.mark.parametrize("wrong", [{"first": "___"}, {"first": "KD_"}, {"gap": 1000, "packets": 400}, {"pts": False}])
def test_a_film_that_cannot_be_sought_or_cut_is_compressed(wrong: dict[str, Any]) -> None:
    assert not meets_template(source(scan=scanned(**wrong)), template())


def test_a_template_decides_what_complies() -> None:
    assert decide(source(), template(codec="av1")) == "encode"
    assert decide(source(), template(video_long_side=640)) == "encode"
    assert decide(source(), template(target_bytes=2_000_000)) == "copy"
    assert decide(source(), template(target_bytes=999_999)) == "encode"


def test_what_is_cut_short_is_compressed() -> None:
    cut = verify_media(INFO, scanned(packets=100), b"")
    assert cut.truncation is not None
    assert decide(cut, template()) == "encode"


def test_sound() -> None:
    assert audio_meets_template(SOUND, source(), 128_000)
    assert not audio_meets_template(SOUND, source(), 64_000)
    assert not audio_meets_template(dataclasses.replace(SOUND, channels=6), source(), 128_000)
    assert not audio_meets_template(dataclasses.replace(SOUND, codec="mp3"), source(), 128_000)
    assert target_audio_bitrate(SOUND, source(), 128_000) == pytest.approx(100_000, rel=0.01)
    assert target_audio_bitrate(dataclasses.replace(SOUND, channels=1), source(), 100_000) == 60_000


def test_five_per_cent_are_worth_it() -> None:
    assert is_worthwhile(95, 100)
    assert not is_worthwhile(96, 100)


# --- Whole, or not ----------------------------------------------------------------------------------------------------


def test_a_whole_file_and_a_lying_header() -> None:
    assert find_truncation(INFO, scanned(), b"") is None
    forged = dataclasses.replace(INFO, video=dataclasses.replace(FILM, duration=49 * 86400.0))
    assert find_truncation(forged, scanned(), b"") is None  # every packet that the sample table counts is there
    uncounted = dataclasses.replace(FILM, frames=None, duration=49 * 86400.0)
    assert find_truncation(dataclasses.replace(INFO, video=uncounted), scanned(), b"") is None


def test_a_file_cut_short() -> None:
    found = find_truncation(INFO, scanned(packets=100), b"")
    assert found is not None
    assert found.to_json() == {"seconds": 4.0, "declaredSeconds": 10.0}
    uncounted = dataclasses.replace(INFO, video=dataclasses.replace(FILM, frames=None))
    assert find_truncation(uncounted, scanned(packets=100), b"") == found


def test_matroska_says_how_many_bytes_it_has() -> None:
    head = b"\x1a\x45\xdf\xa3\x84...." + b"\x18\x53\x80\x67" + b"\x01" + (1000).to_bytes(7, "big")
    assert segment_size(head) == len(head) + 1000
    assert segment_size(head[:-8] + b"\x01" + b"\xff" * 7) is None
    assert segment_size(head[:7]) is None
    info = dataclasses.replace(INFO, format_name="matroska,webm", size=len(head) + 1000)
    assert find_truncation(info, scanned(packets=100), head) is None
    assert find_truncation(dataclasses.replace(info, size=500), scanned(packets=100), head) is not None


@given(st.binary(max_size=64))
def test_any_head_of_a_file(head: bytes) -> None:
    assert (segment_size(head) or 0) >= 0
    assert (segment_size(b"\x1a\x45\xdf\xa3" + head) or 0) >= 0


def test_streams_without_packets_are_not_there() -> None:
    seen = verify_media(dataclasses.replace(INFO, audio=dataclasses.replace(SOUND, index=7)), scanned(), b"")
    assert seen.info.audio is None
    assert seen.seconds == pytest.approx(10)
    with pytest.raises(UnreadableMedia):
        verify_media(INFO, PacketScan(), b"")


# --- Packets ----------------------------------------------------------------------------------------------------------

LINES = b"""0,-0.080000,-0.120000,0.040000,900,KD_
1,0.000000,0.000000,0.020000,100,K__
0,0.000000,-0.080000,0.040000,50,K__
0,2.000000,0.000000,0.040000,50,___
0,N/A,N/A,N/A,7,___
rubbish
1,0.5,0.5,0.02,100,K__"""


@given(st.lists(st.integers(0, len(LINES)), max_size=8))
def test_packets_in_any_pieces(cuts: list[int]) -> None:
    scan = PacketScan()
    for start, end in itertools.pairwise([0, *sorted(cuts), len(LINES)]):
        scan.feed(LINES[start:end])
    video = scan.stream(0)
    assert (video.packets, video.hidden, video.untimed, video.size) == (4, 1, 1, 1007)
    assert (video.start, video.end, video.max_keyframe_gap, video.starts_with_keyframe) == (0.0, 2.04, 2.0, True)
    assert scan.seconds(0, 1) == pytest.approx(2.04)
    assert scan.stream(9).packets == 0


@given(st.binary())
def test_packets_of_any_bytes(data: bytes) -> None:
    scan = PacketScan()
    scan.feed(data + b"\n")
    assert (scan.seconds(*scan.streams) or 0) >= 0


# --- Sizes ------------------------------------------------------------------------------------------------------------

sides = st.integers(2, 8192)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(2, 4096))
def test_sizes_are_even_never_larger_and_keep_their_shape(width: int, height: int, long_side: int) -> None:
    fitted = fit_even(width, height, long_side)
    assert all(side % 2 == 0 and side >= 2 for side in fitted)
    assert max(fitted) <= max(2, long_side)
    scale = min(1, long_side / max(width, height))
    assert all(abs(is_ - was * scale) <= 2 for is_, was in zip(fitted, (width, height), strict=True))


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((1920, 1080), (1920, 1080)), ((3840, 2160), (1920, 1080)), ((319, 239), (318, 238)), ((1080, 2400), (864, 1920))],
)
def test_sizes(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit_even(*size, 1920) == fitted


@given(sides, sides, st.floats(1, 240))
def test_a_larger_film_has_a_higher_peak(width: int, height: int, fps: float) -> None:
    assert low_bitrate(width, height, fps) < peak_bitrate(width, height, fps)
    assert peak_bitrate(width, height, fps) <= peak_bitrate(width + 1, height, fps + 1)
    assert peak_bitrate(width, height, None) == peak_bitrate(width, height, 30)


@given(
    st.integers(10_000, 10**9), st.floats(0.1, 20_000), st.tuples(sides, sides), st.floats(1, 120), st.integers(0, 8)
)
def test_what_is_shared_out_is_no_more_than_there_is(
    target: int, seconds: float, size: tuple[int, int], fps: float, channels: int
) -> None:
    try:
        share = compute_budget(target, seconds, size, fps, channels, 128_000)
    except TooLarge:
        return
    assert (share.video_bitrate + share.audio_bitrate) * seconds / 8 < target
    assert 0 < share.scale <= 1
    assert (share.audio_bitrate > 0) == (channels > 0)
    assert share.channels <= min(channels, 2)


@given(st.integers(20_000, 10**7), st.floats(1, 600), st.floats(0.2, 3))
def test_a_correction_leads_to_the_target(target: int, seconds: float, answer: float) -> None:
    """Whatever the encoder makes of a bitrate, as long as it is always the same share of it."""
    fixed = 0.1 * target
    bitrate = int(target * 8 / seconds)
    assume(bitrate > 8000)
    for _ in range(4):
        size = int(fixed + answer * bitrate * seconds / 8)
        if hits_target(size, target):
            return
        bitrate = next_bitrate(bitrate, size, target, fixed)
    assert hits_target(int(fixed + answer * bitrate * seconds / 8), target)


# --- Quality ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(1, 31), st.lists(st.floats(0, 100), min_size=72, max_size=72), st.floats(0, 100))
def test_the_search_finds_the_highest_crf_that_is_good_enough(
    low: int, span: int, scores: list[float], target: float
) -> None:
    falling = sorted(scores, reverse=True)
    search = CrfSearch(low, low + span - 1, target)
    while (crf := search.next) is not None:
        assert low <= crf < low + span
        search.record(crf, falling[crf])
    assert len(search.scores) <= MAX_TRIALS
    good = [crf for crf in range(low, low + span) if falling[crf] >= target]
    assert search.best == (max(good) if good else min(search.scores))
    assert good or search.best == low


@given(st.floats(20, 99), st.floats(20, 99))
def test_more_vmaf_is_more_ssim(one: float, other: float) -> None:
    assert 0.5 < equivalent_ssim(min(one, other)) <= equivalent_ssim(max(one, other)) < 1


def test_scores_are_read_or_there_are_none() -> None:
    assert ssim_score("n:1 Y:0.9 U:0.9 V:0.9 All:0.900000 (10)\nn:2 All:1.000000 (inf)\n") == pytest.approx(0.95)
    assert ssim_score("") is None
    assert vmaf_score(json.dumps({"pooled_metrics": {"vmaf": {"mean": 93.5}}})) == 93.5
    assert vmaf_score("{}") is None
    assert vmaf_score("[") is None


@given(st.floats(0.04, 10_000), st.integers(1, 5), st.floats(0.5, 3))
def test_samples_are_within_the_film_and_apart(seconds: float, count: int, length: float) -> None:
    starts = sample_starts(seconds, count, length)
    assert all(start >= 0 for start in starts)
    assert all(after - before >= length - 0.01 for before, after in itertools.pairwise(starts))
    assert starts == [0.0] or starts[-1] + length <= seconds + 0.01
