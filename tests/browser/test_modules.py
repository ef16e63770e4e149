"""The page's pure modules, in Node; and what holds its files to each other."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.harness import ROOT

STATIC = ROOT / "static"


@pytest.mark.node
@pytest.mark.parametrize("tests", sorted(path.name for path in Path(__file__).parent.glob("*.test.mjs")))
def test_in_node(tests: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    ran = subprocess.run(
        [node, Path(__file__).with_name(tests)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^# pass [1-9]", ran.stdout, re.MULTILINE), ran.stdout


@pytest.mark.parametrize(
    ("package", "script", "module"),
    [
        ("socket.io-client", "socket.io.min.js", "socket-io.js"),
        ("tus-js-client", "tus.min.js", "resumable.js"),
        ("hls.js", "hls.min.js", "streaming.js"),
    ],
)
def test_the_cdn_serves_the_very_library_that_is_installed(package: str, script: str, module: str) -> None:
    pinned = json.loads((STATIC / "package.json").read_text())["dependencies"][package]
    source = (STATIC / module).read_text()
    assert f'"https://cdn.jsdelivr.net/npm/{package}@{pinned}/dist/{script}"' in source
    installed = STATIC / "node_modules" / package / "dist" / script
    if not installed.is_file():
        pytest.skip("static/node_modules is missing: `make setup` brings it where npm is installed")
    digest = base64.b64encode(hashlib.sha384(installed.read_bytes()).digest()).decode()
    assert f'"sha384-{digest}"' in source
    local = re.search(r'module: "(.+)"', source)
    assert local is not None
    assert (STATIC / "node_modules" / local[1]).is_file()


def test_the_library_knows_nothing_of_the_page() -> None:
    """What `roomcast.js` imports, directly and not, is itself and nothing that touches a document's elements."""
    found, waiting = set[str](), ["roomcast.js"]
    while waiting:
        name = waiting.pop()
        found.add(name)
        imports = re.findall(
            r'^(?:import|export) .* from "\./([\w-]+\.js)";$', (STATIC / name).read_text(), re.MULTILINE
        )
        waiting += [imported for imported in imports if imported not in found]
    assert found == {
        "roomcast.js",
        "aggregate.js",
        "direct.js",
        "failure.js",
        "fallback.js",
        "http.js",
        "library.js",
        "links.js",
        "merge.js",
        "resumable.js",
        "socket-io.js",
        "sse.js",
        "storage.js",
        "stream.js",
        "turns.js",
        "unfinished.js",
        "upload.js",
    }
