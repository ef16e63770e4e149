"""Images of 16 bits in several channels, which Pillow does not have."""

from __future__ import annotations

from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image

_DEEP_BYTES = 6
_PNG_MODES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
_HEIF_CHANNELS = {"L;16": 1, "LA;16": 2, "RGB;16": 3, "RGBA;16": 4, "I;16": 1, "I;16L": 1}


class DeepImage(NamedTuple):
    """Red, green and blue as three images of mode I;16, and the alpha of mode L, if there is one."""

    colours: list[Image.Image]
    alpha: Image.Image | None


def deep_image(image: Image.Image, file: IO[bytes], decoded: str) -> DeepImage | None:
    """Return the image, which need not be loaded, of `file` with all its bits; None if it has not more than 8, or they
    cannot be had. `decoded` is `ImageRequest.deep`."""
    if image.format == "AVIF" and decoded:
        return _decoded(image, decoded)
    if image.format == "PNG":
        return _deep_png(image, file)
    if image.format == "HEIF" and image.info.get("bit_depth", 8) > 8:
        return _deep_heif(file)
    return None


def _deep_png(image: Image.Image, file: IO[bytes]) -> DeepImage | None:
    if image.mode.startswith("I;16"):
        image.load()
        return DeepImage([image.convert("I;16")] * 3, None)
    tile = getattr(image, "tile", [])
    if len(tile) != 1 or tile[0].args not in _PNG_MODES or getattr(image, "is_animated", False):
        return None
    low_bytes = _PNG_MODES[tile[0].args]
    image.load()
    file.seek(0)
    # Pillow drops the second byte of each sample. Read as little-endian, the first byte is the one that it drops.
    with Image.open(file, formats=["PNG"]) as second:
        second.tile = [second.tile[0]._replace(args=low_bytes)]
        second.load()
        pairs = list(zip(second.split(), image.split(), strict=True))
    colours = [_joined(low.tobytes(), high.tobytes(), image.size) for low, high in pairs[:3]]
    return DeepImage(colours, image.getchannel("A") if image.mode == "RGBA" else None)


def _joined(low: bytes, high: bytes, size: tuple[int, int]) -> Image.Image:
    codes = bytearray(2 * len(low))
    codes[0::2], codes[1::2] = low, high
    return Image.frombytes("I;16", size, bytes(codes))


def _decoded(image: Image.Image, decoded: str) -> DeepImage | None:
    """Return the decoded pixels, if they are as many as they should be, with the alpha that Pillow decodes."""
    data = Path(decoded).read_bytes()
    width, height = image.size
    if len(data) != width * height * _DEEP_BYTES or getattr(image, "is_animated", False):
        return None
    image.load()
    return DeepImage(_channels(data, 3, image.size), image.getchannel("A") if "A" in image.getbands() else None)


def _deep_heif(file: IO[bytes]) -> DeepImage | None:
    import pillow_heif  # noqa: PLC0415 - a large library that few images need

    file.seek(0)
    opened = pillow_heif.open_heif(file, convert_hdr_to_8bit=False)
    primary = opened[opened.primary_index]
    count = _HEIF_CHANNELS.get(primary.mode)
    if count is None:
        return None
    data, (width, height) = bytes(primary.data), primary.size
    row = 2 * width * count
    if primary.stride != row:
        data = b"".join(data[top * primary.stride : top * primary.stride + row] for top in range(height))
    channels = _channels(data, count, (width, height))
    alpha = None
    if count in {2, 4}:
        alpha = Image.frombytes("L", (width, height), channels.pop().tobytes()[1::2])
    return DeepImage(channels if len(channels) == 3 else channels * 3, alpha)


def _channels(data: bytes, count: int, size: tuple[int, int]) -> list[Image.Image]:
    """Return the interleaved channels of 16 bits as images."""
    samples = memoryview(data).cast("H")
    return [Image.frombytes("I;16", size, samples[channel::count].tobytes()) for channel in range(count)]
