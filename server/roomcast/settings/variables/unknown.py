"""Find variables that look like settings but are none: a misspelt one would have no effect, without any notice."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Set

_PREFIX = "ROOMCAST_"
"""Every variable that begins with this is ours."""

_SHARED_PREFIXES = ("JWT_", "FFMPEG_", "FFPROBE_", "REDIS_", "S3_")
"""Other programs have variables that begin with these, so only those are reported that are nearly one of ours."""

_NOT_SETTINGS = frozenset({"ROOMCAST_URL", "ROOMCAST_TOKEN", "ROOMCAST_LISTEN_FD", "ROOMCAST_PARENT_PIPE_FD"})
"""Variables of ours that are no settings: those of the command line, and of a web process's parent."""

_SIMILAR = 0.6
_NEARLY_EQUAL = 0.85


def unknown_variables(environment: Mapping[str, str], known: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that is none of the `known` settings, and a sentence with what to do."""
    for variable in sorted(environment.keys() - known - _NOT_SETTINGS):
        if variable.upper().startswith(_PREFIX):
            yield variable, advice_for(variable, known)
        elif variable.upper() in known and "_" in variable:
            yield variable, f"There is no such setting. Did you mean {variable.upper()}?"
        elif variable.startswith(_SHARED_PREFIXES):
            nearest = _nearest(variable, known - environment.keys(), _NEARLY_EQUAL)
            if nearest is not None:
                yield variable, f"There is no such setting. Did you mean {nearest}?"


def advice_for(variable: str, known: Iterable[str]) -> str:
    """Return a sentence about a variable that is no setting: the nearest one of those `known`, if there is any."""
    nearest = _nearest(variable, known, _SIMILAR)
    hint = f" Did you mean {nearest}?" if nearest else " docs/settings.md lists all of them."
    return f"There is no such setting.{hint}"


def _nearest(variable: str, known: Iterable[str], similarity: float) -> str | None:
    """Return the most similar setting. What all settings begin with makes none of them similar."""
    by_rest = {name.removeprefix(_PREFIX): name for name in sorted(known)}
    found = difflib.get_close_matches(variable.upper().removeprefix(_PREFIX), by_rest, n=1, cutoff=similarity)
    return by_rest[found[0]] if found else None
