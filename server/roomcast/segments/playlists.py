"""HLS playlists (RFC 8216): those of a ladder, and those of a film that is still being compressed in segments. Pure.

    hls.m3u8            the master playlist: the renditions, with the bandwidth of each
    hls-720.m3u8        the playlist of a rendition; `hls-audio.m3u8` is that of the sound

The playlists of a film grow with its board, at their end only, from the first segments on: they are of the type EVENT.
Those of a complete film are of the type VOD and have an end. What does not change meanwhile is in every version, such
as the target duration, which is that of all planned segments and the same in all playlists, as RFC 8216 requires.

The BANDWIDTH of a rendition is the peak of its segments, which RFC 8216 demands once all of them exist. Before, it is
what is expected of them, and never less than the peak so far: a player that has read the master playlist after a dark
title must not find the film larger than that.

A segment of which nothing could be decoded has its place and its duration in the playlist with the tag EXT-X-GAP: a
player continues after it, and the sound stays in step. After a discontinuity instead, all times would move.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from roomcast.segments.plan import AUDIO, AudioTrack, InitFile, PlannedRendition, SegmentBoard, SegmentFile, SegmentPlan
from roomcast.uploads.messages import Playable

MASTER_PLAYLIST = "hls.m3u8"

AUDIO_TARGET_SECONDS = 8
"""The target duration that the sound needs: its segments last at most half a second longer."""

_AUDIO_PEAK = 1.1
"""How much more than its bitrate sound has in the loudest segments."""

_VERSION = "#EXT-X-VERSION:7"


@dataclass(frozen=True)
class Bandwidth:
    """The bandwidth of a rendition in bits per second: that of its largest segment, and the average."""

    peak: int
    average: int


@dataclass(frozen=True)
class Variant:
    """A size of a video in pixels, as it was encoded. `name` is its short side, `codec` in the notation of RFC 6381."""

    name: str
    width: int
    height: int
    codec: str
    bandwidth: Bandwidth


@dataclass(frozen=True)
class AudioRendition:
    """The sound of all variants, as it was encoded."""

    channels: int
    codec: str
    bandwidth: Bandwidth


@dataclass(frozen=True)
class _Entry:
    """A segment in a playlist. Its file does not exist if it is a gap."""

    name: str
    seconds: float
    size: int
    gap: bool = False


def playlist_name(rendition: str) -> str:
    """Return the file name of a rendition's playlist."""
    return f"hls-{rendition}.m3u8"


def target_seconds(seconds: Iterable[float]) -> int:
    """Return the target duration of a playlist whose segments last so long: the longest, rounded, and 1 at least."""
    return max(math.floor(round(max(seconds), 6) + 0.5), 1)


def bandwidth_of(segments: Iterable[tuple[float, int]], target: int) -> Bandwidth:
    """Return the bandwidth of a rendition whose segments have these durations in seconds and sizes in bytes.

    The peak is that of the segments in a row that last, together, between half and one and a half times `target`, the
    target duration. So a last segment of one or two frames, whose bitrate is that of a keyframe, counts with others.
    """
    timed = [(max(seconds, 1e-3), size * 8) for seconds, size in segments]
    peak = average = sum(bits for _, bits in timed) / sum(seconds for seconds, _ in timed)
    for first in range(len(timed)):
        seconds, bits = 0.0, 0
        for last in range(first, len(timed)):
            seconds, bits = seconds + timed[last][0], bits + timed[last][1]
            if seconds > 1.5 * target:
                break
            if seconds >= 0.5 * target:
                peak = max(peak, bits / seconds)
    return Bandwidth(peak=round(peak), average=round(average))


def write_master_playlist(variants: Iterable[Variant], fps: float | None, audio: AudioRendition | None) -> str:
    """Return a master playlist. With `audio`, every variant refers to that rendition."""
    lines = ["#EXTM3U", _VERSION, "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{audio.channels}",URI="{playlist_name(AUDIO)}"'
        )
    for variant in variants:
        bandwidth = variant.bandwidth
        codecs = f"{variant.codec},{audio.codec}" if audio else variant.codec
        attributes = [
            f"BANDWIDTH={bandwidth.peak + (audio.bandwidth.peak if audio else 0)}",
            f"AVERAGE-BANDWIDTH={bandwidth.average + (audio.bandwidth.average if audio else 0)}",
            f'CODECS="{codecs}"',
            f"RESOLUTION={variant.width}x{variant.height}",
            *([f"FRAME-RATE={fps:.3f}"] if fps else []),
            *(['AUDIO="audio"'] if audio else []),
        ]
        lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", playlist_name(variant.name)]
    return "\n".join(lines) + "\n"


def playlists(board: SegmentBoard) -> dict[str, str]:
    """Return the texts of all playlists of a film by their file names: the master playlist, and those it refers to.

    A rendition is among them once its first segment is stored, and all of them once the sound, if the film has any, has
    a segment, too: players read the master playlist only once, and would stay without it. Empty before.
    """
    target, complete = _target_seconds(board.plan), board.is_complete
    variants = list[Variant]()
    texts = dict[str, str]()
    for rendition, init, files in _playable_renditions(board):
        entries = _entries(board, rendition.name, files)
        bandwidth = _bandwidth(entries, target, 0 if complete else rendition.peak_rate)
        variants.append(Variant(rendition.name, rendition.width, rendition.height, init.codec, bandwidth))
        texts[playlist_name(rendition.name)] = _media_playlist(init.name, entries, target, complete=complete)
    if not variants:
        return {}
    sound = None
    if audio := _playable_audio(board):
        entries = [_Entry(segment.name, segment.seconds, segment.size) for segment in audio.segments]
        expected = 0 if complete else round(board.plan.audio_rate * _AUDIO_PEAK)
        sound = AudioRendition(audio.channels, audio.init.codec, _bandwidth(entries, target, expected))
        texts[playlist_name(AUDIO)] = _media_playlist(audio.init.name, entries, target, complete=complete)
    return {MASTER_PLAYLIST: write_master_playlist(variants, board.plan.fps, sound), **texts}


def playable(board: SegmentBoard, folder: str) -> Playable | None:
    """Return what can be played of a film, for its upload's messages; None if nothing can be played yet.

    `folder` is that of the playlists in the media store. It is a further event when the qualities are others.
    """
    listed = [rendition for rendition, _, _ in _playable_renditions(board)]
    if not listed:
        return None
    return {
        "key": f"{folder}/{MASTER_PLAYLIST}",
        "mime": "application/vnd.apple.mpegurl",
        "qualities": [{"name": one.name, "width": one.width, "height": one.height} for one in listed],
        "duration": round(board.plan.seconds, 3),
    }


_Files = Sequence[SegmentFile | None]


def _playable_renditions(board: SegmentBoard) -> Iterator[tuple[PlannedRendition, InitFile, _Files]]:
    """Yield the listed renditions that have a segment, the largest first; none as long as the sound has none."""
    if board.plan.has_audio and _playable_audio(board) is None:
        return
    for rendition in board.plan.renditions:
        if rendition.listed and (init := board.init(rendition.name)):
            files = board.contiguous(rendition.name)
            if any(files):
                yield rendition, init, files


def _playable_audio(board: SegmentBoard) -> AudioTrack | None:
    audio = board.audio
    return audio if board.plan.has_audio and audio and audio.segments else None


def _entries(board: SegmentBoard, rendition: str, files: _Files) -> list[_Entry]:
    planned = board.plan.segments
    return [
        _Entry(file.name, planned[number].seconds, file.size)
        if file
        else _Entry(f"hls-{rendition}-gap-{number:05}.m4s", planned[number].seconds, 0, gap=True)
        for number, file in enumerate(files)
    ]


def _bandwidth(entries: Iterable[_Entry], target: int, expected_peak: int) -> Bandwidth:
    # With the durations as they are written: a player or a validator counts with no others.
    measured = bandwidth_of(((round(entry.seconds, 6), entry.size) for entry in entries if not entry.gap), target)
    return replace(measured, peak=max(measured.peak, expected_peak))


def _target_seconds(plan: SegmentPlan) -> int:
    """Return the longest duration of all planned segments, rounded to seconds."""
    longest = target_seconds(segment.seconds for segment in plan.segments)
    return max(longest, AUDIO_TARGET_SECONDS) if plan.has_audio else longest


def _media_playlist(init: str, entries: Sequence[_Entry], target: int, *, complete: bool) -> str:
    return "\n".join(_media_lines(init, entries, target, complete=complete)) + "\n"


def _media_lines(init: str, entries: Sequence[_Entry], target: int, *, complete: bool) -> Iterator[str]:
    yield from ("#EXTM3U", _VERSION, f"#EXT-X-TARGETDURATION:{target}", "#EXT-X-MEDIA-SEQUENCE:0")
    yield f"#EXT-X-PLAYLIST-TYPE:{'VOD' if complete else 'EVENT'}"
    yield "#EXT-X-INDEPENDENT-SEGMENTS"
    # A player would begin a growing playlist near its end, as if it were a live broadcast. At a gap it would wait.
    begin = sum(entry.seconds for entry in takewhile(lambda entry: entry.gap, entries))
    yield f"#EXT-X-START:TIME-OFFSET={begin:.6f}"
    yield f'#EXT-X-MAP:URI="{init}"'
    for entry in entries:
        if entry.gap:
            yield "#EXT-X-GAP"
        yield f"#EXTINF:{entry.seconds:.6f},"
        yield entry.name
    if complete:
        yield "#EXT-X-ENDLIST"
