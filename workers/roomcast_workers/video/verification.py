"""Verify that a result is what was asked for. Pure."""

from __future__ import annotations

from roomcast import errors

from roomcast_workers.ffmpeg.codecs import EncodeSettings
from roomcast_workers.media_info.probe import MediaInfo
from roomcast_workers.media_info.truncation import lengths_match

_WRONG_VIDEO = "The result is not the expected video."


def verify_encoded(settings: EncodeSettings, info: MediaInfo, seconds: float, result: MediaInfo) -> None:
    """Verify what `commands.compress` made of a source of `seconds`; a result that is too short passes (`is_short`).

    Raises `UnreadableMedia` when nothing of a stream could be decoded, and `EncodingFailed` when the result is wrong.
    """
    video = result.video
    if video is None:
        raise errors.UnreadableMedia("None of the video's frames can be decoded.")
    if video.codec != settings.codec.name or video.pix_fmt != "yuv420p" or not video.as_is:
        raise errors.EncodingFailed(_WRONG_VIDEO)
    if (video.width, video.height) != (settings.width, settings.height):
        raise errors.EncodingFailed("The result does not have the expected size.")
    _verify_audio(info, result, settings.codec.audio)
    _verify_duration(seconds, result)


def verify_copied(info: MediaInfo, seconds: float, result: MediaInfo) -> None:
    """Verify what `commands.remux` made, with the same errors."""
    if (info.video is None) != (result.video is None) or (
        info.video and result.video and info.video.codec != result.video.codec
    ):
        raise errors.EncodingFailed(_WRONG_VIDEO)
    _verify_audio(info, result, "aac")
    _verify_duration(seconds, result)


def is_short(seconds: float, result: MediaInfo) -> bool:
    """Return whether the result is shorter than its source of `seconds`."""
    return result.duration is None or (result.duration < seconds and not lengths_match(result.duration, seconds))


def _verify_duration(seconds: float, result: MediaInfo) -> None:
    """Raise `UnreadableMedia` when the result is empty, and `EncodingFailed` when it is too long."""
    if result.duration is None:
        raise errors.UnreadableMedia("Nothing in the file can be decoded.")
    if result.duration > seconds and not lengths_match(result.duration, seconds):
        raise errors.EncodingFailed("The result is longer than its source.")


def _verify_audio(info: MediaInfo, result: MediaInfo, codec: str) -> None:
    if info.audio is not None and result.audio is None:
        raise errors.UnreadableMedia("None of the video's audio can be decoded.")
    if (info.audio is None) != (result.audio is None) or (result.audio and result.audio.codec != codec):
        raise errors.EncodingFailed("The result does not have the expected audio.")
