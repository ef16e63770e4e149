"""One mechanism for one purpose: one backoff, one helper against cancellation."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = [path for top in ("server", "workers") for path in sorted((ROOT / top).rglob("*.py"))]


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def is_call(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in names


def makes_a_backoff(node: ast.AST) -> bool:
    """Whether a node is jitter, a variable power of two, a delay that is doubled, or a class for one."""
    if is_call(node, "random.uniform"):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return isinstance(node.left, ast.Constant) and node.left.value == 2 and not isinstance(node.right, ast.Constant)
    if isinstance(node, ast.ClassDef):
        return "backoff" in node.name.lower()
    doubled: ast.expr | None = None
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult):
        doubled = node.target
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and ast.unparse(node.right) in ("2", "2.0"):
        doubled = node.left
    names = ("pause", "delay", "wait", "backoff")
    return doubled is not None and any(name in ast.unparse(doubled).lower() for name in names)


def shields(node: ast.AST) -> bool:
    """Whether a node defends against cancellation."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "despite_cancel" in node.name or "uncancel" in node.name
    return is_call(node, "asyncio.shield", "shield") or (isinstance(node, ast.Attribute) and node.attr == "uncancel")


@pytest.mark.parametrize(
    ("finds", "home"),
    [(makes_a_backoff, "server/roomcast/runtime/backoff.py"), (shields, "server/roomcast/runtime/tasks.py")],
)
def test_mechanism_has_one_home(finds: Callable[[ast.AST], bool], home: str) -> None:
    found = {path.relative_to(ROOT).as_posix() for path in SOURCES if any(finds(node) for node in nodes_of(path))}
    assert found == {home}


@pytest.mark.parametrize(
    ("finds", "source"),
    [
        (makes_a_backoff, "pause = min(pause * 2, 8)"),
        (makes_a_backoff, "self._delay *= 2"),
        (makes_a_backoff, "first * 2.0 ** failures"),
        (makes_a_backoff, "sleep(random.uniform(0.5, 1.5))"),
        (makes_a_backoff, "class Backoff: ..."),
        (shields, "await asyncio.shield(task)"),
        (shields, "task.uncancel()"),
        (shields, "async def finish_despite_cancel(): ..."),
    ],
)
def test_second_mechanism_is_found(finds: Callable[[ast.AST], bool], source: str) -> None:
    assert any(finds(node) for node in ast.walk(ast.parse(source)))
