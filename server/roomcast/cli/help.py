"""The help of the commands: without the types of flags and arguments, which say nothing that the texts do not."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


class PlainCommand(TyperCommand):
    """A command whose help shows types only for options with values."""

    def get_params(self, ctx: Any) -> Any:
        return _without_needless_types(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """The main command, with the same help."""

    def get_params(self, ctx: Any) -> Any:
        return _without_needless_types(super().get_params(ctx))


def _without_needless_types(parameters: Any) -> Any:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument) or (isinstance(parameter, TyperOption) and parameter.is_flag):
            parameter.display_type_rich = _show_no_type  # type: ignore[method-assign]
    return parameters


def _show_no_type(ctx: Any) -> None:
    return None
