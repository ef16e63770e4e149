"""Media for tests, made by the wheel's own ffmpeg (and Pillow) when a test asks for it.

Each distinct clip or picture is made once in a test run and copied from then on.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from workers.ffmpeg import find_binaries


def make_clip(
    path: Path,
    *,
    seconds: float = 2,
    size: str = "320x240",
    fps: float = 25,
    sound: bool = True,
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
) -> Path:
    """Make a moving test card, in the container that `path`'s suffix names; returns `path`.

    `rotation`: degrees clockwise that a player must turn it. `odd`: sides one pixel smaller, so odd (and 4:4:4, as
    4:2:0 cannot be odd). `crf`: x264's quality. `aspect`: of one pixel. `faststart`: index in front. `vfr`: most
    frames taken out, irregularly. `cover`: with a picture attached. `tags`: with a title, a place and a comment.
    """
    wishes = {name: value for name, value in locals().items() if name != "path"}
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_clip(path.suffix, **wishes), path)
    return path


def make_heavy_clip(
    path: Path, *, seconds: float = 10, size: str = "1920x1080", fps: float = 60, sound: bool = True
) -> Path:
    """A clip that is quick to make, small (2.5 MB a second) and slow to compress: on the two cores where it was
    measured a second of it took a second, a third of it at 25 frames a second."""
    return make_clip(path, seconds=seconds, size=size, fps=fps, sound=sound, crf=28)


def make_image(
    path: Path,
    *,
    size: tuple[int, int] = (640, 480),
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


def truncate(path: Path, fraction: float) -> Path:
    """Keep only the first `fraction` of the file; returns `path`."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * fraction))
    return path


def text_named_mp4(path: Path) -> Path:
    """A text, whatever its name says; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("This is not a film.\n" * 50)
    return path


@functools.cache
def _shelf() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="roomcast-clips-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _clip(suffix: str, **wishes: Any) -> Path:
    number = _clip.cache_info().currsize
    made = _shelf() / f"{number}{suffix}"
    plain = _shelf() / f"{number}-plain{suffix}" if wishes["rotation"] else made
    _ffmpeg(*_sources(wishes), *_encoding(suffix, wishes), f"file:{plain}")
    if wishes["rotation"]:
        # The display matrix counts the other way round, and only a copy may set it.
        _ffmpeg("-display_rotation:v:0", str(-wishes["rotation"]), "-i", f"file:{plain}", "-c", "copy", f"file:{made}")
    return made


def _sources(wishes: dict[str, Any]) -> list[str]:
    width, height = map(int, wishes["size"].split("x"))
    card = f"testsrc2=size={width}x{height}:rate={wishes['fps']}:duration={wishes['seconds']}"
    if wishes["odd"]:
        card += f",format=yuv444p,crop={width - 1}:{height - 1}"
    card += f",setsar={wishes['aspect'].replace(':', '/')}"
    if wishes["vfr"]:
        card += ",select=lt(mod(n\\,7)\\,2)+lt(mod(n\\,25)\\,3)"
    sources = ["-f", "lavfi", "-i", card]
    if wishes["sound"]:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[wishes["channels"]]
        sources += ["-f", "lavfi", "-i", f"sine=440:duration={wishes['seconds']},aformat=channel_layouts={layout}"]
    if wishes["cover"]:
        sources += ["-f", "lavfi", "-i", "color=red:size=64x64:duration=0.04:rate=25"]
    return sources


def _encoding(suffix: str, wishes: dict[str, Any]) -> list[str]:
    codec = wishes["codec"]
    encoding = ["-map", "0:v", "-c:v", codec, "-pix_fmt", "yuv444p" if wishes["odd"] else wishes["pix_fmt"]]
    if wishes["vfr"]:
        encoding += ["-fps_mode", "vfr"]
    if codec == "libx264":
        encoding += ["-preset", "ultrafast", "-g", "25", "-crf", str(wishes["crf"])]
    if codec == "libvpx-vp9":
        encoding += ["-deadline", "realtime", "-cpu-used", "8"]
    if wishes["sound"]:
        encoding += ["-map", "1:a", "-c:a", "libopus" if suffix == ".webm" else "aac"]
    if wishes["cover"]:
        art = 2 if wishes["sound"] else 1
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
    if wishes["tags"]:
        encoding += ["-metadata", "title=A secret", "-metadata", "location=+52.5+013.4/", "-metadata", "comment=mine"]
        encoding += ["-metadata:s:v:0", "language=deu", "-metadata:s:v:0", "handler_name=My camera"]
    if suffix in {".mp4", ".mov"} and wishes["faststart"]:
        encoding += ["-movflags", "+faststart"]
    return encoding


def _ffmpeg(*args: str) -> None:
    subprocess.run(
        [find_binaries(None, None).ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *args], check=True
    )
