"""The style sheets of the pages and the elements: units of fonts, contrast of what is not text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "static"
SHEETS = sorted(path for path in STATIC.glob("**/*.css") if not {"node_modules", "dist"} & set(path.parts))

_FONT = re.compile(r"(?<![\w-])font(?:-size)?:([^;}]*)")


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_font_sizes_scale_with_the_font_size_of_the_browser(sheet: Path) -> None:
    sizes = _FONT.findall(sheet.read_text())
    assert [size.strip() for size in sizes if re.search(r"\dp[xt]\b", size)] == []


def _tokens(scheme: int) -> dict[str, str]:
    """Return the colours of `base.css` as hexadecimal numbers: of the light scheme (0) or the dark one (1)."""
    declared = dict(re.findall(r"(--[\w-]+): (.+);", (STATIC / "base.css").read_text()))
    colours = {}
    for name, value in declared.items():
        if found := re.fullmatch(r"light-dark\((#\w{6}), (#\w{6})\)", value):
            colours[name] = found[scheme + 1]
    for name, value in declared.items():
        if found := re.fullmatch(r"color-mix\(in srgb, var\((.+)\) (\d+)%, var\((.+)\)\)", value):
            colours[name] = _mixed(colours[found[1]], colours[found[3]], int(found[2]) / 100)
    return colours


def _channels(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def _mixed(one: str, other: str, share: float) -> str:
    mixed = [share * a + (1 - share) * b for a, b in zip(_channels(one), _channels(other), strict=True)]
    return "#" + "".join(f"{round(channel):02x}" for channel in mixed)


def _contrast(one: str, other: str) -> float:
    """Return the contrast as WCAG defines it."""

    def luminance(colour: str) -> float:
        linear = [x / 12.92 if (x := c / 255) <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for c in _channels(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("drawn", "grounds"),
    [
        ("--control-line", ["--surface", "--paper", "--sunken"]),
        ("--accent", ["--surface", "--paper", "--sunken", "--accent-soft"]),
        ("--fill-idle", ["--surface", "--sunken"]),
        ("--lamp-off", ["--surface", "--paper"]),
        ("--muted", ["--surface", "--paper"]),
        ("--good", ["--surface", "--paper"]),
        ("--bad", ["--surface", "--paper"]),
        ("--warn", ["--paper", "--warn-soft"]),
    ],
)
def test_lines_and_fills_have_enough_contrast(drawn: str, grounds: list[str], scheme: int) -> None:
    colours = _tokens(scheme)
    ratios = {ground: round(_contrast(colours[drawn], colours[ground]), 2) for ground in grounds}
    assert {ground: ratio for ground, ratio in ratios.items() if ratio < 3} == {}


@pytest.mark.parametrize(
    ("sheet", "selector"),
    [
        ("page/progress-demo.css", 'input[type="password"]'),
        ("page/progress-demo.css", ".drop"),
        ("rows/bar.css", ".bar.slim"),
        ("intake/upload-drop.css", "#zone"),
    ],
)
def test_controls_and_tracks_have_a_border_of_enough_contrast(sheet: str, selector: str) -> None:
    rules = re.findall(r"([^{}@/]+)\{([^{}]*)\}", (STATIC / sheet).read_text())
    bodies = [body for selectors, body in rules if selector in [one.strip() for one in selectors.split(",")]]
    lines = [line for body in bodies for line in re.findall(r"(?:border|box-shadow): (.+);", body)]
    assert any("var(--control-line)" in line or "var(--muted)" in line for line in lines), lines
