"""The Python sources of the server and the workers, parsed once for all tests that read them."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for top in ("server/roomcast", "workers/roomcast_workers") for path in (ROOT / top).rglob("*.py"))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    """Return every node of a file's tree."""
    return list(ast.walk(tree_of(path)))
