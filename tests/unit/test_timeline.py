"""The model of time: runs of packets, and how recordings that were joined become one timeline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.timeline import Retiming, plan_retiming

VIDEO, AUDIO = 0, 1
FRAME, SOUND = 0.04, 0.02
Line = tuple[int, float]
"""A packet: its stream, and its time in seconds."""


@dataclass(frozen=True)
class Recording:
    """A recording whose clock starts at `clock`; picture and sound begin `picture_delay` and `sound_delay` later."""

    clock: float = 0.0
    frames: int = 75
    sounds: int = 150
    picture_delay: float = 0.0
    sound_delay: float = 0.0

    @property
    def lines(self) -> list[Line]:
        picture = [(VIDEO, self.clock + self.picture_delay + number * FRAME) for number in range(self.frames)]
        sound = [(AUDIO, self.clock + self.sound_delay + number * SOUND) for number in range(self.sounds)]
        return sorted(picture + sound, key=lambda line: line[1])


def scanned(lines: Sequence[Line], demuxer: str = "mpegts") -> PacketScan:
    scan = PacketScan(demuxer)
    for stream, time in lines:
        duration = FRAME if stream == VIDEO else SOUND
        scan.feed(f"{stream},{time:.6f},{time:.6f},{duration:.6f},100,N/A,K__\n".encode())
    return scan


def planned(lines: Sequence[Line], demuxer: str = "mpegts") -> Retiming | None:
    scan = scanned(lines, demuxer)
    video, audio = ((index, scan.stream(index).runs) for index in (VIDEO, AUDIO))
    return plan_retiming(video, audio, demuxer)


def retimed(lines: Sequence[Line], demuxer: str = "mpegts") -> dict[int, list[float]]:
    """Return the times of each stream after retiming."""
    plan = planned(lines, demuxer)
    result: dict[int, list[float]] = {}
    for index in (VIDEO, AUDIO):
        times = [time for stream, time in lines if stream == index]
        shifts = plan.shifts.get(index, ()) if plan is not None else ()
        for number, time in enumerate(times):
            shift = next((shift for shift in reversed(shifts) if shift.first <= number), None)
            moved = time + (shift.seconds if shift is not None else 0.0)
            if shift is None or moved < shift.until - 0.0005:
                result.setdefault(index, []).append(moved)
    return result


def assert_continuous(times: Sequence[float], step: float) -> None:
    for before, after in itertools.pairwise(times):
        assert after - before == pytest.approx(step, abs=0.001)


def test_continuous_recording_is_left_alone() -> None:
    assert planned(Recording(clock=1.4).lines) is None
    assert planned(Recording(picture_delay=1.5).lines) is None
    assert planned(Recording(sound_delay=8.0).lines) is None
    assert planned([]) is None
    late_sound = Recording(frames=0, clock=60.0).lines
    assert planned(Recording(frames=2000, sounds=0).lines + late_sound) is None


@pytest.mark.parametrize("demuxer", ["mpegts", "mpeg", "matroska", "flv"])
@pytest.mark.parametrize(
    "clocks", [(1.4, 1.4), (1.4, 50_000.0), (50_000.0, 1.4), (1.4, 1.4, 1.4), (1.4, 9000.0, 1.4), (9.0, 5.0, 1.4)]
)
def test_joined_recordings_become_one(clocks: tuple[float, ...], demuxer: str) -> None:
    lines = [line for clock in clocks for line in Recording(clock=clock).lines]
    times = retimed(lines, demuxer)
    assert_continuous(times[VIDEO], FRAME)
    assert_continuous(times[AUDIO], SOUND)
    assert times[VIDEO][0] == times[AUDIO][0] == pytest.approx(0)
    assert len(times[VIDEO]) == 75 * len(clocks)
    assert times[VIDEO][-1] + FRAME == pytest.approx(3.0 * len(clocks))


def test_sound_that_ends_slightly_after_its_picture_is_cut_where_the_next_picture_begins() -> None:
    times = retimed(Recording(sounds=152).lines + Recording(sounds=152).lines)
    assert_continuous(times[VIDEO], FRAME)
    assert_continuous(times[AUDIO], SOUND)
    assert len(times[AUDIO]) == 150 + 152


def test_sound_that_ends_long_after_its_picture_is_complete() -> None:
    times = retimed(Recording(sounds=200).lines + Recording(sounds=200).lines)
    assert times[AUDIO][200] - times[AUDIO][199] == pytest.approx(SOUND, abs=0.001)
    assert times[VIDEO][75] == pytest.approx(3.9, abs=0.001)  # a tenth of a second of the sound may be cut


@settings(max_examples=25)
@given(
    first=st.builds(
        Recording,
        clock=st.floats(0, 90_000),
        frames=st.integers(50, 90),
        sounds=st.integers(100, 180),
        sound_delay=st.floats(0, 0.9),
    ),
    second=st.builds(
        Recording,
        clock=st.floats(0, 90_000),
        frames=st.integers(50, 90),
        sounds=st.integers(100, 180),
        sound_delay=st.floats(0, 0.9),
    ),
)
def test_joined_recordings_are_in_step_whatever_their_clocks_are(first: Recording, second: Recording) -> None:
    lines = first.lines + second.lines
    times = retimed(lines)
    last = max(time for _, time in first.lines)
    if 0 <= second.clock - last <= 10 or planned(lines) is None:
        return  # a gap, or times that go on
    picture, sound = times[VIDEO], times[AUDIO]
    assert picture == sorted(picture)
    assert sound == sorted(sound)
    # Counted from the end, because of sound that is cut where the recordings meet.
    assert sound[-second.sounds] - picture[first.frames] == pytest.approx(second.sound_delay, abs=0.001)
    assert picture[first.frames] >= picture[first.frames - 1] + FRAME - 0.001
    length = max(first.frames * FRAME, first.sound_delay + first.sounds * SOUND)
    assert picture[first.frames] - min(picture[0], sound[0]) <= length + second.sound_delay + 0.001


def test_gap_is_kept_where_the_other_stream_goes_on() -> None:
    picture = [(VIDEO, number * FRAME) for number in range(25)] + [(VIDEO, 25 + number * FRAME) for number in range(25)]
    sound = [(AUDIO, number * SOUND) for number in range(1300)]
    assert planned(sorted(picture + sound, key=lambda line: line[1])) is None


def test_gap_in_both_streams_is_kept_up_to_the_limit_of_the_format() -> None:
    lines = Recording().lines + Recording(clock=12).lines
    assert planned(lines, "mpegts") is None
    assert planned(Recording().lines + Recording(clock=120).lines, "matroska") is None
    assert planned(Recording().lines + Recording(clock=120).lines, "mpegts") is not None
    assert planned(Recording().lines + Recording(clock=5000).lines, "matroska") is not None


@pytest.mark.parametrize("jump", [3600.0, -1.5])
@pytest.mark.parametrize(("jumping", "step"), [(AUDIO, SOUND), (VIDEO, FRAME)])
def test_stream_that_jumps_alone_goes_on_where_it_was(jumping: int, step: float, jump: float) -> None:
    lines = [(stream, time + (jump if stream == jumping and time >= 1.6 else 0)) for stream, time in Recording().lines]
    times = retimed(lines)
    assert_continuous(times[jumping], step)
    assert times[VIDEO][0] == times[AUDIO][0] == pytest.approx(0)
    assert times[jumping][-1] + step == pytest.approx(3)


def test_stream_that_jumps_and_returns_is_in_step_again() -> None:
    lines = [(stream, time + 900 * (stream == AUDIO and 1 <= time < 2)) for stream, time in Recording().lines]
    times = retimed(lines)
    assert times[VIDEO][-1] == pytest.approx(2.96)
    assert times[AUDIO][-1] == pytest.approx(2.98)
    assert_continuous(times[AUDIO], SOUND)


def test_last_packets_of_a_recording_may_follow_the_first_of_the_next() -> None:
    first, second = Recording().lines, Recording().lines
    late = [line for line in first if line[0] == AUDIO][-4:]
    times = retimed([line for line in first if line not in late] + second[:3] + late + second[3:])
    # Of the sound the order within the stream is that of the file.
    assert_continuous(times[VIDEO], FRAME)
    assert times[VIDEO][-1] + FRAME == pytest.approx(6)


def test_sound_only_in_the_second_recording_belongs_to_its_picture() -> None:
    times = retimed(Recording(sounds=0).lines + Recording(sound_delay=0.5).lines)
    assert times[AUDIO][0] == pytest.approx(3.5)
    assert_continuous(times[VIDEO], FRAME)


def test_clocks_that_have_nothing_in_common_begin_together() -> None:
    lines = [(stream, time + (80_000 if stream == AUDIO else 0)) for stream, time in Recording().lines]
    times = retimed(lines)
    assert times[VIDEO][0] == times[AUDIO][0] == pytest.approx(0)


def test_reordered_frames_of_matroska_are_no_jump() -> None:
    scan = PacketScan("matroska")
    for group in range(10):
        for number, flags in ((0, "K__"), (4, "___"), (2, "___"), (1, "___"), (3, "___")):
            scan.feed(f"0,{group + number / 5},N/A,0.2,9,N/A,{flags}\n".encode())
    assert len(scan.stream(0).runs) == 1


def test_number_of_runs_is_limited() -> None:
    lines = [(VIDEO, float(number % 2) * 1000) for number in range(2000)]
    assert len(scanned(lines).stream(VIDEO).runs) <= 200


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(-1e5, 1e5)), max_size=40))
def test_retimed_times_of_any_packets_are_finite(lines: list[Line]) -> None:
    assert all(math.isfinite(time) for times in retimed(lines).values() for time in times)
