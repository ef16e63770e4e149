"""The peer of `tests.bench.images`: one picture to the same files as Roomcast makes, by libvips.

Run by a Python that has pyvips: `python vips_set.py SOURCE FOLDER SIDE …`.
"""

from __future__ import annotations

import sys

import pyvips  # type: ignore[import-not-found, import-untyped, unused-ignore]

SAVE = {
    "webp": {"Q": 82, "effort": 4},
    "avif": {"Q": 64, "effort": 1},
    "jpg": {"Q": 80, "optimize_coding": True, "interlace": True},
}
"""What Roomcast's quality 80 is in each format; AVIF's effort is 9 less our speed."""


def main(source: str, folder: str, *sides: str) -> None:
    """Each size from the next larger one."""
    largest = int(sides[0])
    picture = pyvips.Image.thumbnail(source, largest, height=largest, size="down", export_profile="srgb").copy_memory()
    for side in map(int, sides):
        if side < largest:
            picture = picture.thumbnail_image(side, height=side, size="down").copy_memory()
        for ending, options in SAVE.items():
            picture.write_to_file(f"{folder}/{side}.{ending}", keep="none", **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
