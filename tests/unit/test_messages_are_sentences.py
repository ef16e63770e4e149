"""Error messages of the server and the workers are sentences, from the capital to the full stop."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from roomcast import errors

from tests.support.sources import ROOT, SOURCES, tree_of

PLACEHOLDER = "\0"
"""Stands for the value of an f-string's placeholder, which is known only when the error is raised."""


def subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for subclass in error.__subclasses__():
        yield from subclasses(subclass)


OURS = {error.__name__ for error in subclasses(errors.RoomcastError) if error.__module__ == errors.__name__}


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_error(name: str) -> bool:
    """Whether this is an error's class, and neither a redirect nor a method that makes the message itself."""
    return name[:1].isupper() and not name.startswith("HTTP")


def text_of(message: ast.expr, constants: dict[str, str]) -> str | None:
    """The text of a string, an f-string, or a constant of the module; None for what is no literal."""
    match message:
        case ast.Constant(str() as text):
            return text
        case ast.JoinedStr(values):
            return "".join(str(each.value) if isinstance(each, ast.Constant) else PLACEHOLDER for each in values)
        case ast.Name(name):
            return constants.get(name)
    return None


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the text of every message of an error that is raised, or made to be raised elsewhere."""
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    calls = [call for call in raised if isinstance(call, ast.Call) and is_error(name_of(call.func))]
    calls += [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) in OURS]
    for call in calls:
        for argument in call.args[:1]:
            text = text_of(argument, constants)
            if text is not None:
                yield call.lineno, text


def is_sentence(text: str) -> bool:
    """What a placeholder at the end adds may be a sentence of its own."""
    return text[:1].isupper() and text.removesuffix(PLACEHOLDER).rstrip().endswith(".")


def test_message_of_every_error_is_a_sentence() -> None:
    offenders = {
        f"{path.relative_to(ROOT)}:{line}: {text.replace(PLACEHOLDER, '{}')}"
        for path in SOURCES
        for line, text in messages(tree_of(path))
        if not is_sentence(text)
    }
    assert offenders == set()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('raise TooLarge("The file is too large.")', []),
        ('raise TooLarge("the file is too large.")', ["the file is too large."]),
        ('raise ValueError(f"The id {name} is taken")', [f"The id {PLACEHOLDER} is taken"]),
        ('raise errors.TooLarge(f"{name} is too large.")', [f"{PLACEHOLDER} is too large."]),
        ('def f(): return errors.TranscodeError("the encoder failed")', ["the encoder failed"]),
        ('_FAILED = "the encoder failed"\nraise TranscodeError(_FAILED)', ["the encoder failed"]),
        ('raise web.HTTPFound("/there")', []),
        ('raise IncompatibleSchema.newer("data in Redis", 2, 1)', []),
        ("raise SystemExit(1)", []),
        ('raise SettingsError(f"The file is wrong. {error}")', []),
        ('raise SettingsError(f"The file is wrong: {error}")', [f"The file is wrong: {PLACEHOLDER}"]),
        ("raise TooLarge(text)", []),
    ],
)
def test_message_that_is_no_sentence_is_found(source: str, expected: list[str]) -> None:
    found = {text for _, text in messages(ast.parse(source)) if not is_sentence(text)}
    assert found == set(expected)
