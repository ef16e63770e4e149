"""Media for tests, made by the packaged ffmpeg (and Pillow) when a test asks for it.

Each distinct clip or picture is made once in a test run and copied from then on.
"""

from __future__ import annotations

import atexit
import functools
import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from roomcast_workers.ffmpeg.binaries import find_binaries


def make_clip(
    path: Path,
    *,
    seconds: float = 2,
    size: str = "320x240",
    fps: float = 25,
    audio: bool = True,
    rotation: int = 0,
    odd: bool = False,
    crf: int = 23,
    aspect: str = "1:1",
    faststart: bool = True,
    vfr: bool = False,
    cover: bool = False,
    tags: bool = False,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    channels: int = 2,
    loud: bool = False,
) -> Path:
    """Make a moving test card, in the container that `path`'s suffix names; returns `path`.

    `rotation`: degrees clockwise that a player must turn it. `odd`: sides one pixel smaller, so odd (and 4:4:4, as
    4:2:0 cannot be odd). `crf`: x264's quality. `aspect`: of one pixel. `faststart`: index in front. `vfr`: most
    frames taken out, irregularly. `cover`: with a picture attached. `tags`: with a title, a place and a comment.
    `loud`: with a tone throughout, which takes all the bytes that sound may take.
    """
    options = {name: value for name, value in locals().items() if name != "path"}
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_clip(path.suffix, **options), path)
    return path


def make_heavy_clip(path: Path, *, seconds: float = 10, size: str = "1920x1080", fps: float = 60) -> Path:
    """A clip that is quick to make, small (2.5 MB a second) and slow to compress: on the two cores where it was
    measured a second of it took a second, a third of it at 25 frames a second."""
    return make_clip(path, seconds=seconds, size=size, fps=fps, crf=28)


def make_film(
    path: Path, *encoding: str, seconds: float = 24, rate: str = "5", size: str = "96x64", sound: bool = False
) -> Path:
    """Make a film that is long enough for segments, with a keyframe every ten frames, in the container that `path`'s
    suffix names; returns `path`. `encoding`: further options of ffmpeg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_film(path.suffix, encoding, seconds, rate, size, sound), path)
    return path


def make_remuxed(path: Path, source: Path, *container: str) -> Path:
    """Copy the streams of a film into the container that `path`'s suffix names, with these options; returns `path`."""
    _make(path, "-i", f"file:{source}", "-c", "copy", *container)
    return path


@functools.cache
def _film(suffix: str, encoding: tuple[str, ...], seconds: float, rate: str, size: str, sound: bool) -> Path:
    path = _shelf() / f"film-{_film.cache_info().currsize}{suffix}"
    card = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]
    options = ["-preset", "veryfast", "-g", "10", "-pix_fmt", "yuv420p", "-b:a", "64k"]
    _ffmpeg(*card, *(_beep(seconds) if sound else []), "-c:v", "libx264", *options, *encoding, f"file:{path}")
    return path


def make_image(
    path: Path,
    *,
    size: tuple[int, int] = (160, 120),
    mode: str = "RGB",
    orientation: int | None = None,
    noise: bool = False,
    **save: Any,
) -> Path:
    """Make a picture in the format that `path`'s suffix names; returns `path`.

    A white corner (top left as stored) on blue, half transparent where `mode` has alpha. `orientation`: the EXIF value.
    `noise`: incompressible. What is left goes to Pillow's `save`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if noise:
        image = Image.effect_noise(size, 64).convert(mode)
    else:
        card = Image.new("RGBA", size, (20, 60, 200, 128))
        ImageDraw.Draw(card).rectangle((0, 0, size[0] // 4, size[1] // 4), fill="white")
        image = card if mode == "RGBA" else card.convert("RGB").convert(mode)
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        save["exif"] = exif
    image.save(path, **save)
    return path


def make_hdr(path: Path, transfer: str = "smpte2084", *, described: bool = True) -> Path:
    """A still of four grey stripes, 80 pixels wide each, whose codes are 0, 0.508, 0.581 and 0.752 of full: black, and
    in PQ (`smpte2084`, the brightest 1000 cd/m²) 100, 203 and 1000; or the same codes in HLG (`arib-std-b67`). Returns
    `path`. In PQ the file describes the screen that it was made for, unless it is not to be `described`."""
    codes = [round(64 + 876 * level) for level in (0.0, 0.508, 0.581, 0.752)]
    luma = "+".join(f"{code}*eq(floor(X/80),{number})" for number, code in enumerate(codes))
    card = f"color=s=320x64:r=5:d=0.4,format=yuv420p10le,geq=lum='{luma}':cb=512:cr=512"
    tags = f"setparams=range=tv:color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc"
    encoding = ["-c:v", "libx264", "-qp", "4", "-pix_fmt", "yuv420p10le"]
    if transfer == "smpte2084" and described:
        screen = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
        encoding += ["-x264-params", f"mastering-display={screen}:cll=1000,400"]
    _make(path, "-f", "lavfi", "-i", f"{card},{tags}", *encoding)
    return path


def make_many_streams(path: Path) -> Path:
    """Two seconds of film with uncompressed sound, a second language, subtitles, a time code and chapters, in
    QuickTime; returns `path`."""
    chapters, titles = path.with_suffix(".ini"), path.with_suffix(".srt")
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=One\n")
    titles.write_text("1\n00:00:00,500 --> 00:00:01,000\nOne\n")
    inputs = [
        *_card("64x48", 25, 2),
        *_tone(440, 2),
        "-i",
        f"file:{titles}",
        "-f",
        "ffmetadata",
        "-i",
        f"file:{chapters}",
    ]
    chosen = ["-map", "0", "-map", "1", "-map", "1", "-map", "2", "-map_metadata", "3", "-timecode", "01:00:00:00"]
    codecs = ["-c:v", "prores_ks", "-c:a:0", "pcm_s24le", "-c:a:1", "alac", "-c:s", "mov_text"]
    _make(path, *inputs, *chosen, *codecs, "-f", "mov")
    return path


def make_alpha(path: Path) -> Path:
    """Red, half transparent, in QuickTime; returns `path`."""
    _make(path, "-f", "lavfi", "-i", "color=red@0.5:s=64x64:d=0.2,format=rgba", "-c:v", "qtrle")
    return path


def make_interlaced(path: Path) -> Path:
    """H.264 in fields; returns `path`."""
    fields = ["-flags", "+ildct+ilme", "-x264opts", "tff=1"]
    _make(path, *_card("160x120", 50, 1), "-vf", "tinterlace=interleave_top", "-c:v", "libx264", *fields)
    return path


def make_trimmed(path: Path) -> Path:
    """Two seconds of four, from amid a group of pictures: an edit list hides what comes before. Returns `path`."""
    plain = make_clip(path.with_name(f"whole-{path.name}"), seconds=4)
    _make(path, "-ss", "0.6", "-i", f"file:{plain}", "-t", "2", "-c", "copy")
    return path


def make_late(path: Path) -> Path:
    """A second that begins at the fifth; returns `path`."""
    _make(
        path, "-i", f"file:{make_clip(path.with_name('plain.mp4'), seconds=1)}", "-output_ts_offset", "5", "-c", "copy"
    )
    return path


def make_late_picture(path: Path, *, seconds: float) -> Path:
    """A picture of half a second that begins after so many seconds of sound; returns `path`."""
    card = "testsrc2=size=64x48:rate=10:duration=0.5"
    picture = ["-itsoffset", str(seconds), "-f", "lavfi", "-i", card]
    _make(path, *_beep(seconds), *picture, "-pix_fmt", "yuv444p", "-b:a", "32k")
    return path


def make_joined(path: Path, *clocks: float) -> Path:
    """Recordings of 0.8 seconds whose times begin at these seconds, joined byte by byte. Returns `path`."""
    video = {".mpg": "mpeg2video", ".webm": "libvpx"}.get(path.suffix, "libx264")
    audio = {".mpg": "mp2", ".webm": "libopus", ".flac": "flac", ".mp3": "libmp3lame"}.get(path.suffix, "aac")
    picture = [] if path.suffix in {".flac", ".mp3", ".aac"} else _card("64x48", 25, 0.8)
    encoding = ["-c:v", video, "-pix_fmt", "yuv420p", "-g", "10", "-c:a", audio, "-muxdelay", "0", "-muxpreload", "0"]
    if video == "libx264":
        encoding += ["-preset", "ultrafast", "-crf", "5"]  # so that the first encode is smaller
    if path.suffix == ".mp4":
        encoding += ["-bf", "0", "-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    joined = b""
    for clock in clocks:
        recording = path.with_name(f"recording-{path.name}")
        _make(recording, *picture, *_tone(440, 0.8), *encoding, "-output_ts_offset", str(clock))
        joined += recording.read_bytes()
    path.write_bytes(joined)
    return path


def make_jumping_sound(path: Path) -> Path:
    """A film in MPEG-TS, the times of whose sound jump by an hour after half a second; returns `path`."""
    jump = "setts=ts='PTS+gte(N,24)*90000*3600'"
    _make(path, "-i", f"file:{make_joined(path.with_name('plain.ts'), 0)}", "-c", "copy", "-bsf:a", jump)
    return path


def make_offset(path: Path, *, video: float = 0.0, audio: float = 0.0) -> Path:
    """A second of film and a second of sound that begin at these seconds; returns `path`."""
    streams = ["-itsoffset", str(video), *_card("64x48", 25, 1), "-itsoffset", str(audio), *_beep(1)]
    codec = _QUICK_VP8 if path.suffix == ".webm" else ["libx264"]
    _make(path, *streams, "-c:v", *codec, "-pix_fmt", "yuv420p")
    return path


def make_held(path: Path, *, held: float) -> Path:
    """A second of film whose last frame is shown for `held` seconds; returns `path`."""
    card = "testsrc2=size=64x48:rate=25:duration=1,setpts=PTS,settb=1/1000"
    duration = f"setts=duration='if(eq(N,24),{held}/TB,DURATION)'"
    _make(path, "-f", "lavfi", "-i", card, "-c:v", "libx264", "-bf", "0", "-pix_fmt", "yuv420p", "-bsf:v", duration)
    return path


def make_turned(path: Path) -> Path:
    """Half a second of 64x48, then half a second of 48x64 of the same picture, in WebM; returns `path`."""
    recordings = []
    for number, size in enumerate(("64x48", "48x64")):
        recording = path.with_name(f"{number}-{path.name}")
        white = f"color=white:s={size}:r=25:d=0.5"
        _make(recording, "-f", "lavfi", "-i", white, "-c:v", *_QUICK_VP8, "-output_ts_offset", str(number / 2))
        recordings.append(recording)
    listed = path.with_suffix(".txt")
    listed.write_text("".join(f"file '{recording}'\n" for recording in recordings))
    _make(path, "-f", "concat", "-safe", "0", "-i", f"file:{listed}", "-c", "copy")
    return path


def make_web_alpha(path: Path) -> Path:
    """Red on the left, and red that is wholly transparent on the right, in VP9; returns `path`."""
    red = "color=red:s=64x48:d=0.2,format=yuva420p,geq=lum='p(X,Y)':cb='p(X,Y)':cr='p(X,Y)':a='255*lt(X,32)'"
    _make(path, "-f", "lavfi", "-i", red, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
    return path


def make_unplaced_channels(path: Path) -> Path:
    """Four channels without places, of which the first two have sound, as of camcorders; returns `path`."""
    raw = path.with_suffix(".raw")
    tones = "sine=440:duration=0.5[a];sine=880:duration=0.5[b];anullsrc=d=0.5:cl=stereo[c];[a][b][c]amerge=inputs=3"
    _make(raw, "-filter_complex", tones, "-ar", "48000", "-f", "s16le")
    unplaced = ["-f", "s16le", "-ar", "48000", "-ch_layout", "UNSD+UNSD+UNSD+UNSD", "-i", f"file:{raw}"]
    _make(path, *unplaced, "-c:a", "pcm_s16le")
    return path


def make_empty_track(path: Path) -> Path:
    """A film whose first sound, the default one, has no packets; returns `path`."""
    sounds = ["-map", "0", "-map", "1", "-map", "2", "-c:a", "aac", "-disposition:a:0", "default"]
    dropped = ["-bsf:a:0", "noise=drop=1", "-disposition:a:1", "0"]
    _make(path, *_card("64x48", 25, 1), *_tone(880, 1), *_tone(440, 1), *sounds, *dropped)
    return path


def make_thumbnail_track(path: Path) -> Path:
    """A film of 64x48, the default track, after a track of its thumbnails, of 160x120. Returns `path`."""
    tracks = ["-map", "0", "-map", "1", "-c:v:0", "mjpeg", "-c:v:1", "libx264", "-pix_fmt:v:1", "yuv420p"]
    second = ["-disposition:v:0", "0", "-disposition:v:1", "default"]
    _make(path, *_card("160x120", 1, 1), *_card("64x48", 25, 1), *tracks, *second)
    return path


def make_programmes(path: Path) -> Path:
    """MPEG-TS with two programmes; the sound of the second, of 880 Hz, comes first in the file. Returns `path`."""
    maps = ["-map", "1", "-map", "0", "-map", "2", "-map", "3"]
    programmes = ["-program", "title=one:st=1:st=2", "-program", "title=two:st=0:st=3"]
    card = _card("64x48", 25, 1)
    _make(path, *card, *_tone(880, 1), *_tone(440, 1), *card, *maps, *programmes, "-c:a", "aac")
    return path


def make_uneven(path: Path, *, video: float, audio: float) -> Path:
    """A film and its sound of different lengths in seconds; returns `path`."""
    _make(path, *_card("160x120", 25, video), *_beep(audio), "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")
    return path


def make_two_sounds(path: Path) -> Path:
    """A second of film with two sounds; the other one, of a single channel, is the default. Returns `path`."""
    sounds = ["-map", "0", "-map", "1", "-map", "2", "-ac:a:0", "2", "-ac:a:1", "1", "-c:a", "aac"]
    marks = ["-disposition:a:0", "0", "-disposition:a:1", "default"]
    _make(path, *_card("160x120", 25, 1), *_beep(1), *_beep(1), *sounds, *marks)
    return path


def make_encoded(path: Path, *encoding: str) -> Path:
    """A second of film and sound, with these options of ffmpeg's; returns `path`."""
    _make(path, *_card("160x120", 25, 1), *_beep(1), *encoding)
    return path


def make_slide_show(path: Path) -> Path:
    """Fifteen seconds at one frame a second, with one keyframe; returns `path`."""
    _make(path, *_card("96x64", 1, 15), "-c:v", "libx264", "-crf", "45", "-g", "1000", "-pix_fmt", "yuv420p")
    return path


def make_sound(path: Path, *encoding: str, seconds: float = 2) -> Path:
    """A tone, as the suffix and these options of ffmpeg's say; returns `path`."""
    _make(path, *_tone(440, seconds), *encoding)
    return path


def forge_duration(path: Path) -> Path:
    """Have an MP4's headers (movie, tracks, media) say that it lasts 49 days; returns `path`."""
    content = bytearray(path.read_bytes())
    for box, scale_at, length_at in ((b"mvhd", 16, 20), (b"mdhd", 16, 20), (b"tkhd", None, 24)):
        at = content.find(box)
        while at >= 0:
            scale = 1000 if scale_at is None else int.from_bytes(content[at + scale_at : at + scale_at + 4], "big")
            length = min(0xFFFFFFFE, 49 * 86_400 * scale)
            content[at + length_at : at + length_at + 4] = length.to_bytes(4, "big")
            at = content.find(box, at + 4)
    path.write_bytes(content)
    return path


def blank(path: Path, from_fraction: float) -> Path:
    """Zeroes for everything after this fraction of the file; returns `path`."""
    content = path.read_bytes()
    kept = int(len(content) * from_fraction)
    path.write_bytes(content[:kept] + bytes(len(content) - kept))
    return path


def truncate(path: Path, fraction: float) -> Path:
    """Keep only the first `fraction` of the file; returns `path`."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * fraction))
    return path


def pad(path: Path, size: int) -> Path:
    """Append random bytes up to this size: a picture is then slow to send, and as quick to compress as before. Returns
    `path`."""
    with path.open("ab") as file:
        file.write(random.randbytes(size - path.stat().st_size))
    return path


def text_named_mp4(path: Path) -> Path:
    """A text, whatever its name says; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("This is not a film.\n" * 50)
    return path


def first_frame(path: Path) -> bytes:
    """Return the luma and chroma of a video's first frame as stored, 4:2:0."""
    argv = [find_binaries().ffmpeg, "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


@functools.cache
def _shelf() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="roomcast-clips-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _clip(suffix: str, **options: Any) -> Path:
    number = _clip.cache_info().currsize
    made = _shelf() / f"{number}{suffix}"
    plain = _shelf() / f"{number}-plain{suffix}" if options["rotation"] else made
    _ffmpeg(*_sources(options), *_encoding(suffix, options), f"file:{plain}")
    if options["rotation"]:
        # The display matrix counts the other way round, and only a copy may set it.
        _ffmpeg("-display_rotation:v:0", str(-options["rotation"]), "-i", f"file:{plain}", "-c", "copy", f"file:{made}")
    return made


def _sources(options: dict[str, Any]) -> list[str]:
    width, height = map(int, options["size"].split("x"))
    card = f"testsrc2=size={width}x{height}:rate={options['fps']}:duration={options['seconds']}"
    if options["odd"]:
        card += f",format=yuv444p,crop={width - 1}:{height - 1}"
    card += f",setsar={options['aspect'].replace(':', '/')}"
    if options["vfr"]:
        card += ",select=lt(mod(n\\,7)\\,2)+lt(mod(n\\,25)\\,3)"
    sources = ["-f", "lavfi", "-i", card]
    if options["audio"]:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[options["channels"]]
        *source, sound = _tone(440, options["seconds"]) if options["loud"] else _beep(options["seconds"])
        sources += [*source, f"{sound},aformat=channel_layouts={layout}"]
    if options["cover"]:
        sources += ["-f", "lavfi", "-i", "color=red:size=64x64:duration=0.04:rate=25"]
    return sources


def _encoding(suffix: str, options: dict[str, Any]) -> list[str]:
    codec = options["codec"]
    encoding = ["-map", "0:v", "-c:v", codec, "-pix_fmt", "yuv444p" if options["odd"] else options["pix_fmt"]]
    if options["vfr"]:
        encoding += ["-fps_mode", "vfr"]
    if codec == "libx264":
        encoding += ["-preset", "ultrafast", "-g", "25", "-crf", str(options["crf"])]
    if codec == "libvpx-vp9":
        encoding += ["-deadline", "realtime", "-cpu-used", "8"]
    if options["audio"]:
        encoding += ["-map", "1:a", "-c:a", "libopus" if suffix == ".webm" else "aac"]
    if options["cover"]:
        art = 2 if options["audio"] else 1
        encoding += [
            "-map",
            f"{art}:v",
            "-c:v:1",
            "mjpeg",
            "-pix_fmt:v:1",
            "yuvj420p",
            "-disposition:v:1",
            "attached_pic",
        ]
    if options["tags"]:
        encoding += ["-metadata", "title=A secret", "-metadata", "location=+52.5+013.4/", "-metadata", "comment=mine"]
        encoding += ["-metadata:s:v:0", "language=deu", "-metadata:s:v:0", "handler_name=My camera"]
    if suffix in {".mp4", ".mov"} and options["faststart"]:
        encoding += ["-movflags", "+faststart"]
    return encoding


_QUICK_VP8 = ["libvpx", "-deadline", "realtime", "-cpu-used", "8"]
_MUTED_AFTER_A_TENTH = "volume='lt(t,0.1)':eval=frame"


def _card(size: str, fps: float, seconds: float) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={fps}:duration={seconds}"]


def _tone(hertz: int, seconds: float) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine={hertz}:duration={seconds}"]


def _beep(seconds: float) -> list[str]:
    """A tenth of a second of a tone, then silence, which AAC's encoder takes a third of the CPU of a tone for."""
    return ["-f", "lavfi", "-i", f"sine=440:duration={seconds},{_MUTED_AFTER_A_TENTH}"]


def _make(path: Path, *args: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _ffmpeg(*args, f"file:{path}")


def _ffmpeg(*args: str) -> None:
    subprocess.run(
        [find_binaries(None, None).ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *args], check=True
    )
