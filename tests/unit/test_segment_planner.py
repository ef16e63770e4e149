"""Plans of films: where they are cut, and why some are compressed in one run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.segments.plan import SegmentBoard, SegmentFile, SegmentPlan, TaskResult
from roomcast.uploads.model import Source
from roomcast.uploads.templates import Template
from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import MediaInfo, VideoStream
from roomcast_workers.media_info.truncation import Truncation, VerifiedMedia, verify_media
from roomcast_workers.segments.film_settings import FilmSettings
from roomcast_workers.segments.join import reached_quality
from roomcast_workers.segments.planner import SingleRun, byte_spans, find_cuts, plan_segments

SETTINGS = EncodeSettings(CODECS["h264"], "fast", ConstantQuality(23), 1280, 720, seconds=60.0)
SOURCE = Source("incoming/film", 1000, "video", "mov", "video/mp4", "m", "s")
TEMPLATE = Template(name="t", hls=(480, 240))
CUES = bytes.fromhex("53ab841c53bb6b")


def scan_of(frames: Sequence[tuple[float, str]], *, duration: float = 0.04, reordered: bool = False) -> PacketScan:
    """Return the scan of a video whose packets have these times and flags, each of 100 bytes."""
    scan, in_order = PacketScan("mov"), sorted(time for time, _ in frames)
    for number, (time, flags) in enumerate(frames):
        decoded = in_order[number] if reordered else time
        scan.feed(f"0,{time:.6f},{decoded:.6f},{duration:.6f},100,{number * 100},{flags}\n".encode())
    return scan


def media_of(scan: PacketScan, **video: Any) -> VerifiedMedia:
    frames = scan.stream(0).packets
    stream = VideoStream(0, "h264", 1280, 720, 0, 25.0, "yuv420p", frames, scan.seconds(0))
    info = MediaInfo(scan.seconds(0), 1000, "mov", dataclasses.replace(stream, **video), None, start=0.0)
    return dataclasses.replace(verify_media(info, scan, b""), truncation=None)


def plain(seconds: float = 60, gap: int = 50) -> list[tuple[float, str]]:
    return [(number / 25, "K__" if number % gap == 0 else "___") for number in range(round(seconds * 25))]


def plan(media: VerifiedMedia, **changed: Any) -> SegmentPlan | SingleRun:
    given: dict[str, Any] = {
        "source": SOURCE,
        "template": TEMPLATE,
        "settings": SETTINGS,
        "head": b"",
        "encoder": "one",
    } | changed
    return plan_segments(media, **given)


def planned(media: VerifiedMedia, **changed: Any) -> SegmentPlan:
    made = plan(media, **changed)
    assert isinstance(made, SegmentPlan)
    return made


def test_film_is_cut_at_keyframes_eight_seconds_apart_and_encoded_in_the_ladder() -> None:
    made = planned(media_of(scan_of(plain())))
    assert [(segment.start, segment.seconds, segment.frames) for segment in made.segments] == [
        *((8.0 * number, 8.0, 200) for number in range(6)),
        (48.0, 12.0, 300),
    ]
    assert [(one.name, one.width, one.height, one.listed) for one in made.renditions] == [
        ("720", 1280, 720, False),
        ("480", 852, 480, True),
        ("240", 426, 240, True),
    ]
    film = FilmSettings.from_json(json.loads(json.dumps(made.settings)))
    assert film.encode_settings("720", 1280, 720) == SETTINGS
    assert film.video == media_of(scan_of(plain())).info.video
    assert film.renditions["480"].max_rate is not None
    alone = planned(media_of(scan_of(plain())), template=Template(name="t"))
    assert [(one.name, one.listed) for one in alone.renditions] == [("720", True)]
    own = planned(media_of(scan_of(plain())), template=Template(name="t", hls=(1080, 240)))
    assert [(one.name, one.listed) for one in own.renditions] == [("720", True), ("240", True)]


@pytest.mark.parametrize(
    ("changed", "copied"),
    [({"hls": (1080, 480)}, True), ({"hls": (720,), "target_quality": 90}, True), ({"hls": (480, 240)}, False)],
)
def test_ladder_beside_a_copy_has_the_frames_of_the_source_in_its_own_size(
    changed: dict[str, Any], copied: bool
) -> None:
    made = planned(media_of(scan_of(plain())), template=Template(name="t", **changed), copies=True)
    assert made.ladder_only
    assert [one.copied for one in made.renditions] == [copied, *([False] * (len(made.renditions) - 1))]
    assert all(one.listed for one in made.renditions)
    film = FilmSettings.from_json(made.settings)
    assert (film.metric, film.target_quality) == (None, None)
    assert film.renditions.keys() == {one.name for one in made.renditions}
    encoded = sum(one.width * one.height for one in made.renditions if not one.copied)
    frames = sum(segment.frames for segment in made.segments)
    assert frames * encoded <= made.weight <= frames * (encoded + 1)
    assert all(task.weight for task in made.tasks)


def test_ladder_is_encoded_where_the_source_has_another_size_or_open_groups_of_pictures() -> None:
    template = Template(name="t", hls=(720, 480))
    smaller = dataclasses.replace(SETTINGS, width=854, height=480)
    assert (
        not planned(media_of(scan_of(plain())), template=template, settings=smaller, copies=True).renditions[0].copied
    )
    frames = plain()
    for first in range(50, len(frames), 50):  # the frame that is decoded second is shown before the keyframe
        (key, _), (after, _) = frames[first], frames[first + 1]
        frames[first], frames[first + 1] = (after, "K__"), (key, "___")
    made = planned(media_of(scan_of(frames, reordered=True)), template=template, copies=True)
    assert [one.copied for one in made.renditions] == [False, False]


def test_ladder_beside_a_target_size_is_encoded_in_its_own_quality() -> None:
    source = dataclasses.replace(SOURCE, size=20_000)
    template = Template(name="t", hls=(720, 480), target_bytes=10_000)
    made = planned(media_of(scan_of(plain())), template=template, source=source)
    assert made.ladder_only
    assert [(one.name, one.copied) for one in made.renditions] == [("720", False), ("480", False)]
    film = FilmSettings.from_json(made.settings)
    assert {film.renditions[name].crf for name in ("720", "480")} == {23}
    within = planned(media_of(scan_of(plain())), template=template)
    assert not within.ladder_only
    assert within.id != made.id


def test_peak_of_each_rendition_is_known_before_it_is_encoded() -> None:
    media, hls = media_of(scan_of(plain())), (720, 480)
    template = Template(name="t", hls=hls)
    largest, smaller = planned(media, template=template).renditions
    limit = FilmSettings.from_json(planned(media, template=template).settings).renditions["480"].max_rate
    assert limit is not None
    assert smaller.peak_rate == round(limit * (1 + 2 / 8))
    assert largest.peak_rate > smaller.peak_rate
    copied, encoded = planned(media, template=template, copies=True).renditions
    assert copied.peak_rate == 216 * 100 * 8 / 8, "its 200 packets, and 16 of the next segment's"
    assert encoded.peak_rate == smaller.peak_rate
    assert planned(media).audio_rate == 0


def test_identity_of_a_plan_depends_on_what_its_results_depend_on() -> None:
    media = media_of(scan_of(plain()))
    again = planned(media_of(scan_of(plain())), source=dataclasses.replace(SOURCE, key="another"))
    assert again.id == planned(media).id
    others = [
        planned(media, source=dataclasses.replace(SOURCE, sha256="other")),
        planned(media, encoder="two"),
        planned(media, settings=dataclasses.replace(SETTINGS, rate=ConstantQuality(24))),
        planned(media, template=Template(name="t", hls=(480,))),
        planned(media_of(scan_of(plain(gap=45)))),
        *(
            planned(media, template=Template(name="t", target_quality=points), metric=metric)
            for points, metric in ((90, "vmaf"), (93, "vmaf"), (93, "ssim"))
        ),
    ]
    assert len({planned(media).id, *(other.id for other in others)}) == 9


def test_target_quality_has_no_limit_of_the_bitrate_and_no_segments_where_it_cannot_be_measured() -> None:
    media, template = media_of(scan_of(plain())), Template(name="t", hls=(480, 240), target_quality=90)
    film = FilmSettings.from_json(planned(media, template=template, metric="ssim").settings)
    assert (film.target_quality, film.metric) == (90, "ssim")
    assert not film.renditions["720"].limited
    assert film.renditions["480"].max_rate is not None
    refused = plan(media, template=template)
    assert isinstance(refused, SingleRun)
    assert "cannot measure" in refused.reason
    assert FilmSettings.from_json(planned(media, metric="vmaf").settings).metric is None


@pytest.mark.parametrize(("second", "reached"), [(91.2, True), (89.97, False)])
def test_quality_of_a_film_is_that_of_its_worst_segment(second: float, reached: bool) -> None:
    template = Template(name="t", target_quality=90)
    made = planned(media_of(scan_of(plain(24))), template=template, metric="vmaf")
    scored = [(94.0, 30), (second, 21), None]
    results = {
        number: TaskResult(() if each is None else (SegmentFile("720", number, "", 1, 200, each[1], each[0]),))
        for number, each in enumerate(scored)
    }
    worst = {"start": 8.0, "seconds": 8.0, "score": round(second, 1), "crf": 21}
    assert reached_quality(SegmentBoard(made, results=results)) == {
        "metric": "vmaf",
        "crf": 21,
        "target": 90,
        "score": round(second, 1),
        "reached": reached,
        "worst": worst,
    }
    assert reached_quality(SegmentBoard(made)) is None
    assert reached_quality(SegmentBoard(planned(media_of(scan_of(plain(24)))), results=results)) is None


def film_with(*, at: int, time: float | None = None, flags: str = "___") -> list[tuple[float, str]]:
    frames = plain()
    frames[at] = frames[at][0] if time is None else time, flags
    return frames


@pytest.mark.parametrize(
    ("media", "changed", "reason"),
    [
        (lambda: media_of(scan_of(plain(19.9))), {}, "shorter than 20 seconds"),
        (lambda: media_of(scan_of(plain(gap=2000))), {}, "too few keyframes"),
        (lambda: media_of(scan_of(plain(gap=1450))), {}, "too few keyframes"),
        (lambda: media_of(scan_of(plain())), {"template": Template(name="t", target_bytes=10_000),
            "source": dataclasses.replace(SOURCE, size=20_000)}, "first pass"),
        (lambda: media_of(scan_of(plain())), {"copied": True}, "had to be copied"),
        (lambda: media_of(scan_of(plain())), {"template": Template(name="t"), "copies": True}, "video is copied"),
        (lambda: dataclasses.replace(media_of(scan_of(plain())), truncation=Truncation(1, 2)), {}, "incomplete"),
        (lambda: media_of(scan_of(plain())), {"source": dataclasses.replace(SOURCE, format="mpegts")}, "mpegts"),
        (lambda: media_of(scan_of(plain())), {"source": dataclasses.replace(SOURCE, format="matroska")}, "no index"),
        (lambda: media_of(scan_of(plain()), frames=None), {}, "no index"),
        (lambda: media_of(scan_of(plain()), codec="vp8"), {}, "vp8"),
        (lambda: media_of(scan_of(plain()), size_varies=True), {}, "size"),
        (lambda: media_of(scan_of(plain())), {"settings": dataclasses.replace(SETTINGS, tone_mapper="swscale")},
            "colours"),
        (lambda: media_of(scan_of([*plain(30), *plain(30)])), {}, "start over"),
        (lambda: media_of(scan_of(film_with(at=0))), {}, "begin with a keyframe"),
        (lambda: media_of(scan_of(film_with(at=60, time=2.36))), {}, "same time"),
        (lambda: media_of(scan_of(film_with(at=1000, flags="_D_"))), {}, "hidden"),
        (lambda: media_of(scan_of([(time - 1, flags) for time, flags in plain()])), {}, "before zero"),
    ],
)  # fmt: skip
def test_film_that_cannot_be_cut_is_compressed_in_one_run(
    media: Callable[[], VerifiedMedia], changed: dict[str, Any], reason: str
) -> None:
    made = plan(media(), **changed)
    assert isinstance(made, SingleRun)
    assert reason in made.reason
    assert made.reason[0].isupper()
    assert made.reason.endswith(".")


def test_matroska_file_with_an_index_is_cut() -> None:
    source = dataclasses.replace(SOURCE, format="matroska")
    assert isinstance(plan(media_of(scan_of(plain())), source=source, head=b"..." + CUES), SegmentPlan)


def test_frames_that_an_edit_list_hides_before_the_film_are_read_with_the_first_segment() -> None:
    frames = [(time - 1.0, "KD_" if time == 0 else "_D_" if time < 1 else flags) for time, flags in plain()]
    media = media_of(scan_of(frames))
    made = planned(media)
    assert made.segments[0].start == 0
    assert sum(segment.frames for segment in made.segments) == len(frames) - 25
    spans = byte_spans(media.scan.stream(0), made)
    assert spans is not None
    assert spans[0][0] == 0


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 80), min_size=1, max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
    st.booleans(),
)
def test_segments_of_any_film_contain_each_frame_once(gaps: list[int], leads: list[bool], is_open: bool) -> None:
    frames: list[tuple[float, str]] = []
    for gap, lead in zip(gaps, leads, strict=False):
        begin = len(frames) / 5
        group = [(begin + number / 5, "K__" if number == 0 else "___") for number in range(gap)]
        if is_open and lead and frames and gap > 1:  # the frame that is decoded second is shown before the keyframe
            group[0], group[1] = (group[1][0], "K__"), (group[0][0], "___")
        frames += group
    media = media_of(scan_of(frames, duration=0.2, reordered=True))
    scan, times = media.scan.stream(0), sorted(time for time, _ in frames)
    cuts = find_cuts(scan)
    made = plan(media)
    if isinstance(made, SingleRun):
        assert len(cuts) < 2 or media.seconds < 20
        return
    keyframes = {round(time, 6) for time, flags in frames if "K" in flags}
    assert sum(segment.frames for segment in made.segments) == len(frames)
    assert all(round(cut.time, 6) in keyframes for cut in cuts)
    assert all(segment.seconds >= 3.999 for segment in made.segments)
    assert all(after.start == pytest.approx(one.end, abs=1e-5) for one, after in pairwise(made.segments))
    assert made.seconds == pytest.approx(media.seconds, abs=1e-5)
    spans = byte_spans(scan, made)
    assert spans is not None
    for (first, end, _), segment in zip(spans, made.segments, strict=True):
        inside = [
            number * 100
            for number, (time, _) in enumerate(frames)
            if segment.start - 1e-6 <= time - times[0] < segment.end - 1e-6
        ]
        assert first <= min(inside)
        assert end >= max(inside) + 100
