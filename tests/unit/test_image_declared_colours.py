"""Colours that an image declares without a profile, each against a known colour."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from roomcast_workers.image.child.colour_space import ColourSpace, apply, from_cicp, inverse, to_srgb_light

from tests.support.image_child import BARS, DATA, PLAIN, assert_bars, bars, colours, decoded
from tests.support.images import chunk


@pytest.fixture(autouse=True)
def _pillow_limits_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


def pq(light: float) -> float:
    power = (light * 203 / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(light: tuple[float, ...]) -> tuple[float, ...]:
    """Return the codes of BT.2020 light as displayed by a display of 1,000 cd/m²."""
    shown = [value * 203 / 1000 for value in light]
    luminance = 0.2627 * shown[0] + 0.6780 * shown[1] + 0.0593 * shown[2]
    scene = [value * luminance ** (1 / 1.2 - 1) if luminance else 0.0 for value in shown]
    return tuple(
        (3 * value) ** 0.5 if value <= 1 / 12 else 0.17883277 * math.log(12 * value - 0.28466892) + 0.55991073
        for value in scene
    )


def linear(level: int) -> float:
    code = level / 255
    return code / 12.92 if code <= 0.04045 else float(((code + 0.055) / 1.055) ** 2.4)


def encoded(space: ColourSpace, peak: int, transfer: str) -> Sequence[tuple[int, ...]]:
    """Return the bars as samples of another colour space."""
    matrix = inverse(to_srgb_light(space.primaries))
    lights = [tuple(max(0.0, value) for value in apply(matrix, [linear(level) for level in bar])) for bar in BARS]
    codes: dict[str, Callable[[tuple[float, ...]], tuple[float, ...]]] = {
        "pq": lambda light: tuple(pq(value) for value in light),
        "hlg": hlg,
        "linear": lambda light: light,
    }
    convert = codes[transfer]
    return [tuple(round(code * peak) for code in convert(light)) for light in lights]


@pytest.mark.parametrize(("number", "transfer"), [(16, "pq"), (18, "hlg"), (8, "linear")])
@pytest.mark.parametrize("alpha", [False, True])
def test_png_with_cicp_has_its_colours(number: int, transfer: str, alpha: bool) -> None:
    samples = encoded(from_cicp(9, number), 65535, transfer)
    if alpha:
        samples = [(*sample, 0x8080) for sample in samples]
    content = bars(samples, 16, colour=6 if alpha else 2, extra=chunk(b"cICP", bytes([9, number, 0, 1])))
    image = decoded(content, "PNG")
    assert_bars(colours(image, 7, 7), BARS)
    assert not alpha or image.getpixel((4, 4))[3] == 128  # type: ignore[index]


def test_grey_hdr_png_has_its_brightness() -> None:
    grey = [(round(pq(linear(bar[0])) * 65535),) for bar in BARS[:4]]
    image = decoded(bars(grey, 16, colour=0, extra=chunk(b"cICP", bytes([9, 16, 0, 1]))), "PNG")
    assert_bars(colours(image, 4, 4), BARS[:4], 1)


def test_8_bit_hdr_png_has_its_brightness() -> None:
    samples = encoded(from_cicp(9, 16), 255, "pq")[:4]
    image = decoded(bars(samples, extra=chunk(b"cICP", bytes([9, 16, 0, 1]))), "PNG")
    assert_bars(colours(image, 4, 4), BARS[:4])


def test_light_above_the_reference_white_is_compressed_and_the_rest_is_not() -> None:
    lights = [0.05, 0.2, 0.5, 1.0, 2.0, 4.926]
    samples = [(round(pq(light) * 65535),) * 3 for light in lights]
    image = decoded(bars(samples, 16, extra=chunk(b"cICP", bytes([9, 16, 0, 1]))), "PNG")
    found = [colour[0] for colour in colours(image, 6, 6)]
    assert found == sorted(set(found)), "every level stays apart"
    assert found[-1] >= 250
    assert all(abs(level - expected) <= 2 for level, expected in zip(found, (63, 124, 188), strict=False)), found


P3_BARS = [(255, 255, 255), (192, 192, 192), (128, 128, 128), (64, 64, 64), (240, 0, 0), (0, 204, 0), (31, 30, 229)]


@pytest.mark.parametrize(
    "extra", [chunk(b"cICP", bytes([12, 13, 0, 1])), chunk(b"sRGB", b"\0") + chunk(b"cICP", bytes([12, 13, 0, 1]))]
)
def test_display_p3_png_has_its_colours(extra: bytes) -> None:
    assert_bars(colours(decoded(bars([*BARS], extra=extra), "PNG"), 7, 7), P3_BARS)


def test_display_p3_heic_has_its_colours() -> None:
    assert_bars(colours(decoded((DATA / "p3.heic").read_bytes(), "HEIF"), 6), P3_BARS[:6])


def test_hdr_heic_has_its_colours() -> None:
    for number, transfer in ((16, "pq"), (18, "hlg")):
        samples = encoded(from_cicp(9, number), 65535, transfer)
        row = b"".join(struct.pack("<3H", *sample) * 16 for sample in samples)
        picture = pillow_heif.from_bytes("RGB;16", (16 * len(samples), 64), row * 64)
        output = io.BytesIO()
        picture.save(
            output, quality=100, chroma=444, bit_depth=10, save_nclx_profile=True,
            color_primaries=9, transfer_characteristics=number, matrix_coefficients=9, full_range_flag=1,
        )  # fmt: skip
        assert_bars(colours(decoded(output.getvalue(), "HEIF"), 7, 7), BARS, 4)


def test_hdr_avif_has_its_brightness_and_with_all_its_bits_its_colours(tmp_path: Path) -> None:
    """Pillow decodes AVIF to 8 bits, too few for dark channels of saturated colours."""
    content = (DATA / "pq_bars.avif").read_bytes()
    assert_bars(colours(decoded(content, "AVIF"), 4), BARS[:4])
    samples = [*encoded(from_cicp(9, 16), 65535, "pq"), (0, 0, 0)]
    (tmp_path / "deep").write_bytes(b"".join(struct.pack("<3H", *sample) * 40 for sample in samples) * 240)
    assert_bars(colours(decoded(content, "AVIF", str(tmp_path / "deep"))), BARS)
    (tmp_path / "short").write_bytes(bytes(100))
    assert_bars(colours(decoded(content, "AVIF", str(tmp_path / "short")), 4), BARS[:4])


def test_linear_png_has_its_brightness() -> None:
    assert_bars(colours(decoded((DATA / "linear.png").read_bytes(), "PNG")), BARS)
    samples = [tuple(round(linear(level) * 65535) for level in bar) for bar in BARS]
    assert_bars(
        colours(decoded(bars(samples, 16, extra=chunk(b"gAMA", struct.pack(">I", 100_000))), "PNG"), 7, 7), BARS, 1
    )


@pytest.mark.parametrize("extra", [b"", chunk(b"sRGB", b"\0"), chunk(b"cICP", bytes([1, 13, 0, 1]))])
def test_gamma_of_srgb_and_gamma_beside_a_stronger_chunk_change_nothing(extra: bytes) -> None:
    gamma = 100_000 if extra else 45_455
    content = bars(PLAIN, extra=chunk(b"gAMA", struct.pack(">I", gamma)) + extra)
    assert_bars(colours(decoded(content, "PNG"), 4, 4), PLAIN, 0)


def test_chromaticities_of_a_png_are_converted() -> None:
    """Primaries of red and green that change places show red as green."""
    swapped = (0.3127, 0.329, 0.3, 0.6, 0.64, 0.33, 0.15, 0.06)
    content = bars(
        PLAIN,
        extra=chunk(b"gAMA", struct.pack(">I", 45_455))
        + chunk(b"cHRM", struct.pack(">8I", *(round(v * 100_000) for v in swapped))),
    )
    assert_bars(colours(decoded(content, "PNG"), 4, 4), [PLAIN[1], PLAIN[0], PLAIN[2], PLAIN[3]], 2)
