"""Options with which ffmpeg and ffprobe read an untrusted file. Pure.

Only the demuxer that matches the file's first bytes, only listed decoders, only within the limits, and no other file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from roomcast_workers.limits import MediaLimits

_PROBE_BYTES = 10_000_000
_PROBE_MICROSECONDS = 60_000_000
"""ffprobe knows the pixel format of a stream once it has met a frame, and pictures may begin long after the sound."""

Options = dict[str, str | int | None]
"""ffmpeg's options, by name without the dash; None is the value of those that have none."""

MAX_ALLOCATION = 512 << 20
"""The most memory, in bytes, that ffmpeg or ffprobe may allocate at once."""

_VIDEO_DECODERS = """
    h264 hevc vvc av1 libdav1d libaom-av1 vp8 vp9 libvpx libvpx-vp9 mpeg1video mpeg2video mpegvideo mpeg4 msmpeg4v1
    msmpeg4v2 msmpeg4 h261 h263 h263i h263p wmv1 wmv2 wmv3 wmv3image vc1 vc1image mss1 mss2 flv vp6 vp6a vp6f
    flashsv flashsv2 theora vp3 vp5 vp7 rv30 rv40 svq1 svq3 cinepak indeo3 indeo4 indeo5 rpza smc qtrle 8bps aic
    msrle msvideo1 tscc tscc2 fraps zmbv camstudio mjpeg mjpegb jpeg2000 png gif bmp tiff webp prores prores_raw
    dnxhd cfhd hap dvvideo ffv1 huffyuv ffvhuff utvideo magicyuv lagarith rawvideo v210 v308 v408 v410 r210 r10k
    y41p yuv4 wrapped_avframe
"""

_AUDIO_DECODERS = """
    aac aac_latm aac_fixed ac3 eac3 dca truehd mlp mp1 mp1float mp2 mp2float mp3 mp3float opus libopus vorbis
    libvorbis flac alac als speex libspeex wavpack tta wmav1 wmav2 wmapro wmalossless wmavoice amrnb amrwb gsm
    gsm_ms qcelp qdm2 mace3 mace6 nellymoser g722 g726 s302m cook adpcm_ms adpcm_ima_wav adpcm_ima_qt adpcm_swf
    adpcm_yamaha pcm_alaw pcm_mulaw pcm_s8 pcm_u8 pcm_s8_planar pcm_bluray pcm_dvd pcm_s16le pcm_s16be
    pcm_s16le_planar pcm_s16be_planar pcm_u16le pcm_u16be pcm_s24le pcm_s24be pcm_s24le_planar pcm_u24le pcm_u24be
    pcm_s32le pcm_s32be pcm_s32le_planar pcm_u32le pcm_u32be pcm_s64le pcm_s64be pcm_f16le pcm_f24le pcm_f32le
    pcm_f32be pcm_f64le pcm_f64be
"""

# Subtitles are not used, but ffprobe reads nothing of a file when it may not open one stream's decoder.
_SUBTITLE_DECODERS = """
    mov_text subrip srt ass ssa text webvtt dvbsub dvdsub pgssub xsub cc_dec libzvbi_teletextdec
"""

DECODERS = tuple((_VIDEO_DECODERS + _AUDIO_DECODERS + _SUBTITLE_DECODERS).split())
"""The decoders that people's and their cameras' files need; not those of old games and of curiosities."""


@dataclass(frozen=True)
class InputFile:
    """An untrusted file to read: its path, the only demuxer that may read it, and the limits."""

    path: Path
    demuxer: str
    limits: MediaLimits = field(default_factory=MediaLimits)


def file_url(path: Path) -> str:
    """Return the path as a `file:` URL, which ffmpeg takes neither for an option nor for another protocol."""
    return f"file:{path.absolute()}"


def input_options(file: InputFile) -> Options:
    """Return the options for reading `file`, for ffmpeg and ffprobe alike."""
    options: Options = {
        "f": file.demuxer,
        "protocol_whitelist": "file",
        "format_whitelist": file.demuxer,
        "codec_whitelist": ",".join(DECODERS),
        "probesize": _PROBE_BYTES,
        "analyzeduration": _PROBE_MICROSECONDS,
        "max_pixels": file.limits.max_video_pixels,
        "max_streams": file.limits.max_streams,
    }
    if file.demuxer == "mov":
        # A QuickTime file may name another file as the source of its frames. These are the defaults, and must stay.
        options |= {"enable_drefs": 0, "use_absolute_path": 0}
    if file.demuxer == "image2":
        options["pattern_type"] = "none"  # a % in the path is not a counter
    return options


def read_seconds(limits: MediaLimits, wanted: float | None = None) -> float:
    """Return how many seconds of an input ffmpeg should read, at most one more than the limit.

    The extra second makes a video that is too long detectable.
    """
    most = limits.max_duration_seconds + 1
    return most if wanted is None else min(wanted, most)
