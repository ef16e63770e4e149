"""Settings: how uploads are processed."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import Field

from roomcast.settings.group import SettingsGroup
from roomcast.settings.variables.environment import Variable
from roomcast.uploads.templates import Preset


class WorkerSettings(SettingsGroup):
    """How uploads are processed."""

    workers: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        ge=1,
        description="Uploads that this process works on at the same time. The default is half the CPUs, at least 1.",
    )
    attempts: int = Field(3, ge=1, description="Failed attempts after which an upload ends in an error.")
    retry_seconds: float = Field(2, ge=0, description="Delay before the second attempt. It doubles each time.")
    lease_seconds: float = Field(
        5, ge=1, description="How long a worker that does not renew its lease keeps an upload."
    )
    stall_seconds: float = Field(
        60, gt=0, description="Longest time that ffmpeg may make no progress before it is killed."
    )
    preset: Preset = Field(
        "fast",
        description="Effort of compressing videos, for templates without a `preset`, by x264's names. `veryfast` suits "
        "small machines: half of the CPU time, and files that are a fifth larger at the same quality.",
    )
    step_seconds: float = Field(6 * 3600, gt=0, description="Longest time that one step may take.")
    max_pixels: int = Field(
        300_000_000,
        ge=1,
        description="Most pixels in one picture; in a frame of a video at most 100,000,000 of them. More are refused "
        "with `TOO_LARGE`, as for the next three limits, and so is a picture whose decoding would take more than 3 GiB "
        "of memory. JPEG is decoded at the size that is needed.",
    )
    max_duration_seconds: float = Field(21600, gt=0, le=604_800, description="Longest video or audio.")
    max_frames: int = Field(2000, ge=1, description="Most frames of an animated picture.")
    max_streams: int = Field(128, ge=1, le=1000, description="Most streams in one file.")
    sandbox: Literal["auto", "required"] = Field(
        "auto",
        description="What confines the programs that read uploads. `auto`: the strongest that this system has, with a "
        "warning about what is missing. `required`: the process does not start unless files, the network and system "
        "calls are all restricted.",
    )
    ffmpeg_path: Annotated[str | None, Variable("FFMPEG_PATH")] = Field(
        None, description="Another ffmpeg than the packaged one."
    )
    ffprobe_path: Annotated[str | None, Variable("FFPROBE_PATH")] = Field(
        None, description="Another ffprobe than the packaged one."
    )
