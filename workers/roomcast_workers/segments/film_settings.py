"""What the settings of a plan hold, as JSON: how each worker reads the source and encodes its segments. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from roomcast.uploads.templates import CodecName

from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings
from roomcast_workers.ffmpeg.commands import Metric
from roomcast_workers.ffmpeg.filters import ToneMapper
from roomcast_workers.media_info.probe import VideoStream


@dataclass(frozen=True)
class RenditionSettings:
    """How one rendition is encoded. `max_rate`, in bits per second, replaces the limit that the quality has."""

    crf: int
    limited: bool = True
    max_rate: int | None = None


@dataclass(frozen=True)
class FilmSettings:
    """How a film is read and encoded, the same for all segments.

    `demuxer` reads the source, of which `video` describes the stream. `seeks` has for each segment when its keyframe is
    shown, in seconds by the clock of the file. `renditions` are by name. `target_quality` is in VMAF points, and every
    segment of the best rendition reaches what stands for it by the `metric`.
    """

    demuxer: str
    video: VideoStream
    seeks: tuple[float, ...]
    codec: CodecName
    preset: str
    renditions: Mapping[str, RenditionSettings]
    tone_mapper: ToneMapper = "none"
    target_quality: float | None = None
    metric: Metric | None = None
    audio_bitrate: int = 128_000
    seconds: float = 0.0

    def encode_settings(self, rendition: str, width: int, height: int) -> EncodeSettings:
        """Return the settings with which a rendition of this size is encoded."""
        quality = self.renditions[rendition]
        rate = ConstantQuality(quality.crf, limited=quality.limited)
        return EncodeSettings(
            *(CODECS[self.codec], self.preset, rate, width, height, self.audio_bitrate),
            tone_mapper=self.tone_mapper,
            seconds=self.seconds,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> FilmSettings:
        """Return the settings that `to_json` has described. Other fields are ignored."""
        known = {name: value for name, value in described.items() if name in cls.__dataclass_fields__}
        last = described["video"].get("last_frame")
        video = VideoStream(**described["video"] | {"last_frame": tuple(last) if last else None})
        renditions = {name: RenditionSettings(**given) for name, given in described["renditions"].items()}
        return cls(**known | {"video": video, "seeks": tuple(described["seeks"]), "renditions": renditions})
