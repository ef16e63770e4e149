"""docs/moving.md: its examples run as they stand but for the port, and its tables are what the server says."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.scale.oracle import TABLE
from tests.support.app import AppServer
from tests.support.harness import ROOT

PAGE = (ROOT / "docs" / "moving.md").read_text()
EXAMPLES: dict[str, str] = dict(re.findall(r"<!-- example:(\w+) -->\n```js\n(.+?)\n```", PAGE, re.DOTALL))
MODULES = ROOT / "static" / "node_modules"


def rows(name: str) -> list[list[str]]:
    """The cells of a table, without their quotes."""
    found = re.search(rf"<!-- table:{name} -->\n.*\n.*\n((?:\|.*\n)+)", PAGE)
    assert found
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in found[1].splitlines()]


async def run(name: str, server: AppServer, folder: Path, file: Path) -> dict[str, Any]:
    """What the example's `upload` showed, and returned."""
    script = EXAMPLES[name].replace("http://127.0.0.1:8000", server.url)
    assert script != EXAMPLES[name]
    (folder / "node_modules").symlink_to(MODULES)
    module = folder / "example.mjs"
    module.write_text(script)
    command = ["node", str(ROOT / "tests" / "node" / "moving.mjs"), str(module), str(file)]
    ran = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )
    assert ran.returncode == 0, ran.stderr
    said: dict[str, Any] = json.loads(ran.stdout)
    return said


def test_every_block_of_code_is_an_example() -> None:
    assert PAGE.count("```") == 2 * len(EXAMPLES)


@pytest.mark.node
@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example(name: str, node: None, server: AppServer, tmp_path: Path, shelf: Shelf) -> None:
    if not (MODULES / "eventsource").is_dir():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")
    said = await run(name, server, tmp_path, shelf.image())
    assert said["ended"]["status"] == "completed"
    assert said["shown"][-1][1] == 100
    if name in ("polling", "files"):
        fields = {field for field, *_ in rows(name)}
        assert fields - {"error"} == said["ended"].keys() - {"error"}
    else:
        assert name == "both" or said["ended"]["element"]["outputs"]


@pytest.mark.parametrize("name", ["polling", "files"])
def test_the_rooms_fields_are_the_rooms(name: str) -> None:
    message = {"uploadId", "filename", "bytesExpected", "bytesReceived", "message", "progress", "status", "updatedAt"}
    assert {cell.partition(".")[0] for _, cell, _ in rows(name)} <= message | {"error", ""}


def test_the_words_are_those_of_the_contract() -> None:
    told = {stage: tuple(words) for stage, *words in rows("words")}
    assert told == {stage: (row.status, row.file, row.task, row.several) for stage, row in TABLE.items()}
