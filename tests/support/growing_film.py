"""A film in segments that is played while a test stores one segment after the other."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Route
from roomcast.segments.plan import (
    AUDIO,
    AudioSegment,
    AudioTrack,
    InitFile,
    PlannedRendition,
    PlannedSegment,
    SegmentBoard,
    SegmentFile,
    SegmentPlan,
    TaskResult,
)
from roomcast.segments.playlists import playable, playlists
from roomcast_workers.ffmpeg.binaries import find_binaries

_SIZES = {"144": (256, 144), "72": (128, 72)}
_FPS = 10


class GrowingFilm:
    """A film with sound in segments of one second and two sizes, and the answers of a server that has stored some.

    `grant` is what its URLs are signed with: a request with another one is refused.
    """

    def __init__(self, folder: Path, *, seconds: int) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.grant = "first"
        self.requests: list[str] = []
        self.refused = 0
        self._encode(seconds)
        segments = tuple(PlannedSegment(start=float(second), seconds=1.0, frames=_FPS) for second in range(seconds))
        renditions = tuple(PlannedRendition(name, *size) for name, size in _SIZES.items())
        plan = SegmentPlan("plan", "encoder", segments, renditions, fps=_FPS, has_audio=True)
        self.board = SegmentBoard(plan, audio=AudioTrack(self._init(AUDIO, "mp4a.40.2"), 1, (), complete=False))

    def _encode(self, seconds: int) -> None:
        (large, small) = (f"scale={width}:{height}" for width, height in _SIZES.values())
        sources = [f"testsrc2=size=256x144:rate={_FPS}:duration={seconds}", f"sine=440:duration={seconds}"]
        video = ["-preset", "ultrafast", "-bf", "0", "-g", str(_FPS), "-pix_fmt", "yuv420p", "-profile:v", "baseline"]
        subprocess.run(
            [
                *(find_binaries().ffmpeg, "-v", "error"),
                *(option for source in sources for option in ("-f", "lavfi", "-i", source)),
                *("-filter_complex", f"[0:v]split[a][b];[a]{large}[v0];[b]{small}[v1]"),
                *("-map", "[v0]", "-map", "[v1]", "-map", "1:a", *video, "-c:a", "aac", "-ac", "1", "-b:a", "32k"),
                *("-f", "hls", "-hls_time", "1", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod"),
                *("-var_stream_map", f"v:0,name:144 v:1,name:72 a:0,name:{AUDIO}"),
                *("-hls_fmp4_init_filename", "hls-%v-init.mp4"),
                *("-hls_segment_filename", self.folder / "hls-%v-%05d.m4s", self.folder / "made-%v.m3u8"),
                *("-map", "0:v"),
                *video,
                *("-movflags", "+faststart"),
                self.folder / "video.mp4",
            ],
            check=True,
        )

    @property
    def playable(self) -> dict[str, object] | None:
        """What the messages of the upload say."""
        found = playable(self.board, "film/segments")
        return None if found is None else {**found, "url": f"/media/{self.grant}/{found['key']}"}

    @property
    def result(self) -> dict[str, object]:
        """An output of the upload when the film is complete."""
        url = f"/media/{self.grant}/film/results/video.mp4"
        return {"name": "video", "kind": "video", "key": "video.mp4", "url": url, "mime": "video/mp4", "size": 1}

    def store(self, task: int, *, decodable: bool = True) -> None:
        """Store the result of a task, which is nothing if it is not decodable, and the sound up to there."""
        planned = self.board.plan.tasks[task]
        made = [(name, self.folder / f"hls-{name}-{planned.segment:05}.m4s") for name in planned.renditions]
        files = (SegmentFile(name, planned.segment, path.name, path.stat().st_size, _FPS) for name, path in made)
        inits = (self._init(name, "avc1.42C00B") for name in planned.renditions)
        result = TaskResult(tuple(files), tuple(inits)) if decodable else TaskResult(())
        results = {**self.board.results, task: result}
        sound = self._sound(planned.segment)
        self.board = replace(self.board, version=self.board.version + 1, results=results, audio=sound)

    def _sound(self, segment: int) -> AudioTrack:
        assert self.board.audio
        last = segment == len(self.board.plan.segments) - 1
        paths = sorted(self.folder.glob(f"hls-{AUDIO}-0*.m4s"))
        stored = paths if last else paths[: segment + 1]
        segments = (AudioSegment(path.name, 1.0, path.stat().st_size) for path in stored)
        return replace(self.board.audio, segments=tuple(segments), complete=last)

    def _init(self, rendition: str, codec: str) -> InitFile:
        return InitFile(rendition, f"hls-{rendition}-init.mp4", "", codec)

    async def answer(self, route: Route) -> None:
        """Answer a request for a playlist or a file."""
        grant, name = route.request.url.split("/")[-4], route.request.url.rpartition("/")[2]
        if grant != self.grant:
            self.refused += 1
            await route.fulfill(status=403)
        elif name in (texts := playlists(self.board)):
            await route.fulfill(body=texts[name], content_type="application/vnd.apple.mpegurl")
        else:
            self.requests.append(name)
            await _send_range(route, (self.folder / name).read_bytes())


async def _send_range(route: Route, content: bytes) -> None:
    """Answer with the bytes that the request asks for: a browser does not seek in a file without that."""
    first, _, last = (route.request.headers.get("range") or "bytes=0-").removeprefix("bytes=").partition("-")
    chosen = content[int(first) : int(last or len(content)) + 1]
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {first}-{int(first) + len(chosen) - 1}/{len(content)}",
    }
    is_range = "range" in route.request.headers
    await route.fulfill(
        status=206 if is_range else 200, body=chosen, content_type="video/mp4", headers=headers if is_range else {}
    )
