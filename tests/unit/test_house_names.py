"""The house's names and prose: one word for one meaning, the field's own words, plain sentences."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.support.sources import ROOT, nodes_of, tree_of
from tests.unit.test_house import MODULES

AVOIDED = {
    "look", "looks", "looked", "told", "tell", "tells", "said", "seen", "place", "places", "keep", "kept", "keeps",
    "hold", "holds", "held", "word", "words", "ways", "whole", "standing", "stands", "opening", "patience", "pace",
    "books", "lookout", "lapse", "lapsed", "lapses", "anew", "heed", "news", "mark", "marks", "take", "taken", "takes",
}  # fmt: skip
"""Words that have had many meanings here. There is a standard term for each of them."""

STANDARD = {
    "KEEP_ALIVE": "HTTP's own term",
    "ID_TAKEN": "an error code that clients know",
    "IdTaken": "its error",
    "tell": "a method of Python's files",
    "_TAKE_OVER_SECONDS": "Redis Streams' own term is to take over a pending message",
    "_take_over_at": "as above",
    "keep_results": "a setting of templates, beside `keep_source`",
    "keep_source": "as above",
}
"""Names with such a word in its standard meaning."""

SAME_MEANING = {
    "main": "the entry point of a program",
    "log": "the module's logger",
    "SCHEMA_VERSION": "the version of each ledger's stored data",
    "migrate": "the migration of each ledger's stored data",
    "BACKOFF": "the delays of one kind of retry",
}
"""Public names that several modules define, each with the same meaning for its own subject."""

IDIOM = re.compile(
    r"\b(anew|heed\w*|somebody|told|lapsed?|lapses|hears? of|says? so|makes? up for|goes? on)\b", re.IGNORECASE
)
"""Idiom that a reader with school English stumbles over."""


def definitions(tree: ast.Module) -> Iterator[str]:
    """Yield the public names that a module defines at its top."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def identifiers(tree: ast.Module) -> Iterator[str]:
    """Yield every name that a module introduces, wherever it does so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_no_public_name_is_defined_twice_for_different_things() -> None:
    modules: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for name in set(definitions(tree_of(path))):
            if not name.startswith("_") and name not in SAME_MEANING and not re.fullmatch(r"[A-Z]", name):
                modules.setdefault(name, []).append(module)
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}


def test_identifiers_are_the_fields_own_terms() -> None:
    found = {
        f"{module}: {name}"
        for module, path in MODULES.items()
        for name in identifiers(tree_of(path))
        if name not in STANDARD and AVOIDED & set(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower()))
    }
    assert found == set()


@pytest.mark.parametrize("top", ["server", "workers"])
def test_docstrings_and_comments_are_plain_english(top: str) -> None:
    found = []
    for path in sorted((ROOT / top).rglob("*.py")):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            prose = token.type == tokenize.COMMENT or token.string.startswith('"""')
            if prose and (idiom := IDIOM.search(token.string)):
                found.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {idiom[0]}")
    assert found == []


def test_every_public_class_and_function_of_a_contract_has_a_docstring() -> None:
    bare = {
        f"{module}.{node.name}"
        for module, path in MODULES.items()
        if path.name == "contract.py"
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    }
    assert bare == set()


def test_a_contract_stands_beside_its_implementations() -> None:
    for folder in ("ledger", "media", "dispatch"):
        beside = [module for module in MODULES if module.startswith(f"roomcast.{folder}.")]
        assert f"roomcast.{folder}.contract" in beside
        users = {
            module
            for module, path in MODULES.items()
            if re.search(rf"^from roomcast\.{folder}\.contract import", path.read_text(), re.MULTILINE)
        }
        assert len(users & set(beside)) >= 2, f"{folder} has two implementations of its contract"


PURE = {"roomcast.uploads", "roomcast.dialects"}
IO = {
    "asyncio",
    "socket",
    "subprocess",
    "aiohttp",
    "redis",
    "sqlite3",
    "threading",
    "logging",
    "structlog",
    "time",
    "pathlib.Path",
}


@pytest.mark.parametrize("package", sorted(PURE))
def test_a_pure_package_imports_nothing_that_does_io(package: str) -> None:
    used = {
        f"{module}: {name}"
        for module, path in MODULES.items()
        if module.startswith(f"{package}.")
        for node in nodes_of(path)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [f"{node.module}.{alias.name}" for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name in IO or name.split(".")[0] in IO
    }
    assert used == set()
