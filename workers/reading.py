"""How ffmpeg and ffprobe are made to read an untrusted file: as the format its first bytes showed, with decoders that
are meant for it, no more of it than is taken, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workers.admission import MediaLimits

_PROBED_BYTES = 10_000_000
_PROBED_MICROSECONDS = 10_000_000
_LARGEST_ALLOCATION = 512 << 20

_OF_FILM = """
    h264 hevc vvc av1 libdav1d libaom-av1 vp8 vp9 libvpx libvpx-vp9 mpeg1video mpeg2video mpegvideo mpeg4 msmpeg4v1
    msmpeg4v2 msmpeg4 h261 h263 h263i h263p wmv1 wmv2 wmv3 wmv3image vc1 vc1image mss1 mss2 flv vp6 vp6a vp6f
    flashsv flashsv2 theora vp3 vp5 vp7 rv30 rv40 svq1 svq3 cinepak indeo3 indeo4 indeo5 rpza smc qtrle 8bps aic
    msrle msvideo1 tscc tscc2 fraps zmbv camstudio mjpeg mjpegb jpeg2000 png gif bmp tiff webp prores prores_raw
    dnxhd cfhd hap dvvideo ffv1 huffyuv ffvhuff utvideo magicyuv lagarith rawvideo v210 v308 v408 v410 r210 r10k
    y41p yuv4 wrapped_avframe
"""

_OF_SOUND = """
    aac aac_latm aac_fixed ac3 eac3 dca truehd mlp mp1 mp1float mp2 mp2float mp3 mp3float opus libopus vorbis
    libvorbis flac alac als speex libspeex wavpack tta wmav1 wmav2 wmapro wmalossless wmavoice amrnb amrwb gsm
    gsm_ms qcelp qdm2 mace3 mace6 nellymoser g722 g726 s302m cook adpcm_ms adpcm_ima_wav adpcm_ima_qt adpcm_swf
    adpcm_yamaha pcm_alaw pcm_mulaw pcm_s8 pcm_u8 pcm_s8_planar pcm_bluray pcm_dvd pcm_s16le pcm_s16be
    pcm_s16le_planar pcm_s16be_planar pcm_u16le pcm_u16be pcm_s24le pcm_s24be pcm_s24le_planar pcm_u24le pcm_u24be
    pcm_s32le pcm_s32be pcm_s32le_planar pcm_u32le pcm_u32be pcm_s64le pcm_s64be pcm_f16le pcm_f24le pcm_f32le
    pcm_f32be pcm_f64le pcm_f64be
"""

# Subtitles are not used, but ffprobe looks at nothing in a file when it may not open one stream's decoder.
_OF_SUBTITLES = """
    mov_text subrip srt ass ssa text webvtt dvbsub dvdsub pgssub xsub cc_dec libzvbi_teletextdec
"""

DECODERS = tuple((_OF_FILM + _OF_SOUND + _OF_SUBTITLES).split())
"""Those of ffmpeg's decoders that files of people and their cameras need; not those of old games and of curiosities."""


def file_url(path: Path) -> str:
    """The path as ffmpeg must be given it: never taken for an option, another protocol or a relative name."""
    return f"file:{path.absolute()}"


def input_options(demuxer: str) -> dict[str, str | int]:
    """Options for the input of a file that `demuxer` reads, by their names without the dash."""
    options: dict[str, str | int] = {
        "f": demuxer,
        "protocol_whitelist": "file",
        "format_whitelist": demuxer,
        "codec_whitelist": ",".join(DECODERS),
        "probesize": _PROBED_BYTES,
        "analyzeduration": _PROBED_MICROSECONDS,
    }
    if demuxer == "mov":
        # A film may name another file that holds its frames; these are the defaults, and must stay.
        options |= {"enable_drefs": 0, "use_absolute_path": 0}
    if demuxer == "image2":
        options["pattern_type"] = "none"  # a % in its path is no counter
    return options


def input_args(path: Path, demuxer: str) -> list[str]:
    """The same as arguments, with the input itself."""
    options = [word for name, value in input_options(demuxer).items() for word in (f"-{name}", str(value))]
    return [*options, "-i", file_url(path)]


def allocation_args() -> list[str]:
    """A global option: the most that ffmpeg or ffprobe asks for at once."""
    return ["-max_alloc", str(_LARGEST_ALLOCATION)]


def limit_args(limits: MediaLimits) -> list[str]:
    """Options for an input, for ffmpeg and ffprobe alike."""
    return ["-max_pixels", str(limits.max_pixels), "-max_streams", str(limits.max_streams)]


def bounded(args: Sequence[str], limits: MediaLimits) -> list[str]:
    """ffmpeg's arguments with the limits before every input's own options."""
    # A little more than is taken: who reads that far is over it, and is seen to be.
    bounds = [*limit_args(limits), "-t", f"{limits.max_duration_seconds + 1:g}"]
    said: list[str] = []
    to_come = list(args).count("-i")
    for at, word in enumerate(args):
        if to_come and (at == 0 or args[at - 2] == "-i"):
            said += bounds
        to_come -= word == "-i"
        said.append(word)
    return said
