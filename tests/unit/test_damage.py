"""What cannot be decoded of a film: what ffmpeg logs about it, and the times that follow from that."""

from __future__ import annotations

from itertools import pairwise
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.media_info.damage import (
    TIME_TOLERANCE,
    DamageDetector,
    DecodedFrame,
    DecodedFrames,
    StoredFrame,
    stored_frames,
    undecodable_in_film,
    undecodable_times,
)
from roomcast_workers.media_info.packet_scan import PacketScan

GROUP = 5
FILM = [StoredFrame(number * 0.2, number % GROUP == 0) for number in range(20)]


def decoded_of(*numbers: int, damaged: tuple[int, ...] = ()) -> list[DecodedFrame]:
    """Return the frames of these numbers as a decoder returns them."""
    return [DecodedFrame(FILM[number].time, FILM[number].keyframe, number in damaged) for number in numbers]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("[h264 @ 0x55] error while decoding MB 6 1, bytestream -31", True),
        ("[libdav1d @ 0x55] Error parsing OBU data", True),
        ("[vist#0:0/h264 @ 0x55] [dec:h264 @ 0x56] Error submitting packet to decoder: Invalid data found", True),
        ("Error while decoding stream #0:0: Invalid data found when processing input", True),
        ("[aist#0:1/aac @ 0x55] [dec:aac @ 0x56] Error submitting packet to decoder: Invalid data found", False),
        ("[aac @ 0x55] channel element 3.0 is not allocated", False),
        ("[libx264 @ 0x55] h264 @ is no decoder", False),
        ("[mp4 @ 0x55] Application provided duration is invalid", False),
    ],
)
def test_damage_is_what_the_decoder_of_pictures_reports(line: str, found: bool) -> None:
    detector = DamageDetector("h264")
    for byte in f"Something else\n{line}\n".encode():
        detector.feed(bytes([byte]))
    assert detector.found is found


def test_decoded_frames_are_read_from_the_log_of_any_version() -> None:
    listed = DecodedFrames()
    listed.feed(
        b"demuxer -> ist_index:0:0 type:video pkt_pts:512 pkt_pts_time:0.04\n"
        b"decoder -> pts:102400 pts_time:8 pkt_dts:1 pkt_dts_time:8 duration:512 duration_time:0.04 keyframe:1"
        b" frame_type:1 time_base:1/12800\n"
        b"[vist#0:0/h264 @ 0x55] [dec:h264 @ 0x56] corrupt decoded frame\n"
        b"decoder -> ist_index:0 type:video frame_pts:3 frame_pts_time:0.6 best_effort_ts:3 best_effort_ts_time:0.6"
        b" keyframe:0 frame_type:2 time_base:1/5\n"
        b"decoder -> pts:NOPTS pts_time:NOPTS keyframe:0 frame_type:1 time_base:1/5\n"
        b"decoder -> ist_index:1 type:audio"
    )
    assert listed.frames == [DecodedFrame(8.0, True, damaged=False), DecodedFrame(0.6, False, damaged=True)]


@given(st.binary())
def test_any_log_can_be_read(content: bytes) -> None:
    DamageDetector("av1", "libaom+av1").feed(content)
    DecodedFrames().feed(content)


def test_what_follows_a_damaged_keyframe_counts_up_to_the_next() -> None:
    numbers = range(20)
    assert undecodable_times(FILM, decoded_of(*numbers), 4.0) == ()
    assert undecodable_times(FILM, decoded_of(*numbers, damaged=(10,)), 4.0) == ((2.0, 3.0),)
    lost = [number for number in numbers if number not in {5, 18}]
    assert undecodable_times(FILM, decoded_of(*lost), 4.0) == ((1.0, 2.0), (FILM[18].time, FILM[19].time))
    lost = [number for number in numbers if number not in {11, 14, 15, 19}]
    assert undecodable_times(FILM, decoded_of(*lost), 4.0) == ((FILM[11].time, 4.0),)
    assert undecodable_times(FILM, [], 4.0) == ((0.0, 4.0),)


def test_frames_that_come_after_one_of_a_later_time_are_left_out_and_their_neighbours_are_not() -> None:
    ahead = decoded_of(*range(4), 15, *range(5, 20))
    assert undecodable_in_film(FILM, ahead, 4.0) == ((FILM[4].time, FILM[5].time),)
    assert undecodable_in_film(FILM, ahead, 4.0, drops_frames=True) == ((FILM[4].time, FILM[15].time),)
    last = decoded_of(*range(18), 19, 18)
    assert undecodable_in_film(FILM, last, 4.0, drops_frames=True) == ((FILM[18].time, FILM[19].time),)
    damaged = decoded_of(*range(18), 19, 18, damaged=(5,))
    assert undecodable_in_film(FILM, damaged, 4.0, drops_frames=True) == ((1.0, 2.0), (FILM[18].time, FILM[19].time))


def test_frames_at_nearly_the_same_time_count_as_one() -> None:
    twice = sorted([*FILM, StoredFrame(1.4 + TIME_TOLERANCE / 4, False)], key=attrgetter("time"))
    decoded = decoded_of(*range(20))
    assert undecodable_in_film(twice, decoded, 4.0) == ()
    assert undecodable_in_film(twice, [*decoded[:7], decoded[8], decoded[7], *decoded[8:]], 4.0, drops_frames=True) == (
        (FILM[7].time, FILM[8].time),
    )


@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_times_are_in_order_and_have_every_frame_that_is_missing_or_damaged(lost: set[int], damaged: set[int]) -> None:
    decoded = decoded_of(*(number for number in range(20) if number not in lost), damaged=tuple(damaged))
    found = undecodable_times(FILM, decoded, 4.0)
    assert all(start < end for start, end in found)
    assert all(end < start for (_, end), (start, _) in pairwise(found))
    bad = {number for number in range(20) if any(start <= FILM[number].time < end for start, end in found)}
    assert lost | damaged <= bad
    assert {number // GROUP for number in bad} == {number // GROUP for number in lost | damaged}


def test_frames_of_a_film_are_compared_by_the_clock_of_the_result() -> None:
    scan = PacketScan("mov")
    lines = [f"0,{10 + number * 0.2:.6f},{10 + number * 0.2:.6f},0.2,9,{number * 9}," for number in range(20)]
    scan.feed("".join(f"{line}{'_K'[number % GROUP == 0]}__\n" for number, line in enumerate(lines)).encode())
    stored = stored_frames(scan.stream(0), 10.0)
    assert [(round(frame.time, 3), frame.keyframe) for frame in stored] == [
        (round(frame.time, 3), frame.keyframe) for frame in FILM
    ]
    decoded = decoded_of(*(number for number in range(20) if number != 7))
    assert [tuple(round(each, 3) for each in pair) for pair in undecodable_in_film(stored, decoded, 4.0)] == [
        (1.4, 1.6)
    ]
    other_clock = [DecodedFrame(frame.time + 0.07, frame.keyframe, frame.time == 2.0) for frame in decoded]
    assert [pair[0] for pair in undecodable_in_film(stored, other_clock, 4.0)] == [2.07]
    assert undecodable_in_film([], other_clock[:3], 4.0) == ()
