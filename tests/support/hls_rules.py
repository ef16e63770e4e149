"""The rules of RFC 8216 for HLS playlists, and of its successor's draft for gaps; a broken one is an assertion error.

`check_film` checks all playlists of a film at one time, and `check_growth` what may change between two times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

_MASTER = "hls.m3u8"

_INTEGER = r"\d{1,20}"
_FLOAT = r"\d+(\.\d+)?"
_QUOTED = r'"[^"\r\n]*"'
_SIZE = rf"{_INTEGER}x{_INTEGER}"
_YES_NO = "YES|NO"
_ATTRIBUTE = re.compile(rf"([A-Z0-9-]+)=({_QUOTED}|[^\",\s]+)(?:,|$)")

_STREAM = {
    "BANDWIDTH": _INTEGER,
    "AVERAGE-BANDWIDTH": _INTEGER,
    "CODECS": _QUOTED,
    "RESOLUTION": _SIZE,
    "FRAME-RATE": _FLOAT,
    "AUDIO": _QUOTED,
}
_MEDIA = {
    "TYPE": "AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS",
    "GROUP-ID": _QUOTED,
    "NAME": _QUOTED,
    "DEFAULT": _YES_NO,
    "AUTOSELECT": _YES_NO,
    "CHANNELS": _QUOTED,
    "URI": _QUOTED,
}
_ATTRIBUTES = {
    "#EXT-X-STREAM-INF": (_STREAM, {"BANDWIDTH"}),
    "#EXT-X-MEDIA": (_MEDIA, {"TYPE", "GROUP-ID", "NAME"}),
    "#EXT-X-MAP": ({"URI": _QUOTED, "BYTERANGE": _QUOTED}, {"URI"}),
    "#EXT-X-START": ({"TIME-OFFSET": rf"-?{_FLOAT}", "PRECISE": _YES_NO}, {"TIME-OFFSET"}),
}
_HEADER = {
    "#EXT-X-VERSION": _INTEGER,
    "#EXT-X-TARGETDURATION": _INTEGER,
    "#EXT-X-MEDIA-SEQUENCE": _INTEGER,
    "#EXT-X-PLAYLIST-TYPE": "EVENT|VOD",
}
_FLAGS = {"#EXTM3U", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-ENDLIST", "#EXT-X-GAP"}
_MASTER_ONLY = {"#EXT-X-STREAM-INF", "#EXT-X-MEDIA"}
_ONCE = {*_HEADER, "#EXTM3U", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-ENDLIST", "#EXT-X-START"}


@dataclass(frozen=True)
class Tag:
    """A line of a playlist: a tag with its value and attributes, or a URI, whose tag has no name."""

    name: str
    value: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Segment:
    """A segment of a media playlist."""

    uri: str
    seconds: float
    gap: bool


@dataclass(frozen=True)
class Variant:
    """A variant of a master playlist. Bandwidths are in bits per second."""

    uri: str
    bandwidth: int
    average: int | None
    audio: str | None


@dataclass(frozen=True)
class MediaPlaylist:
    """A media playlist that keeps the rules."""

    lines: tuple[str, ...]
    target: int
    type: str
    init: str
    segments: tuple[Segment, ...]

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)


@dataclass(frozen=True)
class Film:
    """The playlists of a film at one time; media playlists by their URIs."""

    variants: tuple[Variant, ...]
    audio: Mapping[str, str]
    media: Mapping[str, MediaPlaylist]

    @property
    def complete(self) -> bool:
        return all(one.type == "VOD" for one in self.media.values())


def _tags(text: str) -> list[Tag]:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\ufeff]", text), "no control characters, and no byte order mark"
    assert text.endswith("\n"), "the last line has its end"
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U", "the first line is #EXTM3U"
    tags = [_tag(line) for line in lines if line and (line.startswith("#EXT") or not line.startswith("#"))]
    names = [tag.name for tag in tags]
    assert all(names.count(name) <= 1 for name in _ONCE), "no tag twice"
    return tags


def _tag(line: str) -> Tag:
    if not line.startswith("#"):
        assert re.fullmatch(r"[\w.~!$&'()*+,;=:@/?%-]+", line), f"a URI: {line}"
        return Tag("", line)
    name, colon, value = line.partition(":")
    if name in _FLAGS:
        assert not colon, line
        return Tag(name, "")
    if name == "#EXTINF":
        assert re.fullmatch(rf"{_FLOAT},[^\r\n]*", value), line
    elif name in _HEADER:
        assert re.fullmatch(_HEADER[name], value), line
    else:
        return Tag(name, value, _parse_attributes(name, value))
    return Tag(name, value)


def _parse_attributes(name: str, value: str) -> dict[str, str]:
    assert name in _ATTRIBUTES, f"a known tag: {name}"
    known, required = _ATTRIBUTES[name]
    found = _ATTRIBUTE.findall(value)
    assert ",".join(f"{key}={text}" for key, text in found) == value, f"a list of attributes: {value}"
    attributes = dict(found)
    assert len(attributes) == len(found), f"no attribute twice: {value}"
    assert required <= attributes.keys() <= known.keys(), value
    assert all(re.fullmatch(known[key], text) for key, text in found), value
    return {key: text.strip('"') for key, text in found}


def parse_media(text: str) -> MediaPlaylist:
    """Return a media playlist that keeps the rules."""
    tags = _tags(text)
    assert not _MASTER_ONLY & {tag.name for tag in tags}, "a playlist is a master playlist or a media playlist"
    header = {tag.name: tag.value for tag in tags if tag.name in _HEADER}
    target, version = int(header["#EXT-X-TARGETDURATION"]), int(header["#EXT-X-VERSION"])
    segments: list[Segment] = []
    init = start = ""
    seconds: float | None = None
    gap = ended = False
    for tag in tags:
        assert not ended, "nothing follows #EXT-X-ENDLIST, which no writer appends to"
        match tag.name:
            case "#EXTINF":
                assert seconds is None
                seconds = float(tag.value.partition(",")[0])
                assert int(seconds + 0.5) <= target, "no segment is longer than the target duration"
                assert "." not in tag.value or version >= 3
            case "#EXT-X-GAP":
                gap = True
            case "#EXT-X-MAP":
                init = tag.attributes["URI"]
                assert not segments, "it applies to the segments after it"
                assert version >= 6, "#EXT-X-MAP in a playlist that is not of I-frames only"
            case "#EXT-X-START":
                start = tag.attributes["TIME-OFFSET"]
            case "#EXT-X-ENDLIST":
                ended = True
            case "":
                assert seconds is not None, f"#EXTINF is required for {tag.value}"
                segments.append(Segment(tag.value, seconds, gap))
                seconds, gap = None, False
            case name if name in _HEADER:
                assert not segments, f"{name} comes before the first segment"
    assert seconds is None, "the last #EXTINF has its segment"
    assert not gap
    assert segments, "a playlist has a segment"
    uris = [segment.uri for segment in segments]
    assert len(set(uris)) == len(uris), "no file twice"
    kind = header["#EXT-X-PLAYLIST-TYPE"]
    assert (kind == "VOD") == ended, "a playlist that will not change has its end, and players ask for the other again"
    playlist = MediaPlaylist(tuple(text.splitlines()), target, kind, init, tuple(segments))
    if start:
        begins = [0.0, *accumulate(segment.seconds for segment in segments)]
        assert any(not one.gap and abs(float(start) - at) < 1e-3 for one, at in zip(segments, begins, strict=False)), (
            "players start at the beginning of a segment that exists"
        )
    return playlist


def _parse_master(text: str) -> tuple[list[Variant], dict[str, str]]:
    tags = _tags(text)
    names = {tag.name for tag in tags}
    assert names <= {*_MASTER_ONLY, "", "#EXTM3U", "#EXT-X-VERSION", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-START"}
    groups: dict[str, str] = {}
    for tag in tags:
        if tag.name == "#EXT-X-MEDIA":
            assert tag.attributes["TYPE"] == "AUDIO"
            assert tag.attributes.get("DEFAULT") != "YES" or tag.attributes.get("AUTOSELECT", "YES") == "YES"
            assert tag.attributes["GROUP-ID"] not in groups, "one sound"
            groups[tag.attributes["GROUP-ID"]] = tag.attributes["URI"]
    variants: list[Variant] = []
    for tag, following in zip(tags, [*tags[1:], None], strict=True):
        if tag.name == "#EXT-X-STREAM-INF":
            assert following is not None
            assert following.name == "", "a variant's URI follows its tag"
            group = tag.attributes.get("AUDIO")
            assert group is None or group in groups, "a variant names a group of the playlist"
            bandwidth, average = int(tag.attributes["BANDWIDTH"]), tag.attributes.get("AVERAGE-BANDWIDTH")
            assert average is None or int(average) <= bandwidth
            codecs = tag.attributes["CODECS"].split(",")
            assert len(codecs) == len(set(codecs)) == 1 + (group is not None), "the codec of each stream, once"
            variants.append(Variant(following.value, bandwidth, int(average) if average else None, group))
    uris = [variant.uri for variant in variants]
    assert uris == [tag.value for tag in tags if not tag.name], "no URI without its tag"
    assert len(set(uris)) == len(uris) > 0
    return variants, groups


def check_film(texts: Mapping[str, str], sizes: Mapping[str, int]) -> Film:
    """Check all playlists of a film, by their URIs. `sizes` are those of the segments, in bytes."""
    variants, groups = _parse_master(texts[_MASTER])
    media = {name: parse_media(text) for name, text in texts.items() if name != _MASTER}
    assert set(media) == {*(variant.uri for variant in variants), *groups.values()}, "no playlist that nothing names"
    assert len({one.target for one in media.values()}) == 1, "the target duration of all playlists is the same"
    assert len({one.type for one in media.values()}) == 1
    for variant in variants:
        both = [media[variant.uri], *([media[groups[variant.audio]]] if variant.audio else [])]
        rates = [_rates(one, sizes) for one in both]
        peak, average = sum(peak for peak, _ in rates), sum(average for _, average in rates)
        assert abs(variant.bandwidth - peak) <= len(both) if _complete(media) else variant.bandwidth >= peak - len(both)
        assert variant.average is None or abs(variant.average - average) <= len(both)
    return Film(tuple(variants), groups, media)


def _complete(media: Mapping[str, MediaPlaylist]) -> bool:
    return all(one.type == "VOD" for one in media.values())


def _rates(playlist: MediaPlaylist, sizes: Mapping[str, int]) -> tuple[float, float]:
    """Return the peak of the bitrate and its average: the peak is that of the segments in a row that last together
    between half and one and a half times the target duration, and of all if they are shorter."""
    stored: Sequence[Segment] = [one for one in playlist.segments if not one.gap]
    bits = [8 * sizes[one.uri] for one in stored]
    average = sum(bits) / sum(one.seconds for one in stored)
    peak = average
    for first in range(len(stored)):
        seconds, total = 0.0, 0
        for one, size in zip(stored[first:], bits[first:], strict=True):
            seconds, total = seconds + one.seconds, total + size
            if seconds > 1.5 * playlist.target:
                break
            if seconds >= 0.5 * playlist.target:
                peak = max(peak, total / seconds)
    return peak, average


def check_growth(before: Film, after: Film) -> None:
    """Check that a film's playlists have only been appended to. The type EVENT becomes VOD with the last segment."""
    assert not before.complete or after == before, "a playlist with an end does not change"
    assert {one.uri for one in before.variants} <= {one.uri for one in after.variants}
    assert before.audio == after.audio, "what all variants share does not change"
    for name, earlier in before.media.items():
        later = after.media[name]
        assert [_unchanging(line) for line in later.lines[: len(earlier.lines)]] == [
            _unchanging(line) for line in earlier.lines
        ], name
        assert later.seconds >= earlier.seconds


def _unchanging(line: str) -> str:
    return line.replace("#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-PLAYLIST-TYPE:EVENT")
