"""README's tables are the code's. A table is found by the comment above it, such as `<!-- table:settings -->`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined
from roomcast.cli.exit_codes import Ending
from roomcast.errors import RETRYABLE, Code
from roomcast.http.errors import STATUS
from roomcast.settings import all_settings
from roomcast.transport.engine import Engine
from roomcast.uploads.lifecycle import TABLE

from tests.support.harness import ROOT
from tests.unit.test_house import PRIVATE

README = ROOT / "README.md"
UNITS = {"": 1, "MiB": 1 << 20, "GiB": 1 << 30}


def table(name: str) -> list[list[str]]:
    """The rows below the head of a marked table, cell by cell, without backticks."""
    found = re.search(rf"<!-- table:{name} -->\n+((?:\|.*\n)+)", README.read_text())
    assert found, f"README.md has no table marked <!-- table:{name} -->"
    lines = found[1].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def reads_as(cell: str, default: Any) -> bool:
    """Whether a cell says a default; what is worked out at start, or is nothing, is said in words."""
    if default is PydanticUndefined or default is None:
        return bool(cell)
    if isinstance(default, bool):
        return cell == str(int(default))
    if isinstance(default, int | float):
        number = re.fullmatch(r"([\d.]+) ?(MiB|GiB)?", cell)
        return number is not None and float(number[1]) * UNITS[number[2] or ""] == default
    return Path(cell) == default if isinstance(default, Path) else cell == str(default)


def test_the_settings_table() -> None:
    rows = {name.strip(): cells[1] for cells in table("settings") for name in cells[0].split(",")}
    fields = {setting.variable: setting.field for setting in all_settings()}
    assert rows.keys() == fields.keys()
    defaults = {name: field.default for name, field in fields.items()}
    assert {name: (cell, defaults[name]) for name, cell in rows.items() if not reads_as(cell, defaults[name])} == {}


def test_the_error_code_table() -> None:
    rows = {cells[0]: cells[1:] for cells in table("errors")}
    assert rows.keys() == {code.value for code in Code}
    for code in Code:
        status, retryable = rows[code.value][:2]
        assert status == str(STATUS[code])
        assert retryable == ("yes" if code in RETRYABLE else "no")


def test_the_table_of_exit_codes() -> None:
    assert [cells[0] for cells in table("endings")] == [str(ending.value) for ending in Ending]


def test_the_stage_table() -> None:
    rows = [tuple(cells[:3]) for cells in table("stages")]
    assert rows == [(stage.value, row.status.value, share(row.share)) for stage, row in TABLE.items()]


def share(of_the_bar: tuple[float, float] | None) -> str:
    if of_the_bar is None:
        return "stays where it was"
    low, high = of_the_bar
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_two_commands_come_first(command: str) -> None:
    assert command in README.read_text()[:3000]


def test_the_example_of_the_transport_attaches_our_engine() -> None:
    page = (ROOT / "server/roomcast/transport/README.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    code, _, last = example.strip().rpartition("\n")
    assert last == "web.run_app(app)"
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (the page's own text)
    assert isinstance(names["sio"].eio, Engine)
    assert [route.method for route in names["app"].router.routes()] == ["GET", "POST", "OPTIONS"]


def test_the_transport_s_page_lists_the_private_names_that_are_in_use() -> None:
    page = (
        (ROOT / "server/roomcast/transport/README.md")
        .read_text()
        .partition("## Private names")[2]
        .partition("\n## ")[0]
    )
    assert set(re.findall(r"`(_\w+)`", page)) == set().union(*PRIVATE.values())
