"""The style sheets of the pages and the elements: units of fonts."""

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
