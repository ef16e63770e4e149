"""Every command line of ffmpeg and ffprobe, argument by argument."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
from roomcast import errors
from roomcast_workers.ffmpeg import commands, segment_commands
from roomcast_workers.ffmpeg.codecs import (
    CODECS,
    ConstantQuality,
    EncodeSettings,
    TwoPass,
    audio_options,
    video_options,
)
from roomcast_workers.ffmpeg.commands import Metric
from roomcast_workers.ffmpeg.input_options import DECODERS, InputFile
from roomcast_workers.limits import MediaLimits
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream
from roomcast_workers.media_info.timeline import Retiming, Shift
from roomcast_workers.video.hls import renditions

LIMITS = MediaLimits(max_pixels=1000, max_duration_seconds=60, max_streams=9)
SOURCE = InputFile(Path("/in/film.mov"), "mov", LIMITS)
SAVED = InputFile(Path("/work/saved.mkv"), "matroska", LIMITS)
TARGET = Path("/work/out.mp4")
HEVC = VideoStream(0, "hevc", 3840, 2160, 0, 25.0, "yuv420p10le", 250, 10.0)
HDR = dataclasses.replace(HEVC, transfer="smpte2084", primaries="bt2020", matrix="bt2020nc", interlaced=True)
H264 = VideoStream(1, "h264", 1280, 720, 0, 25.0, "yuv420p", 250, 10.0)
AC3 = AudioStream(1, "ac3", 6, 96_000, 10.0)
AAC = AudioStream(0, "aac", 2, 44_100, 10.0)
LARGE = MediaInfo(10.0, 1000, "mov", HEVC, AC3)
SMALL = MediaInfo(10.0, 1000, "mov", H264, AAC)
RECIPE = EncodeSettings(CODECS["h264"], "veryfast", ConstantQuality(23), 1280, 720)
TWO_PASSES = dataclasses.replace(RECIPE, codec=CODECS["av1"], rate=TwoPass(500_000, 1, Path("/work/passes")))
FLAGS = (
    "-hide_banner -nostdin -nostats -loglevel error -progress pipe:1 -stats_period 0.25 -max_alloc 536870912"
    " -dts_delta_threshold 1000000000 -y"
)
FILM_FILTERS = (
    "setsar=sar=1",
    "format=pix_fmts=yuv420p",
    "sidedata=mode=delete:type=MASTERING_DISPLAY_METADATA",
    "sidedata=mode=delete:type=CONTENT_LIGHT_LEVEL",
    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:field_mode=prog:range=tv",
)
JPEG_FILTERS = ("setsar=sar=1", "format=pix_fmts=yuvj420p")
NO_METADATA = "-map_chapters -1 -map_metadata -1 -map_metadata:s -1"
COMPARED: dict[Metric, str] = {
    "vmaf": "libvmaf=log_fmt=json:log_path=quality.log:n_subsample=3",
    "ssim": "ssim=stats_file=quality.log",
}
X264 = "-c:v libx264 -crf 23 -enc_time_base 1:90000"
X264_IN_MP4 = "-c:v libx264 -chunk_duration 1000000 -crf 23 -enc_time_base 1:90000"
SEGMENTS = (
    "-force_key_frames expr:isnan(prev_forced_t)+gte(t,prev_forced_t+4) -fps_mode vfr -g 1000000000"
    " -hls_flags independent_segments"
)


def reads(path: str, demuxer: str = "mov", *, start: str = "", seconds: str = "61.000", more: str = "") -> str:
    mov = demuxer == "mov"
    return (
        f"-f {demuxer} -analyzeduration 60000000 -codec_whitelist {','.join(DECODERS)}"
        f"{' -enable_drefs 0' if mov else ''} -format_whitelist {demuxer} -max_pixels 1000 -max_streams 9"
        f" -probesize 10000000 -protocol_whitelist file{more}{start and f' -ss {start}'} -t {seconds}"
        f"{' -use_absolute_path 0' if mov else ''} -i file:{path}"
    )


def scaled(width: int, height: int, matrix: str = "bt709", levels: str = "tv") -> str:
    return f"scale=h={height}:in_color_matrix=bt709:out_color_matrix={matrix}:out_range={levels}:w={width}"


def chain(pictures: str, *filters: str, first: int = 0) -> str:
    """Filters one after the other, with labels that count from `first`."""
    labels = [pictures, *(f"s{first + number}" for number in range(len(filters)))]
    return ";".join(
        f"[{before}]{each}[{after}]" for before, each, after in zip(labels[:-1], filters, labels[1:], strict=True)
    )


SHOWN = chain("0:0", scaled(1280, 720), *FILM_FILTERS)
GOLDEN: dict[str, tuple[list[str], list[str]]] = {
    "a film": (
        commands.compress(SOURCE, TARGET, LARGE, RECIPE),
        [
            reads("/in/film.mov"),
            f"-filter_complex {SHOWN} -map [s5] -map 0:1",
            f"-f mp4 -ac 2 -ar 48000 -b:a 128000 -bufsize 45577280 -c:a aac {X264_IN_MP4} -fflags +bitexact",
            f"-fps_mode vfr -g 125 {NO_METADATA} -maxrate 22788640 -movflags +faststart -pix_fmt yuv420p",
            "-preset veryfast -write_btrt 0 -write_tmcd 0 file:/work/out.mp4",
            FLAGS,
        ],
    ),
    "an interlaced HDR film without sound as VP9": (
        commands.compress(
            SOURCE,
            Path("/work/out.webm"),
            dataclasses.replace(LARGE, video=HDR, audio=None),
            dataclasses.replace(RECIPE, codec=CODECS["vp9"], tone_mapper="zscale"),
        ),
        [
            reads("/in/film.mov"),
            "-filter_complex",
            chain(
                "0:0",
                "bwdif=deint=interlaced:mode=send_frame",
                "scale=h=720:w=1280",
                "zscale=npl=203:transfer=linear",
                "format=pix_fmts=gbrpf32le",
                "zscale=primaries=bt709",
                "tonemap=desat=0:tonemap=mobius",
                "zscale=matrix=bt709:range=tv:transfer=bt709",
                "format=pix_fmts=yuv420p",
                "scale=h=720:out_color_matrix=bt709:out_range=tv:w=1280",
                *FILM_FILTERS,
            ),
            "-map [s13] -f webm -b:v 15952048 -c:v libvpx-vp9 -cpu-used 6 -crf 23 -cues_to_front 1 -deadline good",
            f"-enc_time_base 1:90000 -fflags +bitexact -fps_mode vfr -g 125 {NO_METADATA} -pix_fmt yuv420p",
            "-row-mt 1 file:/work/out.webm",
            FLAGS,
        ],
    ),
    "the first of two passes": (
        commands.compress(SOURCE, TARGET, LARGE, TWO_PASSES),
        [
            reads("/in/film.mov"),
            f"-filter_complex {SHOWN} -map [s5]",
            "-f null -b:v 500000 -c:v libsvtav1 -enc_time_base 1:90000 -fps_mode vfr -g 125 -pass 1",
            "-passlogfile /work/passes -pix_fmt yuv420p -preset 10 -svtav1-params rc=1 -",
            FLAGS,
        ],
    ),
    "the second of two passes": (
        commands.compress(
            SOURCE,
            TARGET,
            LARGE,
            dataclasses.replace(TWO_PASSES, rate=TwoPass(500_000, 2, Path("/work/passes"))),
        ),
        [
            reads("/in/film.mov"),
            f"-filter_complex {SHOWN} -map [s5] -map 0:1",
            "-f mp4 -ac 2 -ar 48000 -b:a 128000 -b:v 500000 -c:a aac -c:v libsvtav1",
            f"-chunk_duration 1000000 -enc_time_base 1:90000 -fflags +bitexact -fps_mode vfr -g 125 {NO_METADATA}",
            "-movflags +faststart -pass 2 -passlogfile /work/passes -pix_fmt yuv420p -preset 10 -svtav1-params rc=1",
            "-write_btrt 0 -write_tmcd 0 file:/work/out.mp4",
            FLAGS,
        ],
    ),
    "a copy whose sound is encoded": (
        commands.remux(SOURCE, TARGET, SMALL, audio_encoding=audio_options("aac", "aac", 64_000, 2, 44_100)),
        [
            reads("/in/film.mov"),
            (
                "-map 0:1 -map 0:0 -f mp4 -ac 2 -ar 44100 -b:a 64000 -bsf:v filter_units=remove_types=6,"
                "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1"
            ),
            f"-c:a aac -c:v copy -chunk_duration 1000000 -fflags +bitexact {NO_METADATA} -movflags +faststart",
            "-write_btrt 0 -write_tmcd 0 file:/work/out.mp4",
            FLAGS,
        ],
    ),
    "a copy of sound": (
        commands.remux(SOURCE, TARGET, dataclasses.replace(SMALL, video=None), muxer="ipod"),
        [
            reads("/in/film.mov"),
            f"-map 0:0 -f ipod -c:a copy -fflags +bitexact {NO_METADATA} -movflags +faststart file:/work/out.mp4",
            FLAGS,
        ],
    ),
    "sound": (
        commands.compress_audio(SOURCE, TARGET, AC3, 96_000),
        [
            reads("/in/film.mov"),
            f"-map 0:1 -f ipod -ac 2 -ar 48000 -b:a 96000 -c:a aac -fflags +bitexact {NO_METADATA}",
            "-movflags +faststart file:/work/out.mp4",
            FLAGS,
        ],
    ),
    "how many pictures can be decoded": (
        commands.count_decodable_frames(SOURCE, LARGE, 4, 5),
        [reads("/in/film.mov", start="4.000", seconds="5.000"), "-map 0:0 -f null -", FLAGS],
    ),
    "samples": (
        commands.compress_samples(SOURCE, TARGET, LARGE, RECIPE, [1.0, 3.5], 1.5),
        [
            reads("/in/film.mov", start="1.000", seconds="1.500"),
            reads("/in/film.mov", start="3.500", seconds="1.500"),
            (
                f"-filter_complex {SHOWN};{chain('1:0', scaled(1280, 720), *FILM_FILTERS, first=6)};"
                "[s5][s11]concat=a=0:n=2:v=1[s12]"
            ),
            f"-map [s12] -f mp4 -bufsize 45577280 {X264_IN_MP4} -fps_mode vfr -g 125 -maxrate 22788640",
            "-movflags +faststart -pix_fmt yuv420p -preset veryfast -write_btrt 0 -write_tmcd 0 file:/work/out.mp4",
            FLAGS,
        ],
    ),
    "one sample without loss": (
        commands.save_samples(SOURCE, TARGET, LARGE, RECIPE, [0.0], 1.5),
        [
            reads("/in/film.mov", start="0.000", seconds="1.500"),
            f"-filter_complex {SHOWN} -map [s5] -f matroska -c:v libx264 -enc_time_base 1:90000 -fps_mode vfr",
            "-preset ultrafast -qp 0 file:/work/out.mp4",
            FLAGS,
        ],
    ),
    "a trial": (
        commands.compress_trial(SAVED, TARGET, HEVC, RECIPE),
        [
            reads("/work/saved.mkv", "matroska"),
            f"-filter_complex {chain('0:0', 'format=pix_fmts=yuv420p')} -map [s0]",
            f"-f mp4 -bufsize 45577280 {X264_IN_MP4} -fps_mode vfr -g 125 -maxrate 22788640 -movflags +faststart",
            "-pix_fmt yuv420p -preset veryfast -write_btrt 0 -write_tmcd 0 file:/work/out.mp4",
            FLAGS,
        ],
    ),
    **{
        f"quality by {metric}": (
            commands.measure_quality(SAVED, InputFile(Path("/work/trial.mp4"), "mov", LIMITS), metric, "quality.log"),
            [
                reads("/work/trial.mp4"),
                reads("/work/saved.mkv", "matroska"),
                "-filter_complex",
                (
                    f"{chain('0:0', 'settb=expr=1/1000', 'setpts=expr=N')};"
                    f"{chain('1:0', 'settb=expr=1/1000', 'setpts=expr=N', first=2)};[s1][s3]{compared}[s4]"
                ),
                "-map [s4] -f null -",
                FLAGS,
            ],
        )
        for metric, compared in COMPARED.items()
    },
    "a poster that is not dark": (
        commands.save_poster(SOURCE, Path("/work/poster.jpg"), HEVC, 1280, 720, "none", start=2.5, skip_dark=True),
        [
            reads("/in/film.mov", start="2.500", seconds="5.000"),
            "-filter_complex",
            chain(
                "0:0",
                scaled(1280, 720, "bt470bg", "pc"),
                *JPEG_FILTERS,
                "signalstats",
                "metadata=function=greater:key=lavfi.signalstats.YAVG:mode=select:value=24",
            ),
            "-map [s4] -f image2 -frames:v 1 -map_metadata -1 -q:v 3 -update 1 file:/work/poster.jpg",
            FLAGS,
        ],
    ),
    "any poster": (
        commands.save_poster(SOURCE, Path("/work/poster.jpg"), HEVC, 1280, 720, "none", start=-1, skip_dark=False),
        [
            reads("/in/film.mov", start="0.000", seconds="5.000"),
            f"-filter_complex {chain('0:0', scaled(1280, 720, 'bt470bg', 'pc'), *JPEG_FILTERS)}",
            "-map [s2] -f image2 -frames:v 1 -map_metadata -1 -q:v 3 -update 1 file:/work/poster.jpg",
            FLAGS,
        ],
    ),
    "how many keyframes there are": (
        commands.count_keyframes(SOURCE, HEVC),
        [reads("/in/film.mov"), "-map 0:0 -f null -bsf:v noise=drop=not(key) -c copy -", FLAGS],
    ),
    **{
        f"tiles of {'keyframes' if keyframes_only else 'all frames'}": (
            commands.save_tiles(
                SOURCE,
                Path("/work/tiles.nut"),
                HEVC,
                192,
                108,
                "none",
                interval=5000,
                keyframes_only=keyframes_only,
            ),
            [
                reads(
                    "/in/film.mov",
                    more=f" -skip_frame {'nokey' if keyframes_only else 'noref'}",
                    seconds="61.000 -threads 1" if keyframes_only else "61.000",
                ),
                "-filter_complex",
                chain(
                    "0:0",
                    "fps=eof_action=pass:fps=1000/5000:start_time=0",
                    scaled(192, 108, "bt470bg", "pc"),
                    *JPEG_FILTERS,
                ),
                "-map [s3] -f nut -c:v rawvideo file:/work/tiles.nut",
                FLAGS,
            ],
        )
        for keyframes_only in (True, False)
    },
    "a sprite": (
        commands.save_sprite(
            InputFile(Path("/work/tiles.nut"), "nut", LIMITS), Path("/work/sprite.jpg"), columns=10, rows=2, count=12
        ),
        [
            reads("/work/tiles.nut", "nut"),
            f"-filter_complex {chain('0:0', 'tpad=stop=-1:stop_mode=clone', 'tile=layout=10x2:nb_frames=12')}",
            "-map [s1] -f image2 -frames:v 1 -map_metadata -1 -q:v 4 -update 1 file:/work/sprite.jpg",
            FLAGS,
        ],
    ),
    "the sprite of a short video": (
        commands.save_short_sprite(
            *(SOURCE, Path("/work/sprite.jpg"), HEVC, 192, 108, "none"),
            interval=1000,
            keyframes_only=False,
            columns=4,
            rows=1,
            count=4,
        ),
        [
            reads("/in/film.mov", more=" -skip_frame noref"),
            "-filter_complex",
            chain(
                "0:0",
                "fps=eof_action=pass:fps=1000/1000:start_time=0",
                scaled(192, 108, "bt470bg", "pc"),
                *JPEG_FILTERS,
                "tpad=stop=-1:stop_mode=clone",
                "tile=layout=4x1:nb_frames=4",
            ),
            "-map [s5] -f image2 -frames:v 1 -map_metadata -1 -q:v 4 -update 1 file:/work/sprite.jpg",
            FLAGS,
        ],
    ),
    "HLS in two sizes with sound": (
        segment_commands.encode_hls(
            SOURCE,
            dataclasses.replace(SMALL, audio=AC3),
            renditions([720, 480], 1280, 720, 25),
            preset="fast",
            audio_bitrate="128k",
        ),
        [
            reads("/in/film.mov"),
            "-filter_complex",
            (
                "[0:1]split=2[s0][s1];"
                f"{chain('s0', scaled(1280, 720), *FILM_FILTERS, first=2)};"
                f"{chain('s1', scaled(852, 480), *FILM_FILTERS, first=8)}"
            ),
            "-map [s7] -map [s13] -map 0:1",
            "-f hls -ac 2 -b:a 128k -bufsize:v:0 6531972 -bufsize:v:1 3551388",
            f"-c:a aac {X264} {SEGMENTS} -hls_fmp4_init_filename hls-%v-init.mp4 -hls_list_size 0",
            "-hls_playlist_type vod -hls_segment_filename hls-%v-%05d.m4s -hls_segment_type fmp4 -hls_time 4",
            "-map_chapters -1 -map_metadata -1 -maxrate:v:0 3265986 -maxrate:v:1 1775694 -pix_fmt yuv420p",
            "-preset fast -sc_threshold 0",
            "-var_stream_map v:0,agroup:audio,name:720 v:1,agroup:audio,name:480 a:0,agroup:audio,name:audio",
            "hls-%v.m3u8",
            FLAGS,
        ],
    ),
    "HLS in one size without sound": (
        segment_commands.encode_hls(
            SOURCE,
            dataclasses.replace(SMALL, audio=None),
            renditions([480], 1280, 720, 25),
            preset="fast",
            audio_bitrate="128k",
        ),
        [
            reads("/in/film.mov"),
            f"-filter_complex [0:1]split=1[s0];{chain('s0', scaled(852, 480), *FILM_FILTERS, first=1)}",
            f"-map [s6] -f hls -bufsize:v:0 3551388 {X264} {SEGMENTS} -hls_fmp4_init_filename hls-480-init.mp4",
            "-hls_list_size 0 -hls_playlist_type vod -hls_segment_filename hls-%v-%05d.m4s -hls_segment_type fmp4",
            "-hls_time 4 -map_chapters -1 -map_metadata -1 -maxrate:v:0 1775694 -pix_fmt yuv420p",
            "-preset fast -sc_threshold 0 -var_stream_map v:0,name:480 hls-%v.m3u8",
            FLAGS,
        ],
    ),
    **{
        f"ffprobe, {what}": (
            command,
            [
                f"-v error {wanted} -max_alloc 536870912 -f mov -protocol_whitelist file -format_whitelist mov",
                f"-codec_whitelist {','.join(DECODERS)} -probesize 10000000 -analyzeduration 60000000",
                "-max_pixels 1000 -max_streams 9 -enable_drefs 0 -use_absolute_path 0 -i file:/in/film.mov",
            ],
        )
        for what, command, wanted in (
            ("what a file holds", commands.probe(SOURCE), "-of json -show_format -show_streams -show_programs"),
            (
                "its packets",
                commands.list_packets(SOURCE),
                "-of csv=p=0 -show_entries packet=stream_index,pts_time,dts_time,duration_time,size,pos,flags",
            ),
        )
    },
}


@pytest.mark.parametrize("command", GOLDEN)
def test_command_has_exactly_these_arguments(command: str) -> None:
    arguments, expected = GOLDEN[command]
    assert " ".join(arguments) == " ".join(expected)


@pytest.mark.parametrize("channels", [1, 2])
def test_hls_copies_stereo_aac(channels: int) -> None:
    audio = dataclasses.replace(AAC, channels=channels)
    info = dataclasses.replace(SMALL, audio=audio)
    arguments = segment_commands.encode_hls(
        SOURCE, info, renditions([480], 1280, 720), preset="fast", audio_bitrate="128k"
    )
    assert "-c:a copy" in " ".join(arguments)
    assert "-b:a" not in arguments


def test_copy_with_colour_tags_gets_no_new_ones() -> None:
    tagged = dataclasses.replace(SMALL, video=dataclasses.replace(H264, matrix="bt709"))
    assert "-bsf:v filter_units=remove_types=6 " in " ".join(commands.remux(SOURCE, TARGET, tagged))


def test_compress_without_video_raises_unreadable_media() -> None:
    with pytest.raises(errors.UnreadableMedia):
        commands.compress(SOURCE, TARGET, dataclasses.replace(SMALL, video=None), RECIPE)


def test_paths_are_neither_options_nor_protocols_nor_patterns() -> None:
    arguments = commands.compress(InputFile(Path("-y"), "mov"), Path("http:x %d.mp4"), LARGE, RECIPE)
    assert arguments[arguments.index("-i") + 1] == f"file:{Path.cwd()}/-y"
    assert f"file:{Path.cwd()}/http:x %d.mp4" in arguments
    assert commands.probe(InputFile(Path("-y"), "mov"))[-1] == f"file:{Path.cwd()}/-y"


def test_large_duration_limit_is_written_without_exponent() -> None:
    limits = MediaLimits(max_duration_seconds=30_000_000)
    arguments = commands.count_keyframes(dataclasses.replace(SOURCE, limits=limits), HEVC)
    assert arguments[arguments.index("-t") + 1] == "30000001.000"


def test_retiming_moves_the_packets_of_each_run_and_drops_what_would_overlap() -> None:
    retiming = Retiming({0: (Shift(0, -1.4), Shift(75, 1.6)), 1: (Shift(0, -1.4, until=3.0), Shift(131, 1.6))})
    arguments = commands.retime(SOURCE, TARGET, LARGE, retiming, "mpegts")
    options = dict(itertools.pairwise(arguments))
    moved = "round((-1.400000+gte(N,75)*(3.000000))/TB)"
    assert options["-bsf:v"] == (
        f"setts=pts='if(eq(PTS,NOPTS),NOPTS,PTS+{moved})':dts='if(eq(DTS,NOPTS),NOPTS,DTS+{moved})'"
    )
    assert options["-bsf:a"].endswith(",noise=drop='between(n,0,130)*gte(pts*tb,2.999500)'")
    assert {"-copyts", "-copyinkf"} <= set(arguments)
    assert "-t" not in options  # a jump may be longer than the longest film
    made = dict(itertools.pairwise(commands.retime(SOURCE, TARGET, LARGE, retiming, "matroska")))
    assert f"dts='max(PREV_OUTDTS+1,if(eq(PTS,NOPTS),NOPTS,PTS+{moved}-round(5/TB)))'" in made["-bsf:v"]


@pytest.mark.parametrize(("seconds", "interval"), [(None, 150), (4.0, 180), (5.3, 180), (6.1, 150), (600.0, 150)])
def test_video_hardly_longer_than_a_keyframe_interval_has_no_other(seconds: float | None, interval: int) -> None:
    options = video_options(CODECS["h264"], "fast", ConstantQuality(24), 1280, 720, 30, seconds)
    assert options["g"] == interval


def test_long_last_frame_is_a_keyframe_with_its_duration() -> None:
    film = dataclasses.replace(LARGE, video=dataclasses.replace(HEVC, last_frame=(1.96, 6.0)))
    options = dict(itertools.pairwise(commands.compress(SOURCE, TARGET, film, RECIPE)))
    assert options["-force_key_frames"] == "1.9595"
    assert options["-bsf:v"] == "setts=pts=PTS:dts=DTS:duration='if(gte(PTS*TB,1.9595),round(6.000000/TB),DURATION)'"


def test_frames_of_several_sizes_are_fitted_into_the_largest() -> None:
    film = dataclasses.replace(LARGE, video=dataclasses.replace(HEVC, size_varies=True))
    (graph,) = [each for each in commands.compress(SOURCE, TARGET, film, RECIPE) if each.startswith("[0:0]")]
    assert "pad=h=720:w=1280:x=(ow-iw)/2:y=(oh-ih)/2" in graph
    sampled = " ".join(commands.save_samples(SOURCE, TARGET, film, RECIPE, [1.0, 5.0], 0.5))
    assert "concat" not in sampled


def test_unused_beginning_of_the_file_is_left_out() -> None:
    film = dataclasses.replace(
        LARGE,
        start=1.4,
        video=dataclasses.replace(HEVC, start=3.4),
        audio=dataclasses.replace(AC3, start=2.4, layout="4 channels (UNSD+UNSD+UNSD+UNSD)", channels=4),
    )
    options = dict(itertools.pairwise(commands.compress(SOURCE, TARGET, film, RECIPE)))
    assert options["-itsoffset"] == "-1.000000"
    assert options["-filter:a"] == "channelmap=0|1:stereo"


def test_alpha_is_decoded_by_the_decoder_that_reads_it() -> None:
    film = dataclasses.replace(LARGE, video=dataclasses.replace(HEVC, decoder="libvpx-vp9"))
    options = dict(itertools.pairwise(commands.compress(SOURCE, TARGET, film, RECIPE)))
    assert options["-c:0"] == "libvpx-vp9"
