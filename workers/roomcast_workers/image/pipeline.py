"""The steps of a picture, from its probing to its results."""

from __future__ import annotations

from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Tick

from roomcast_workers.image import runner as image
from roomcast_workers.job import GIB, Job, Made, Results
from roomcast_workers.sandbox.sandbox import Limits

_LIMITS = Limits(address_space=3 * GIB, cpu_seconds=600, file_size=GIB)


async def compress_picture(job: Job) -> Results:
    """Everything that is made of a picture. Enters the stages from compressing to thumbnails."""
    template, tools, reporter = job.template, job.tools, job.reporter
    settings = image.ImageSettings(
        sides=template.image_sides,
        formats=template.image_formats,
        quality=template.quality,
        max_pixels=tools.limits.max_pixels,
        max_frames=tools.limits.max_frames,
    )
    await reporter.enter(Stage.COMPRESSING, "Compressing the picture")
    source, results = await image.compress_image(
        job.path,
        job.scratch,
        job.source.format,
        settings,
        limits=_LIMITS,
        wall_seconds=min(tools.step_seconds, tools.stall_seconds * 10),
        on_fraction=lambda fraction: reporter.progress(Tick(fraction)),
        sandbox=tools.binaries.sandbox,
    )
    await reporter.enter(Stage.THUMBNAILS, "Checking the pictures")
    return Results(
        [Made(made.path, made.kind, made.mime, made.width, made.height) for made in results],
        original={
            "width": source.width,
            "height": source.height,
            "format": job.source.format,
            "hasAlpha": source.alpha,
            "animated": source.frames > 1,
            "frames": source.frames,
        },
        facts={"placeholder": {"blurhash": source.placeholder}},
    )
