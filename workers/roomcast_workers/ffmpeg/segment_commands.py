"""The command lines of ffmpeg for what is made in segments: films, their sound, and HLS renditions.

`commands` has all others. No third module writes ffmpeg's arguments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ffmpeg

from roomcast_workers.ffmpeg.bitstream_filters import (
    copied_pictures,
    last_duration,
    last_frame_time,
    select_packets,
)
from roomcast_workers.ffmpeg.codecs import KEYFRAME_SECONDS, EncodeSettings, video_options
from roomcast_workers.ffmpeg.command_line import (
    EVERY_FRAME,
    LOSSLESS,
    NO_METADATA,
    apply_filters,
    build_command,
    frame_listing,
    read_input,
    sound_options,
    with_any_error_rate,
    with_global_flags,
)
from roomcast_workers.ffmpeg.filters import deinterlaced, video_filters
from roomcast_workers.ffmpeg.input_options import InputFile, Options, file_url, input_options, read_seconds
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream, require_video

HLS_SEGMENT_SECONDS = 4
LADDER_CRF = 23
BUFFER_SECONDS = 2
"""Of its highest bitrate a rendition may take so much at once."""

_STEREO = 2
_HALF_A_MILLISECOND = 0.0005
_SHORTEST_INTERVAL = 20
"""In frames: with fewer between keyframes x264 reorders fewer frames and writes other headers."""

_MOST_SCALING = 2
"""How many pixels a source may have for one of the result so that one thread decodes it faster than all others encode
it. With more threads for the decoder a segment took 5 to 13 % more CPU time, and not less time."""

_SOUND_MICROSECONDS = 8_000_000

FILL_GAPS = "aresample=async=1:min_hard_comp=0.03"
"""From 0.03 s on: by default gaps of up to 0.1 s would be closed, and all of the sound after them would be early."""

# The times and durations in the fragments are replaced afterwards, and no index of them is needed.
_FRAGMENTS: Options = {
    "f": "mp4",
    "movflags": "+empty_moov+default_base_moof+skip_trailer",
    "use_editlist": 0,
    "write_tmcd": 0,
    "write_btrt": 0,
    "video_track_timescale": 90_000,
}


# --- Films in segments ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """What is read of a source: `frames` frames from the keyframe that is shown at `start`, by the clock of the file,
    for `seconds`, or to the end. `last_frame` is when a last frame is shown that stays long, in seconds from there, and
    for how long. Decoding begins `lead` seconds before, with another keyframe, whose frames are left out."""

    start: float
    frames: int
    seconds: float | None = None
    last_frame: tuple[float, float] | None = None
    lead: float = 0.0


@dataclass(frozen=True)
class SegmentOutput:
    """A rendition of a segment: the file, and how it is encoded. `max_rate`, in bits per second, replaces the limit
    that the settings have."""

    path: Path
    settings: EncodeSettings
    max_rate: int | None = None


def encode_segment(
    source: InputFile, video: VideoStream, section: Section, outputs: Sequence[SegmentOutput]
) -> list[str]:
    """Encode one segment of a film with one decoder in several renditions, each into a fragmented MP4 file.

    Each begins with a keyframe and has no others that refer beyond it. The headers do not depend on the content. The
    log has what cannot be decoded (`DamageDetector`).
    """
    pixels = max(output.settings.width * output.settings.height for output in outputs)
    one_thread: Options = {"threads": 1} if video.width * video.height <= _MOST_SCALING * pixels else {}
    frames = apply_filters(_read_section(source, video, section, **one_thread), deinterlaced(video))
    copies = frames.filter_multi_output("split", len(outputs)) if len(outputs) > 1 else None
    progressive = replace(video, interlaced=False)
    made = []
    for number, output in enumerate(outputs):
        settings = output.settings
        filters = video_filters(progressive, settings.width, settings.height, settings.tone_mapper)
        stream = apply_filters(frames if copies is None else copies.stream(number), filters)
        made.append(ffmpeg.output(stream, file_url(output.path), **_segment_options(video, section, output)))
    return with_global_flags(with_any_error_rate(ffmpeg.merge_outputs(*made) if len(made) > 1 else made[0]))


def copy_segment(source: InputFile, video: VideoStream, section: Section, target: Path) -> list[str]:
    """Copy the pictures of one segment of a film into a fragmented MP4 file, without encoding them.

    They are those that are shown in the section, so no frame of it may refer beyond it.
    """
    frames = ffmpeg.input(file_url(source.path), **_seek(source, section))[str(video.index)]
    options: Options = {"c": "copy", "copypriorss": 1}
    options["bsf:v"] = ",".join([select_packets(section.seconds), *copied_pictures(video)])
    return with_global_flags(ffmpeg.output(frames, file_url(target), **options, **NO_METADATA, **_FRAGMENTS))


def save_section_samples(
    source: InputFile, video: VideoStream, section: Section, target: Path, settings: EncodeSettings,
    starts: Sequence[float], seconds: float,
) -> list[str]:  # fmt: skip
    """Save samples of a segment, of `seconds` from each of `starts` on, losslessly and in the size of the settings in a
    Matroska file. The last progress block's `frame` is their number of frames."""
    frames = _read_section(source, video, replace(section, seconds=starts[-1] + seconds))
    begins = [section.lead + start for start in starts]
    sampled = "+".join(f"gte(t,{begin:.3f})*lt(t,{begin + seconds:.3f})" for begin in begins)
    filters = video_filters(video, settings.width, settings.height, settings.tone_mapper)
    frames = apply_filters(frames, [("select", {"expr": sampled}), *filters])
    return with_global_flags(with_any_error_rate(ffmpeg.output(frames, file_url(target), **EVERY_FRAME, **LOSSLESS)))


def list_section_frames(source: InputFile, video: VideoStream, section: Section) -> list[str]:
    """Decode a section, write nothing, and log each frame for `DecodedFrames`, with times from where decoding begins;
    the last progress block's `frame` is the number of frames without those before the section."""
    return frame_listing(_read_section(source, video, section))


def _read_section(
    source: InputFile, video: VideoStream, section: Section, **decoding: str | int | None
) -> ffmpeg.Stream:
    options = _seek(source, section) | decoding
    if video.decoder is not None:
        options[f"c:{video.index}"] = video.decoder
    frames = ffmpeg.input(file_url(source.path), **options)[str(video.index)]
    # The option `t` counts from the first frame that can be decoded.
    bounds: dict[str, str | int] = {"start": f"{section.lead - _HALF_A_MILLISECOND:.6f}"}
    if section.seconds is not None:
        bounds["end"] = f"{section.lead + section.seconds:.6f}"
    return apply_filters(frames, [("trim", bounds)])


def _seek(source: InputFile, section: Section) -> Options:
    """Return the options with which a section is read."""
    start, end = section.start - section.lead, None if section.seconds is None else section.lead + section.seconds
    seconds = read_seconds(source.limits, end)
    return input_options(source) | {"seek_timestamp": 1, "ss": f"{start:.6f}", "t": f"{seconds:.6f}"}


def _segment_options(video: VideoStream, section: Section, output: SegmentOutput) -> Options:
    settings, codec = output.settings, output.settings.codec
    options = video_options(codec, settings.preset, settings.rate, settings.width, settings.height, video.fps)
    options |= {"g": keyframe_interval(section, video.fps), "pix_fmt": "yuv420p"}
    if codec.name == "h264":
        options["x264-params"] = "stitchable=1"
    if output.max_rate is not None:
        options |= {"maxrate": output.max_rate, "bufsize": BUFFER_SECONDS * output.max_rate}
    if section.last_frame is not None:
        start, seconds = section.last_frame
        options["force_key_frames"] = last_frame_time((section.lead + start, seconds))
    return options | EVERY_FRAME | NO_METADATA | _FRAGMENTS


def keyframe_interval(section: Section, fps: float | None) -> int:
    """Return the most frames from a keyframe to the next, which divide the section evenly into at most five seconds."""
    seconds = section.frames / (fps or 25.0)
    return max(_SHORTEST_INTERVAL, math.ceil(section.frames / max(1, math.ceil(seconds / KEYFRAME_SECONDS - 0.25))))


def compress_sound(
    source: InputFile, target: Path, info: MediaInfo, settings: EncodeSettings, seconds: float | None = None
) -> list[str]:
    """Encode the sound of a film, or its first `seconds`, into a fragmented MP4 file, as it would be encoded beside the
    pictures, except that silence fills its gaps: a fragment would be longer by a gap, and a playlist says how long its
    segments are at most.
    """
    if info.audio is None:
        raise ValueError("There is no sound.")
    sound = read_input(source, info, seconds=seconds)[str(info.audio.index)]
    fragments: Options = {
        "f": "mp4",
        "movflags": "+delay_moov+default_base_moof+skip_trailer",
        "frag_duration": _SOUND_MICROSECONDS,
        "flush_packets": 1,  # otherwise a fragment is written once there are 256 KiB, which are minutes of quiet sound
        "write_btrt": 0,
    }
    options = sound_options(info.audio, settings)
    filled = ",".join([*([str(options["filter:a"])] if "filter:a" in options else []), FILL_GAPS])
    return build_command([sound], target, options | {"filter:a": filled} | NO_METADATA | fragments)


def join_segments(film: InputFile, sound: InputFile | None, target: Path, *, later: float, muxer: Options) -> list[str]:
    """Copy the pictures of a film, which begin `later` seconds late, and its sound into one file, without encoding.

    Both have the clock of the result.
    """
    options: Options = {"itsoffset": f"{-later:.6f}"} if later else {}
    streams = [ffmpeg.input(file_url(film.path), **input_options(film), **options)["v:0"]]
    if sound is not None:
        streams.append(ffmpeg.input(file_url(sound.path), **input_options(sound))["a:0"])
    return build_command(streams, target, {"c": "copy", "copyts": None} | NO_METADATA | muxer)


# --- HLS --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rendition:
    """One size of the video in the HLS ladder; `max_rate` is in bits per second."""

    name: str
    width: int
    height: int
    max_rate: int


def encode_hls(
    source: InputFile, info: MediaInfo, renditions: Sequence[Rendition], *, preset: str, audio_bitrate: str
) -> list[str]:
    """Encode the renditions of a video and cut all of them into segments at the same frames, each with its own
    playlist.

    It must run in the directory for the files: their names are relative, because a `%` in a path would be a counter.
    """
    video, audio = require_video(info), info.audio
    single_file = len(renditions) == 1 and audio is None  # then ffmpeg does not expand %v in this name
    media = read_input(source)
    copies = media[str(video.index)].filter_multi_output("split")
    streams = [
        apply_filters(copies.stream(number), video_filters(video, rendition.width, rendition.height, "none"))
        for number, rendition in enumerate(renditions)
    ]
    keyframes = ["isnan(prev_forced_t)", f"gte(t,prev_forced_t+{HLS_SEGMENT_SECONDS})"]
    if video.last_frame is not None:
        keyframes.append(f"gte(t,{last_frame_time(video.last_frame)})")  # for that one alone
    options: Options = {
        "c:v": "libx264",
        "preset": preset,
        "crf": LADDER_CRF,
        "pix_fmt": "yuv420p",
        # Keyframes only where a segment begins, so that every rendition is cut at the same frames.
        "force_key_frames": "expr:" + "+".join(keyframes),
        "sc_threshold": 0,
        "g": 1_000_000_000,
        "map_metadata": -1,
        "map_chapters": -1,
        "f": "hls",
        "hls_time": HLS_SEGMENT_SECONDS,
        "hls_playlist_type": "vod",
        "hls_list_size": 0,
        "hls_segment_type": "fmp4",
        "hls_flags": "independent_segments",
        "hls_fmp4_init_filename": f"hls-{renditions[0].name if single_file else '%v'}-init.mp4",
        "hls_segment_filename": "hls-%v-%05d.m4s",
        "var_stream_map": _hls_renditions(renditions, with_audio=audio is not None),
    }
    if video.last_frame is not None:
        options["bsf:v"] = last_duration(video.last_frame)
    for number, rendition in enumerate(renditions):
        options |= {
            f"maxrate:v:{number}": rendition.max_rate,
            f"bufsize:v:{number}": BUFFER_SECONDS * rendition.max_rate,
        }
    if audio is not None:
        streams.append(media[str(audio.index)])
        options |= _hls_audio_options(audio, audio_bitrate)
    return build_command(streams, "hls-%v.m3u8", options | EVERY_FRAME)


def _hls_audio_options(audio: AudioStream, bitrate: str) -> Options:
    if audio.codec == "aac" and audio.channels <= _STEREO:
        return {"c:a": "copy"}
    return {"c:a": "aac", "b:a": bitrate, "ac": min(audio.channels, _STEREO)}


def _hls_renditions(renditions: Sequence[Rendition], *, with_audio: bool) -> str:
    group = ",agroup:audio" if with_audio else ""
    entries = [f"v:{number}{group},name:{rendition.name}" for number, rendition in enumerate(renditions)]
    return " ".join([*entries, *(["a:0,agroup:audio,name:audio"] if with_audio else [])])
