"""The house rules: directions of dependency, what a package may do on import, and documents that cannot rot."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import engineio
import pytest
import socketio

from tests.support.sources import ROOT, nodes_of, tree_of

LAYERS = (
    {"roomcast.errors", "roomcast.forwarded"},
    {
        "roomcast.runtime",
        "roomcast.transport",
        "roomcast.tracing",
        "roomcast.origins",
        "roomcast.public_key",
        "roomcast.credentials",
        "roomcast.json_requests",
    },
    {"roomcast.uploads"},
    {"roomcast.segments"},
    {"roomcast.settings", "roomcast.ledger", "roomcast.media", "roomcast.dispatch"},
    {"roomcast.assemblies", "roomcast.fanout", "roomcast.auth", "roomcast.extensions", "roomcast.client"},
    {"roomcast.dialects"},
    {"roomcast.services"},
    {"roomcast.http", "roomcast.rooms", "roomcast_workers", "roomcast.cli", "roomcast.core"},
    {"roomcast.api_docs"},
    {"roomcast.app"},
    {"roomcast.hosting"},
    {"roomcast.serving"},
    {"roomcast.application"},
    {"roomcast.__main__"},
)
"""From low to high. A module imports from its own package and from lower layers only."""

TOPS = {"roomcast": "server/roomcast", "roomcast_workers": "workers/roomcast_workers"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for top in TOPS.values() for path in sorted((ROOT / top).rglob("*.py"))}


@functools.cache
def imports(path: Path) -> list[str]:
    """Every name that a file imports, in full, wherever in the file it does so."""
    package = path.relative_to(ROOT).parent.parts[1:]
    names: list[str] = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            origin = ".".join(base + ([node.module] if node.module else []))
            names += [f"{origin}.{alias.name}" for alias in node.names]
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@functools.cache
def ours(path: Path) -> set[str]:
    """The modules of ours that a file imports."""
    found = set()
    for name in imports(path):
        module = name
        while module and module not in MODULES:
            module = module.rpartition(".")[0]
        if module:
            found.add(module)
    return found


def layer_of(module: str) -> list[tuple[int, str]]:
    """The layers that a module is in, each with the member of it that holds the module."""
    return [(level, member) for level, layer in enumerate(LAYERS) for member in layer if within(module, member)]


def test_every_module_is_in_exactly_one_layer() -> None:
    assert {name: layer_of(name) for name in MODULES if name != "roomcast" and len(layer_of(name)) != 1} == {}


def test_imports_point_down() -> None:
    against = set()
    for name, path in ((name, path) for name, path in MODULES.items() if name != "roomcast"):
        for imported in ours(path) - {"roomcast"}:
            ((level, member),), ((target, target_member),) = layer_of(name), layer_of(imported)
            if not (target < level or member == target_member):
                against.add(f"{name} → {imported}")
    assert against == set()


def folder_of(module: str) -> str:
    """The folder of a module; those at the top, which are of several layers, stand for themselves."""
    path = MODULES[module]
    return module if path.parent.relative_to(ROOT).as_posix() in TOPS.values() else path.parent.as_posix()


def test_no_folder_is_in_a_cycle() -> None:
    rest: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        needs = {folder_of(imported) for imported in ours(path) if MODULES[imported].name != "__init__.py"}
        rest.setdefault(folder_of(name), set()).update(needs - {folder_of(name)})
    while leaves := {name for name, needs in rest.items() if not needs & rest.keys()}:
        rest = {name: needs for name, needs in rest.items() if name not in leaves}
    cyclic: set[str] = set()
    for folder in rest:
        reached, new = set[str](), rest[folder] & rest.keys()
        while new:
            reached |= new
            new = set().union(*(rest[name] & rest.keys() for name in new)) - reached
        if folder in reached:
            cyclic.add(folder.removeprefix(f"{ROOT}/"))
    assert cyclic == set()


def test_no_folder_has_more_than_twelve_modules() -> None:
    counts: dict[str, int] = {}
    for path in MODULES.values():
        if path.name != "__init__.py":
            folder = path.parent.relative_to(ROOT).as_posix()
            counts[folder] = counts.get(folder, 0) + 1
    assert {folder: count for folder, count in counts.items() if count > 12} == {}


def test_the_server_reaches_the_workers_in_one_module() -> None:
    reaching = {
        name
        for name, path in MODULES.items()
        if within(name, "roomcast") and any(within(imported, "roomcast_workers") for imported in imports(path))
    }
    assert len(reaching) == 1
    assert reaching <= {"roomcast.app"}


def test_imports_form_no_circle() -> None:
    rest = {name: ours(path) - {name} for name, path in MODULES.items()}
    while leaves := {name for name, needs in rest.items() if not needs & rest.keys()}:
        rest = {name: needs for name, needs in rest.items() if name not in leaves}
    assert rest == {}


PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"} - {"roomcast"}


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_package_is_a_docstring(name: str) -> None:
    tree = tree_of(MODULES[name])
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


PRIVATE = {
    "server/roomcast/rooms/server.py": {
        "_engineio_server_class", "_handle_eio_connect", "_handle_eio_disconnect", "_handle_eio_message",
    },
    "server/roomcast/transport/engine.py": {"_cors_allowed_origins", "_cors_headers"},
}  # fmt: skip
"""The private names of python-socketio and python-engineio that are in use, by the module that uses them."""


def test_the_private_names_of_python_socketio_that_are_in_use_are_there() -> None:
    classes = {
        "server/roomcast/rooms/server.py": socketio.AsyncServer,
        "server/roomcast/transport/engine.py": engineio.AsyncServer,
    }
    for module, names in PRIVATE.items():
        assert {name for name in names if not callable(getattr(classes[module], name, None))} == set()
        assert {name for name in names if name not in (ROOT / module).read_text()} == set()


def test_no_other_private_name_of_python_socketio_is_in_use() -> None:
    """A name counts as theirs if one of the base classes has it, and ours did not define it first."""
    bases = (socketio.AsyncServer, socketio.AsyncManager, socketio.packet.Packet, engineio.AsyncServer)
    theirs = {name for base in bases for name in dir(base) if name.startswith("_") and not name.startswith("__")}
    used = set()
    for path in (*(ROOT / "server/roomcast/rooms").glob("*.py"), *(ROOT / "server/roomcast/transport").glob("*.py")):
        tree = ast.parse(path.read_text())
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        used |= names & theirs
    assert used == set().union(*PRIVATE.values())


def test_one_module_knows_the_task_queue() -> None:
    users = {
        name
        for name, path in MODULES.items()
        if any(imported.split(".")[0] in ("taskiq", "taskiq_redis") for imported in imports(path))
    }
    assert users == {"roomcast.dispatch.taskiq_streams"}


def test_no_module_lets_the_event_loop_start_programs() -> None:
    starts = re.compile(r"create_subprocess_|subprocess_exec|subprocess_shell|preexec_fn=|os\.fork\(")
    assert {name for name, path in MODULES.items() if starts.search(path.read_text())} == set()


def test_only_the_modules_of_commands_build_ffmpeg_graphs() -> None:
    users = {
        name for name, path in MODULES.items() if any(imported.split(".")[0] == "ffmpeg" for imported in imports(path))
    }
    assert users == {f"roomcast_workers.ffmpeg.{name}" for name in ("commands", "command_line", "segment_commands")}


def test_one_module_writes_the_options_of_ffmpeg_and_ffprobe() -> None:
    option = re.compile(r"-{1,2}[A-Za-z][\w:-]*( .*)?", re.DOTALL)
    allowed = {
        "roomcast_workers.sandbox.sandbox",
        "roomcast_workers.ffmpeg.commands",
        "roomcast_workers.ffmpeg.command_line",
        "roomcast_workers.ffmpeg.segment_commands",
    }  # the sandbox's are bubblewrap's and Python's
    written = {
        f"{name}: {node.value}"
        for name, path in MODULES.items()
        if within(name, "roomcast_workers") and name not in allowed
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and option.fullmatch(node.value)
    }
    assert written == {
        "roomcast_workers.factory: -I",
        "roomcast_workers.factory: -c",
        "roomcast_workers.image.pipeline: -I",
    }, "these are for Python"


def test_tests_wait_for_facts() -> None:
    sleep = re.compile(r"\b(asyncio|time)[.]sleep\((?!0\))")
    sleeping = {path.name: len(sleep.findall(path.read_text())) for path in (ROOT / "tests").rglob("*.py")}
    del sleeping["fake_ffmpeg.py"]  # a program that is slow on command, and waits for nothing
    del sleeping["faults.py"]  # its faults come when they come: the schedule is time itself
    del sleeping["hostile_clients.py"]  # a slow client is one that sleeps
    assert {name: count for name, count in sleeping.items() if count} == {"harness.py": 1}


def python_files() -> list[Path]:
    return [path for top in ("server", "workers", "tests", "deploy") for path in (ROOT / top).rglob("*.py")]


def test_no_module_outgrows_one_reason_to_exist() -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in python_files()}
    assert {path: length for path, length in lengths.items() if length > 500} == {}
