"""HLS playlists: of ladders, and of films that are being compressed in segments."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from roomcast.segments.plan import AUDIO, SegmentBoard, SegmentPlan
from roomcast.segments.playlists import (
    MASTER_PLAYLIST,
    AudioRendition,
    Bandwidth,
    Variant,
    bandwidth_of,
    playable,
    playlist_name,
    playlists,
    target_seconds,
    write_master_playlist,
)

from tests.support.hls_rules import Film, check_film, check_growth
from tests.support.media import attributes
from tests.support.segment_files import film_plan, made_by, sound_of

SEGMENT = re.compile(r"(#EXT-X-GAP\n)?#EXTINF:(\d+\.\d{6}),\n([^#\n]+)\n")


@dataclass(frozen=True)
class Read:
    """A media playlist as a player reads it: its header, and each segment's gap, seconds and name."""

    header: dict[str, str]
    segments: list[tuple[bool, float, str]]


def read(text: str) -> Read:
    """Read a media playlist, and assert that RFC 8216 allows it."""
    assert text.startswith("#EXTM3U\n")
    head, tail = re.split(r"(?=#EXTINF|#EXT-X-GAP)", text, maxsplit=1)
    header = dict(line.partition(":")[::2] for line in head.splitlines())
    assert int(header["#EXT-X-VERSION"]) >= 6  # for EXT-X-MAP
    body = tail.removesuffix("#EXT-X-ENDLIST\n")
    assert (header["#EXT-X-PLAYLIST-TYPE"] == "VOD") == (body != tail)
    assert SEGMENT.sub("", body) == ""
    found = [(bool(gap), float(seconds), name) for gap, seconds, name in SEGMENT.findall(body)]
    assert all(int(seconds + 0.5) <= int(header["#EXT-X-TARGETDURATION"]) for _, seconds, _ in found)
    return Read(header, found)


def stages(plan: SegmentPlan, order: random.Random, *, undecodable: frozenset[int]) -> Iterator[SegmentBoard]:
    """The boards of a film while its tasks, in any order, and its sound proceed."""
    board = SegmentBoard(plan)
    pieces = len(plan.segments) + 1 if plan.has_audio else 0
    steps = [*plan.tasks, *[None] * pieces]
    order.shuffle(steps)
    yield board
    for number, task in enumerate(steps, start=1):
        if task is None:
            count = len(board.audio.segments) + 1 if board.audio else 1
            board = replace(board, version=number, audio=sound_of(plan, count, complete=count == pieces))
        else:
            made = made_by(plan, task, decodable=task.segment not in undecodable)
            made = replace(made, files=tuple(replace(file, size=order.randint(500, 500_000)) for file in made.files))
            board = replace(board, version=number, results={**board.results, task.number: made})
        yield board


def sizes_of(board: SegmentBoard) -> dict[str, int]:
    """The sizes of all segments in bytes, by their names."""
    sound = board.audio.segments if board.audio else ()
    return {file.name: file.size for made in board.results.values() for file in made.files} | {
        one.name: one.size for one in sound
    }


LENGTHS = st.lists(st.floats(4, 30), min_size=2, max_size=8)
SIDES = st.sets(st.sampled_from([1080, 720, 480, 240]), min_size=1, max_size=3).map(lambda one: sorted(one)[::-1])


@settings(max_examples=60)
@given(LENGTHS, SIDES, st.booleans(), st.frozensets(st.integers(0, 7), max_size=2), st.randoms(use_true_random=False))
@example(  # a segment that lasts half of the target duration as it is written
    lengths=[13.499999999999998, 27.0], sides=[480], audio=False, undecodable=frozenset(), order=random.Random(0)
)
def test_each_playlist_extends_the_earlier_one_whatever_the_order_of_the_tasks(
    lengths: list[float], sides: list[int], audio: bool, undecodable: frozenset[int], order: random.Random
) -> None:
    plan = film_plan(lengths, sides, audio=audio)
    before: Film | None = None
    targets = set[int]()
    for board in stages(plan, order, undecodable=undecodable):
        texts = playlists(board)
        assert (playlists(board).get(MASTER_PLAYLIST) is None) == (texts == {}) == (playable(board, "f") is None)
        if texts:
            now = check_film(texts, sizes_of(board))
            assert now.complete == board.is_complete
            targets |= {one.target for one in now.media.values()}
            assert any(not segment.gap for one in now.media.values() for segment in one.segments)
            if before:
                check_growth(before, now)
            before = now
        else:
            assert before is None
    assert len(targets) <= 1
    for name, last in before.media.items() if before else ():
        assert last.type == "VOD"
        if name != f"hls-{AUDIO}.m3u8":
            assert [segment.gap for segment in last.segments] == [
                number in undecodable for number in range(len(lengths))
            ]
            assert last.seconds == pytest.approx(plan.seconds, abs=1e-4)


def board_with(plan: SegmentPlan, *tasks: int, sound: int = 0) -> SegmentBoard:
    results = {number: made_by(plan, plan.tasks[number]) for number in tasks}
    return SegmentBoard(plan, results=results, audio=sound_of(plan, sound) if sound else None)


def test_first_segment_of_the_smallest_rendition_is_playable() -> None:
    board = board_with(film_plan((8.04, 8.0, 3.5)), 0)
    assert playlists(board) == {
        "hls.m3u8": (
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
            '#EXT-X-STREAM-INF:BANDWIDTH=8000,AVERAGE-BANDWIDTH=8000,CODECS="avc1.64001f",RESOLUTION=853x480,'
            "FRAME-RATE=25.000\nhls-480.m3u8\n"
        ),
        "hls-480.m3u8": (
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:8\n#EXT-X-MEDIA-SEQUENCE:0\n"
            "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=0.000000\n"
            '#EXT-X-MAP:URI="hls-480-c0ffee00-init.mp4"\n#EXTINF:8.040000,\nhls-480-c0ffee00-00000.m4s\n'
        ),
    }
    assert playable(board, "upload_1/segments") == {
        "key": "upload_1/segments/hls.m3u8",
        "mime": "application/vnd.apple.mpegurl",
        "qualities": [{"name": "480", "width": 853, "height": 480}],
        "duration": 19.54,
    }


def variants_of(board: SegmentBoard) -> list[dict[str, str]]:
    """Return the attributes of the sizes in a master playlist."""
    lines = playlists(board)["hls.m3u8"].splitlines()
    return [attributes(line) for line in lines if line.startswith("#EXT-X-STREAM-INF")]


def test_bandwidth_is_what_is_expected_until_the_peak_is_known() -> None:
    plan = film_plan((8.0, 8.0), (720, 480), audio=True)
    rates = {"720": 90_000, "480": 1_000}
    planned = tuple(replace(one, peak_rate=rates[one.name]) for one in plan.renditions)
    board = board_with(replace(plan, renditions=planned, audio_rate=60_000), 0, 1, sound=1)
    sound = round(1.1 * 60_000)
    assert [one["BANDWIDTH"] for one in variants_of(board)] == [str(90_000 + sound), str(8_000 + sound)]
    complete = replace(board, results=board_with(board.plan, 0, 1, 2).results, audio=sound_of(plan, 2, complete=True))
    measured = variants_of(complete)
    assert len({one["BANDWIDTH"] for one in measured}) == 1
    assert all(one["BANDWIDTH"] == one["AVERAGE-BANDWIDTH"] for one in measured)


def test_segment_after_one_that_is_not_done_is_not_in_the_playlist() -> None:
    board = board_with(film_plan(), 0, 3)  # the first segment in 480 lines, and the third one in both
    assert playlists(board).get(playlist_name("720")) is None
    assert [name for _, _, name in read(playlists(board).get(playlist_name("480")) or "").segments] == [
        "hls-480-c0ffee00-00000.m4s"
    ]


def test_film_with_sound_is_playable_once_the_sound_has_a_segment() -> None:
    plan = film_plan(audio=True)
    assert playlists(board_with(plan, 0)) == {}
    board = board_with(plan, 0, 1, sound=1)
    assert set(playlists(board)) == {"hls.m3u8", "hls-audio.m3u8", "hls-480.m3u8", "hls-720.m3u8"}
    media, *_, stream, _ = (playlists(board).get(MASTER_PLAYLIST) or "").splitlines()[3:]
    assert attributes(media)["URI"] == "hls-audio.m3u8"
    assert attributes(stream)["CODECS"] == "avc1.64001f,mp4a.40.2"


def test_rendition_that_the_template_does_not_list_has_no_playlist() -> None:
    board = board_with(film_plan(sides=(1080, 720), listed=[720]), 0, 1, 2, 3)
    assert set(playlists(board)) == {"hls.m3u8", "hls-720.m3u8"}
    assert board.is_complete


def test_segment_that_cannot_be_decoded_is_a_gap_of_its_duration() -> None:
    plan = film_plan((8.0, 6.0, 8.0), (480,))
    results = {task.number: made_by(plan, task, decodable=task.segment != 1) for task in plan.tasks}
    found = read(playlists(SegmentBoard(plan, results=results)).get(playlist_name("480")) or "")
    assert [(gap, seconds) for gap, seconds, _ in found.segments] == [(False, 8.0), (True, 6.0), (False, 8.0)]
    assert found.header["#EXT-X-START"] == "TIME-OFFSET=0.000000"


def test_players_start_after_a_gap_at_the_beginning() -> None:
    plan = film_plan((8.0, 6.0, 8.0), (480,))
    results = {task.number: made_by(plan, task, decodable=task.segment == 2) for task in plan.tasks}
    found = read(playlists(SegmentBoard(plan, results=results)).get(playlist_name("480")) or "")
    assert [gap for gap, _, _ in found.segments] == [True, True, False]
    assert found.header["#EXT-X-START"] == "TIME-OFFSET=14.000000"


def test_film_of_which_nothing_can_be_decoded_is_not_playable() -> None:
    plan = film_plan()
    board = SegmentBoard(plan, results={task.number: made_by(plan, task, decodable=False) for task in plan.tasks})
    assert playlists(board) == {}


ENTRIES = st.lists(st.tuples(st.floats(0.04, 30), st.integers(1, 10**8)), min_size=1, max_size=50)


@given(ENTRIES)
def test_average_bandwidth_is_bytes_over_duration(entries: list[tuple[float, int]]) -> None:
    rate = bandwidth_of(entries, target_seconds(seconds for seconds, _ in entries))
    total = sum(seconds for seconds, _ in entries)
    assert rate.average == pytest.approx(sum(size for _, size in entries) * 8 / total, abs=1)
    longest = max(seconds for seconds, _ in entries)
    full = [size * 8 / seconds for seconds, size in entries if seconds > longest * 0.6]
    assert longest < 3 or rate.peak >= max([rate.average, *map(round, full)])


def test_peak_bandwidth_counts_a_short_segment_with_its_neighbour() -> None:
    assert bandwidth_of([(8.0, 8_000), (8.0, 8_000), (3.0, 30_000)], 8).peak == round(38_000 * 8 / 11)
    assert bandwidth_of([(8.0, 8_000), (0.04, 3_000)], 8).peak == round(11_000 * 8 / 8.04)


def test_master_playlist_adds_the_audio_bandwidth_to_each_variant() -> None:
    variants = [Variant("720", 1280, 720, "avc1.64001f", Bandwidth(2_000_000, 1_500_000))]
    silent, sounding = (
        write_master_playlist(variants, 23.976, audio)
        for audio in (None, AudioRendition(2, "mp4a.40.2", Bandwidth(130_000, 128_000)))
    )
    assert silent == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1500000,CODECS="avc1.64001f",RESOLUTION=1280x720,'
        "FRAME-RATE=23.976\nhls-720.m3u8\n"
    )
    stream = attributes(sounding.splitlines()[-2])
    assert (stream["BANDWIDTH"], stream["AVERAGE-BANDWIDTH"]) == ("2130000", "1628000")
    assert stream["CODECS"] == "avc1.64001f,mp4a.40.2"
    media = attributes(sounding.splitlines()[3])
    assert (media["TYPE"], media["GROUP-ID"], media["URI"]) == ("AUDIO", stream["AUDIO"], "hls-audio.m3u8")
