"""Images whose processing takes more than the image child: raw photographs, and HDR with all its bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from roomcast import errors

from tests.support.images import near
from tests.support.jobs import job_on, process
from tests.unit.test_raw_photos import THUMBNAIL, tiff

DATA = Path(__file__).parents[2] / "data" / "images"


async def test_raw_photograph_that_ends_in_its_tags_is_refused(tmp_path: Path) -> None:
    content = tiff([*THUMBNAIL, (50706, 4, [1])])
    moved = content[:4] + (100_008).to_bytes(4, "little") + bytes(100_000) + content[8:]
    (tmp_path / "in.dng").write_bytes(moved)
    job, _ = job_on(tmp_path / "in.dng", tmp_path / "job")
    assert job.source.format == "TIFF"
    with pytest.raises(errors.UnsupportedType, match="Raw photographs"):
        await process(job)


async def test_hdr_avif_has_its_colours(tmp_path: Path) -> None:
    job, _ = job_on(DATA / "pq_bars.avif", tmp_path / "job", image_sides=[320], image_formats=["jpeg"], quality=95)
    exact = (await job.capabilities()).can_decode("av1")
    results = await process(job)
    assert [path.name for path in job.scratch.iterdir()] == ["image.jpg"]
    with Image.open(results.files[0].path) as image:
        found = [image.getpixel((40 * bar + 20, 120)) for bar in range(7)]
    expected = [(255,) * 3, (192,) * 3, (128,) * 3, (64,) * 3, (220, 30, 30), (30, 200, 30), (30, 30, 220)]
    # An ffmpeg without a decoder of AV1 leaves the 8 bits that Pillow has: too few for dark channels.
    for colour, wanted, tolerance in zip(found, expected, [3] * 4 + [3 if exact else 32] * 3, strict=True):
        assert isinstance(colour, tuple)
        assert near(colour, wanted, tolerance), found
