"""Find what an application adds, where no program of the application starts Roomcast: for `roomcast serve` and
`roomcast worker`, which then have the same.

There are two sources: the modules that the configuration file names in `hooks`, and installed packages with an entry
point in the group `roomcast`. Both name a module, or an object in one: `shop.media` or `shop.media:roomcast`. It is

    a function that is called with the registry, an `Extensions`,
    an `Extensions`, or an object that has one as `extensions`, as a `Roomcast` has,
    a module that has a function `register`, or one of these objects.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from roomcast.extensions.contract import ExtensionError
from roomcast.extensions.registry import Extensions, is_generator_function
from roomcast.settings.settings import Settings

GROUP = "roomcast"
_MAX_REASON = 300


def discover(settings: Settings) -> Extensions:
    """Return what the configuration file and installed packages add. Raise `ExtensionError` for the first mistake."""
    extensions = Extensions()
    config = settings.assemblies.config_file
    if config is not None and config.hooks:
        folder = str(config.path.absolute().parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        for hook in config.hooks:
            _add(extensions, hook, f"{config.path} names")
    return include_packages(extensions)


def include_packages(extensions: Extensions) -> Extensions:
    """Add what installed packages add, in the order of their names. Raise `ExtensionError` for the first mistake."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        package = entry.dist.name if entry.dist else entry.name
        _add(extensions, entry.value, f"the package {package} names")
    return extensions


def _add(extensions: Extensions, name: str, origin: str) -> None:
    module, _, attribute = name.partition(":")
    try:
        target: Any = import_module(module)
        for part in attribute.split(".") if attribute else ():
            target = getattr(target, part)
    except (Exception, SystemExit) as error:
        raise ExtensionError(f"The hook {name}, which {origin}, cannot be imported: {_reason(error)}.") from error
    if isinstance(target, ModuleType):
        target = _in_module(target, name, origin)
    if (found := _extensions_of(target)) is not None:
        extensions.include(found)
    elif callable(target):
        if inspect.iscoroutinefunction(target) or is_generator_function(target):
            raise ExtensionError(
                f"The hook {name}, which {origin}, must be an ordinary function, without async or yield."
            )
        try:
            target(extensions)
        except ExtensionError:
            raise
        except (Exception, SystemExit) as error:
            raise ExtensionError(f"The hook {name}, which {origin}, has failed: {_reason(error)}.") from error
    else:
        raise ExtensionError(f"The hook {name}, which {origin}, is neither a function nor a Roomcast object.")


def _in_module(module: ModuleType, name: str, origin: str) -> Any:
    """Return the function `register` of a module, or else its one registry."""
    if callable(register := getattr(module, "register", None)):
        return register
    found = {id(extensions): extensions for extensions in _registries(module)}
    if len(found) == 1:
        return next(iter(found.values()))
    reason = "several Roomcast objects: name one, such as" if found else "neither a function `register` nor an object"
    raise ExtensionError(f"The module {name}, which {origin}, has {reason} {name}:roomcast.")


def _registries(module: ModuleType) -> Iterator[Extensions]:
    for value in vars(module).values():
        if not isinstance(value, type) and (extensions := _extensions_of(value)) is not None:
            yield extensions


def _extensions_of(target: Any) -> Extensions | None:
    found = target if isinstance(target, Extensions) else getattr(target, "extensions", None)
    return found if isinstance(found, Extensions) else None


def _reason(error: BaseException) -> str:
    """Return the error in one line."""
    text = " ".join(str(error).split()).removesuffix(".")
    return f"{type(error).__name__}: {text}"[:_MAX_REASON] if text else type(error).__name__
