"""The parser of ffprobe's description, valid, odd and damaged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast import errors
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream, parse_ffprobe, require_video

VIDEO: dict[str, Any] = {
    "index": 0,
    "codec_name": "h264",
    "codec_type": "video",
    "width": 1920,
    "height": 1080,
    "sample_aspect_ratio": "1:1",
    "pix_fmt": "yuv420p",
    "r_frame_rate": "30/1",
    "avg_frame_rate": "30000/1001",
    "nb_frames": "300",
    "duration": "10.010000",
    "disposition": {"default": 1, "attached_pic": 0},
}
AUDIO: dict[str, Any] = {
    "index": 1,
    "codec_name": "aac",
    "codec_type": "audio",
    "channels": 2,
    "sample_rate": "48000",
    "duration": "10.02",
}
COVER = VIDEO | {"index": 2, "codec_name": "mjpeg", "disposition": {"attached_pic": 1}}


def output(*streams: dict[str, Any], **container: Any) -> dict[str, Any]:
    return {
        "streams": list(streams),
        "format": {"format_name": "mov,mp4", "size": "1234", "duration": "99", **container},
    }


def video(**changes: Any) -> VideoStream:
    return require_video(parse_ffprobe(output(VIDEO | changes)))


def test_ordinary_clip_is_parsed() -> None:
    assert parse_ffprobe(output(VIDEO, AUDIO)) == MediaInfo(
        duration=10.02,
        size=1234,
        format_name="mov,mp4",
        video=VideoStream(0, "h264", 1920, 1080, 0, 30000 / 1001, "yuv420p", 300, 10.01),
        audio=AudioStream(1, "aac", 2, 48000, 10.02),
    )


def test_container_duration_is_used_without_stream_durations() -> None:
    assert parse_ffprobe(output(VIDEO | {"duration": "N/A"}, AUDIO)).duration == 99
    assert parse_ffprobe(output(VIDEO | {"duration": None}, AUDIO, duration="N/A")).duration is None


def test_cover_art_is_no_video() -> None:
    assert video(index=5).index == 5
    assert require_video(parse_ffprobe(output(COVER, AUDIO, VIDEO | {"index": 3}))).index == 3
    info = parse_ffprobe(output(COVER, AUDIO))
    assert info.video is None
    with pytest.raises(errors.UnreadableMedia, match="no video"):
        require_video(info)


def test_default_audio_is_used() -> None:
    other = AUDIO | {"index": 2, "disposition": {"default": 1}}
    for sounds, index in (((AUDIO, other), 2), ((AUDIO, AUDIO | {"index": 2}), 1)):
        audio = parse_ffprobe(output(VIDEO, *sounds)).audio
        assert audio is not None
        assert audio.index == index


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"color_transfer": "smpte2084"}, {"hdr": True, "needs_colour_management": True}),
        ({"color_transfer": "arib-std-b67"}, {"hdr": True}),
        ({"color_transfer": "bt709", "color_primaries": "bt2020"}, {"hdr": False, "needs_colour_management": True}),
        ({"color_range": "pc"}, {"full_range": True}),
        ({"pix_fmt": "yuvj420p"}, {"full_range": True}),
        ({"pix_fmt": "yuva444p10le"}, {"alpha": True}),
        ({"field_order": "tt"}, {"interlaced": True}),
        ({"field_order": "progressive"}, {"interlaced": False, "as_is": True, "alpha": False, "full_range": False}),
        ({"sample_aspect_ratio": "4:3"}, {"as_is": False}),
        ({"side_data_list": [{"side_data_type": "Display Matrix", "rotation": 0}]}, {"as_is": False}),
        ({"side_data_list": [{"side_data_type": "CPB properties"}]}, {"as_is": True}),
    ],
)
def test_display_properties_are_parsed(changes: dict[str, Any], found: dict[str, bool]) -> None:
    stream = video(**changes)
    assert {name: getattr(stream, name) for name in found} == found


def test_undecodable_streams_are_ignored() -> None:
    info = parse_ffprobe(
        output(VIDEO | {"width": 0}, VIDEO | {"index": 1}, AUDIO | {"channels": 0}, AUDIO | {"index": 3})
    )
    assert require_video(info).index == 1
    assert info.audio is not None
    assert info.audio.index == 3


@pytest.mark.parametrize(
    ("changes", "rotation", "size"),
    [
        ({"side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]}, 90, (1080, 1920)),
        ({"side_data_list": [{}, {"rotation": 90}]}, 270, (1080, 1920)),
        ({"side_data_list": [{"rotation": 180}]}, 180, (1920, 1080)),
        ({"side_data_list": [{"rotation": -89.7}]}, 90, (1080, 1920)),
        ({"tags": {"rotate": "90"}}, 90, (1080, 1920)),
        ({"side_data_list": "odd", "tags": {"rotate": "x"}}, 0, (1920, 1080)),
    ],
)
def test_rotation_gives_the_displayed_size(changes: dict[str, Any], rotation: int, size: tuple[int, int]) -> None:
    stream = video(**changes)
    assert (stream.rotation, (stream.width, stream.height)) == (rotation, size)


@pytest.mark.parametrize(
    ("aspect", "width"), [("4:3", 2560), ("1:1", 1920), ("0:1", 1920), ("N/A", 1920), (None, 1920), ("1:0", 1920)]
)
def test_pixel_aspect_gives_the_displayed_width(aspect: str | None, width: int) -> None:
    assert video(sample_aspect_ratio=aspect).width == width


def test_invalid_frame_rate_is_unknown() -> None:
    assert video(avg_frame_rate="0/0").fps == 30
    assert video(avg_frame_rate="0/0", r_frame_rate="0/0").fps is None


@pytest.mark.parametrize("odd", [None, [], 3, "x", {}, {"streams": None}, {"streams": [None, 7, {}]}, output(COVER)])
def test_file_without_streams_raises_unreadable_media(odd: Any) -> None:
    with pytest.raises(errors.UnreadableMedia):
        parse_ffprobe(odd)


def test_unknown_codec_is_unsupported_and_named() -> None:
    unknown = {"codec_name": None, "codec_tag_string": "zzzz"}
    for described in (output(VIDEO | unknown, AUDIO), output(VIDEO, AUDIO | unknown)):
        with pytest.raises(errors.UnsupportedType, match="the codec zzzz") as caught:
            parse_ffprobe(described)
        assert caught.value.details == {"codec": "zzzz"}
    assert parse_ffprobe(output(VIDEO, AUDIO | unknown, AUDIO)).audio is not None
    assert parse_ffprobe(output(COVER | unknown, AUDIO)).video is None


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("9" * 5000), st.just("1e999")
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
FIELDS = [*VIDEO, *AUDIO, "side_data_list", "tags"]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([VIDEO, AUDIO, COVER, {}]), st.dictionaries(st.sampled_from(FIELDS), values, max_size=4)
        )
    ),
    st.dictionaries(st.sampled_from(["duration", "size", "format_name"]), values),
)
def test_damaged_description_raises_only_errors_of_the_file(
    streams: list[tuple[dict[str, Any], dict[str, Any]]], container: dict[str, Any]
) -> None:
    try:
        info = parse_ffprobe(output(*(base | changes for base, changes in streams), **container))
    except (errors.UnreadableMedia, errors.UnsupportedType):
        return
    assert info.duration is None or 0 < info.duration < float("inf")
    assert info.video is None or (info.video.width > 0 and info.video.height > 0 and info.video.rotation % 90 == 0)
    assert info.audio is None or (info.audio.channels > 0 and info.audio.sample_rate > 0)


@given(values)
def test_any_json_raises_only_unreadable_media(odd: Any) -> None:
    with pytest.raises(errors.UnreadableMedia):
        parse_ffprobe(odd)
