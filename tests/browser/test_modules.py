"""The modules below `static/`: their unit tests in Node, their folders, and the pinned libraries."""

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
LAYERS = (
    "protocol", "shared", "sending", "client", "bindings", "locale", "results", "rows", "elements", "intake", "page",
    "admin/common", "admin/charts", "admin/panels", "admin/uploads", "admin/detail", "admin", "docs", "",
)  # fmt: skip
"""The folders, lowest first; the empty name is that of the public modules at the top."""

_IMPORT = re.compile(r"""(?:\bfrom |\bimport\(|^import )"(\.[^"]+\.js)\"""", re.MULTILINE)


def modules(folder: str) -> list[Path]:
    return sorted((STATIC / folder).glob("*.js"))


def texts(*suffixes: str) -> dict[str, str]:
    """The files of a suffix below `static/` that are ours, by their paths."""
    paths = [path.relative_to(STATIC) for suffix in suffixes for path in STATIC.rglob(f"*{suffix}")]
    ours = [path for path in paths if path.parts[0] not in ("node_modules", "dist")]
    return {path.as_posix(): (STATIC / path).read_text() for path in ours}


def imports(path: Path) -> set[Path]:
    """The modules that a module or a type declaration refers to, types included."""
    examples_removed = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    return {(path.parent / name).resolve() for name in _IMPORT.findall(examples_removed)}


@pytest.mark.node
@pytest.mark.parametrize("tests", sorted(path.name for path in Path(__file__).parent.glob("*.test.mjs")))
def test_in_node(tests: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    deadline = ROOT / "tests" / "node" / "deadline.mjs"
    command: list[str | Path] = [node, "--import", deadline, Path(__file__).with_name(tests)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^# pass [1-9]", ran.stdout, re.MULTILINE), ran.stdout


@pytest.mark.parametrize(
    ("package", "script"),
    [("socket.io-client", "socket.io.min.js"), ("tus-js-client", "tus.min.js"), ("hls.js", "hls.min.js")],
)
def test_cdn_copy_of_library_is_the_installed_one(package: str, script: str) -> None:
    pinned = json.loads((STATIC / "package.json").read_text())["dependencies"][package]
    source = (STATIC / "shared" / "lazy-import.js").read_text()
    url = f'"https://cdn.jsdelivr.net/npm/{package}@{pinned}/dist/{script}"'
    library = next(found for found in re.findall(r"load\(\{(.+?)\}\)", source, re.DOTALL) if url in found)
    installed = STATIC / "node_modules" / package / "dist" / script
    if not installed.is_file():
        pytest.skip("static/node_modules is missing: `make setup` installs it if npm is installed")
    digest = base64.b64encode(hashlib.sha384(installed.read_bytes()).digest()).decode()
    assert f'"sha384-{digest}"' in library
    local = re.search(r'module: "(.+)"', library)
    assert local is not None
    assert (STATIC / "node_modules" / local[1]).is_file()


def test_every_module_is_in_a_layer() -> None:
    assert {Path(path).parent.as_posix() for path in texts(".js")} == {*LAYERS, "."} - {""}


def test_no_script_or_style_sheet_outgrows_one_subject() -> None:
    lengths = {path: len(text.splitlines()) for path, text in texts(".js", ".css").items()}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > 500} == {}


@pytest.mark.parametrize("folder", LAYERS)
def test_folder_is_small_and_imports_lower_layers_only(folder: str) -> None:
    assert 1 <= len(modules(folder)) <= 12
    allowed = LAYERS[: LAYERS.index(folder) + 1]
    for module in modules(folder):
        for imported in imports(module):
            assert imported.is_file(), f"{module} imports {imported}"
            layer = imported.relative_to(STATIC).parent.as_posix().strip(".")
            assert layer in allowed, f"{module} imports {imported}"
            assert layer or not folder, f"{module} imports a public module"


def test_client_uses_no_elements_of_the_page() -> None:
    found, waiting = set[Path](), [STATIC / "roomcast.js"]
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting += imports(module) - found
    assert {path.relative_to(STATIC).parent.as_posix() for path in found} == {
        ".",
        "protocol",
        "sending",
        "client",
        "shared",
    }
    shared = {path.name for path in found if path.parent.name == "shared"}
    assert shared == {"lazy-import.js", "server.js", "storage.js"}


def test_declarations_are_complete() -> None:
    declarations = [path for path in STATIC.rglob("*.d.ts") if "node_modules" not in path.parts]
    assert {path.name for path in declarations if path.parent == STATIC} == {
        "element.d.ts", "roomcast.d.ts", "upload-drop.d.ts", "upload-progress.d.ts", "upload-progress-list.d.ts",
    }  # fmt: skip
    for declaration in declarations:
        for imported in imports(declaration):
            assert imported.with_suffix(".d.ts").is_file(), f"{declaration} refers to {imported}"
