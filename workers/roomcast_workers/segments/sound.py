"""Encode the sound of a film in one run, and divide it into CMAF segments while it grows.

ffmpeg writes a fragmented MP4 file, which is the sound of the MP4 result as it is. Its first samples are the encoder's
delay, and its edit list hides them and delays the sound by as much as it begins after the pictures. In the segments
this delay is in the times instead, because players ignore it in edit lists, and the edit list hides the first samples.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from roomcast.errors import EncodingFailed, UnreadableMedia
from roomcast.runtime.tasks import cancel_and_wait
from roomcast.segments.plan import SegmentPlan
from roomcast.segments.playlists import AUDIO_TARGET_SECONDS

from roomcast_workers.ffmpeg import segment_commands
from roomcast_workers.ffmpeg.codecs import EncodeSettings
from roomcast_workers.job import Job
from roomcast_workers.media_info.boxes import box, boxes, complete_until, find, full_box, timescale
from roomcast_workers.media_info.packet_columns import EARLY_SECONDS
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.sandbox.sandbox import USUAL_NICE
from roomcast_workers.segments.film_settings import FilmSettings
from roomcast_workers.segments.fragments import read_fragments
from roomcast_workers.video.hls import codec_string

_NICE = USUAL_NICE + 5
"""So that the film is playable sooner: the first segment takes several times as long as its sound."""

_MAX_EARLY_BYTES = 64 << 20
_EARLY_MARGIN_SECONDS = 4.0
_MAX_SECONDS = AUDIO_TARGET_SECONDS + 0.5


@dataclass(frozen=True)
class SoundSegment:
    """A segment of the sound, as a local file, and its duration in seconds."""

    path: Path
    seconds: float


@dataclass(frozen=True)
class EncodedSound:
    """The sound as far as it is encoded, in local files. `codec` is in the notation of RFC 6381; `file` is the complete
    sound, once it is."""

    init_path: Path
    codec: str
    channels: int
    segments: tuple[SoundSegment, ...] = ()
    file: Path | None = None


async def encode_sound(
    job: Job, media: VerifiedMedia, plan: SegmentPlan, on_segments: Callable[[EncodedSound], Awaitable[None]]
) -> EncodedSound:
    """Encode the sound of a film into files in the job's scratch directory, and return it.

    `on_segments` is called with the sound so far whenever it has further segments, which last about eight seconds each,
    and once more when it is complete. Raises the errors of `run_ffmpeg`, and `UnreadableMedia` if nothing of the sound
    can be decoded.
    """
    divider, settings = _divider(job, media, plan)
    grown = asyncio.Event()

    async def run() -> None:
        try:
            command = segment_commands.compress_sound(job.source_input, divider.path, media.info, settings)
            await job.run_ffmpeg(command, lambda _: grown.set(), nice=_NICE)
        finally:
            grown.set()

    running = asyncio.create_task(run(), name="sound of a film")
    try:
        while not running.done():
            await grown.wait()
            grown.clear()
            if await asyncio.to_thread(divider.advance):
                await on_segments(divider.sound)
        await running
    finally:
        await cancel_and_wait(running)
    await asyncio.to_thread(divider.advance)
    if divider.init is None:
        raise UnreadableMedia("None of the video's audio can be decoded.")
    sound = replace(divider.sound, file=divider.path)
    await on_segments(sound)
    return sound


async def encode_early_sound(job: Job, media: VerifiedMedia, plan: SegmentPlan) -> EncodedSound | None:
    """Encode the first segments of the sound of a film, and return them. `encode_sound` makes the same ones later.

    Of a source that is not fetched yet, the bytes that have them are fetched. Return None if these are too many, or
    unknown. Raises the errors of `run_ffmpeg`.
    """
    if job.is_source_partial:
        early = media.scan.stream(media.info.audio.index).early_bytes if media.info.audio is not None else None
        if early is None or early[1] - early[0] > _MAX_EARLY_BYTES:
            return None
        await job.fill([early])
    divider, settings = _divider(job, media, plan)
    seconds = EARLY_SECONDS - _EARLY_MARGIN_SECONDS
    await job.run_ffmpeg(
        segment_commands.compress_sound(job.source_input, divider.path, media.info, settings, seconds), nice=_NICE
    )
    await asyncio.to_thread(divider.advance)
    # The last one is cut off.
    return replace(divider.sound, segments=divider.sound.segments[:-1]) if divider.sound.segments[1:] else None


def _divider(job: Job, media: VerifiedMedia, plan: SegmentPlan) -> tuple[_Divider, EncodeSettings]:
    """Return what divides the sound, and how it is encoded."""
    if media.info.audio is None:
        raise ValueError("There is no sound.")
    best = plan.renditions[0]
    settings = FilmSettings.from_json(plan.settings).encode_settings(best.name, best.width, best.height)
    return _Divider(job.scratch / "sound.mp4", min(media.info.audio.channels, settings.channels)), settings


class _Divider:
    """Divides a fragmented file that is being written into segments."""

    def __init__(self, path: Path, channels: int) -> None:
        self.path = path
        self.init: _SoundInit | None = None
        self.sound = EncodedSound(path.with_name("sound-init.mp4"), "", channels)
        self._at = 0

    def advance(self) -> bool:
        """Write the segments that are complete by now, and return whether there are any."""
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with (
            self.path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            memoryview(content) as view,
        ):
            until = complete_until(view, self._at)
            if until == self._at:
                return False
            with view[:until] as complete:
                try:
                    self._divide(complete)
                except (struct.error, IndexError, ValueError) as error:
                    raise EncodingFailed("The encoder has made sound that cannot be read.") from error
            self._at = until
        return True

    def _divide(self, content: memoryview) -> None:
        start = self._at
        for name, _, _, end in boxes(content, self._at, len(content)):
            if name == b"moov":
                self.init = read_init(bytes(content[:end]))
                self.sound.init_path.write_bytes(self.init.content)
                self.sound = replace(self.sound, codec=codec_string(self.init.content))
                start = end
            elif name == b"mdat":
                self._write(bytes(content[start:end]))
                start = end

    def _write(self, fragment: bytes) -> None:
        if self.init is None:
            raise ValueError("There is a fragment without a header.")
        read = read_fragments(memoryview(self.init.content + fragment))
        seconds = (read.end - read.frames[0].shown) / self.init.timescale
        if seconds >= _MAX_SECONDS:  # ffmpeg cannot fill a gap of an hour
            raise EncodingFailed("The sound has a gap that is too long for segments.")
        path = self.path.with_name(f"sound-{len(self.sound.segments):05}.m4s")
        path.write_bytes(delayed(fragment, self.init.delay))
        self.sound = replace(self.sound, segments=(*self.sound.segments, SoundSegment(path, seconds)))


@dataclass(frozen=True)
class _SoundInit:
    """An initialization segment, whose edit list only hides the encoder's delay. `delay` is in ticks, of which a second
    has `timescale`: by how much the sound begins late."""

    content: bytes
    timescale: int
    delay: int


def read_init(init: bytes) -> _SoundInit:
    """Return the initialization segment that ffmpeg wrote, with the delay taken out of its edit list.

    Raises `ValueError` or `struct.error` for another file.
    """
    view = memoryview(init)
    header, track = find(view, b"moov", b"mvhd"), find(view, b"moov", b"trak", b"mdia", b"mdhd")
    if header is None or track is None:
        raise ValueError("There is no track.")
    film_scale, sound_scale = timescale(view[header[0] :]), timescale(view[track[0] :])
    delay = hidden = 0
    edits = find(view, b"moov", b"trak", b"edts", b"elst")
    if edits is not None:
        is_long = view[edits[0]] == 1
        entry = struct.Struct(">Qqi" if is_long else ">Iii")
        count = struct.unpack_from(">I", view, edits[0] + 4)[0]
        for number in range(min(count, 2)):
            length, first, _ = entry.unpack_from(view, edits[0] + 8 + number * entry.size)
            if first < 0:
                delay += round(length * sound_scale / film_scale)
            else:
                hidden = first
    return _SoundInit(_with_edit(view, hidden), sound_scale, delay)


def delayed(fragment: bytes, ticks: int) -> bytes:
    """Return a fragment that is decoded that many ticks later."""
    changed = bytearray(fragment)
    time = find(memoryview(fragment), b"moof", b"traf", b"tfdt")
    if time is None or fragment[time[0]] != 1:
        raise ValueError("The fragment has no time.")
    at = time[0] + 4
    struct.pack_into(">Q", changed, at, struct.unpack_from(">Q", fragment, at)[0] + ticks)
    return bytes(changed)


def _with_edit(init: memoryview, hidden: int) -> bytes:
    """Return an initialization segment with an edit list that hides this many ticks, and nothing else."""
    made = b""
    for name, start, body, end in boxes(init, 0, len(init)):
        if name == b"moov":
            inner = b"".join(
                _track_with_edit(init, at, after, hidden) if child == b"trak" else bytes(init[first:after])
                for child, first, at, after in boxes(init, body, end)
            )
            made += box(name, inner)
        else:
            made += bytes(init[start:end])
    return made


def _track_with_edit(init: memoryview, start: int, end: int, hidden: int) -> bytes:
    edits = box(b"edts", full_box(b"elst", 0, 0, struct.pack(">IIiI", 1, 0, hidden, 0x10000)))
    inner = b""
    for name, first, _, after in boxes(init, start, end):
        inner += b"" if name == b"edts" else bytes(init[first:after])
        if name == b"tkhd" and hidden:
            inner += edits
    return box(b"trak", inner)
