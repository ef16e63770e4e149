"""How a film is to be compressed, and whether what came out is right. Pure."""

from __future__ import annotations

from roomcast import errors

from roomcast_workers.ffmpeg.codecs import EncodeSettings
from roomcast_workers.media_info.probe import MediaInfo
from roomcast_workers.media_info.truncation import lengths_match


def verify(wanted: EncodeSettings, info: MediaInfo, seconds: float, result: MediaInfo) -> None:
    """Raise `TranscodeError` unless `result` is what `commands.compress` asked of a film of so many `seconds`, and
    `UnreadableMedia` when nothing of a stream could be decoded. That it is too short is said elsewhere: `is_short`."""
    video = result.video
    if video is None:
        raise errors.UnreadableMedia("none of the film's pictures can be decoded")
    if video.codec != wanted.codec.name or video.pix_fmt != "yuv420p" or not video.as_is:
        raise errors.TranscodeError("the result is not the video it should be")
    if (video.width, video.height) != (wanted.width, wanted.height):
        raise errors.TranscodeError("the result has not the size it should have")
    _verify_sound(info, result, wanted.codec.audio)
    verify_length(seconds, result)


def verify_copy(info: MediaInfo, seconds: float, result: MediaInfo) -> None:
    """The same of what `commands.remux` made."""
    if (info.video is None) != (result.video is None) or (
        info.video and result.video and info.video.codec != result.video.codec
    ):
        raise errors.TranscodeError("the result is not the video it should be")
    _verify_sound(info, result, "aac")
    verify_length(seconds, result)


def verify_length(seconds: float, result: MediaInfo) -> None:
    """Raise `UnreadableMedia` when the result has no length, for nothing came of its source, and `TranscodeError` when
    it is longer than it may be."""
    if result.duration is None:
        raise errors.UnreadableMedia("nothing of the file can be decoded")
    if result.duration > seconds and not lengths_match(result.duration, seconds):
        raise errors.TranscodeError("the result is longer than its source")


def is_short(seconds: float, result: MediaInfo) -> bool:
    """Whether the result lacks something of a source of so many `seconds`."""
    return result.duration is None or (result.duration < seconds and not lengths_match(result.duration, seconds))


def _verify_sound(info: MediaInfo, result: MediaInfo, codec: str) -> None:
    if info.audio is not None and result.audio is None:
        raise errors.UnreadableMedia("none of the film's sound can be decoded")
    if (info.audio is None) != (result.audio is None) or (result.audio and result.audio.codec != codec):
        raise errors.TranscodeError("the result's sound is not the source's")
