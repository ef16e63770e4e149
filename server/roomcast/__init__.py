"""Roomcast: takes uploads, compresses and stores them, and reports their progress to a Socket.IO room.

From low to high; a module imports only from lower layers:

``errors``                          the errors that clients can get.
``runtime/`` ``transport/``         tasks, files, processes, Redis and SQLite connections; the Engine.IO server.
``uploads/``                        the domain: lifecycle, messages, templates. Pure.
``settings/`` ``ledger/`` ``media/`` ``dispatch/``   where state is stored, where bytes are stored, what wakes workers.
``assemblies/`` ``fanout/`` ``auth``   submissions and webhooks; from the ledger to subscribers; tokens.
``extensions/``                     what an application adds: its own functions.
``dialects/``                       the same state in the JSON of other clients. Pure.
``services/``                       what HTTP, Socket.IO and the workers share.
``http/`` ``rooms/``                the HTTP routes; the Socket.IO server. The workers are in ``roomcast_workers``.
``api_docs/`` ``app``               the API's description; where everything is put together.
``serving`` ``application``         the web process; the class that applications use.
``client/`` ``cli/``                the Python client, and the command line that uses it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roomcast.application import Roomcast
    from roomcast.credentials import CallerRequest
    from roomcast.errors import Rejected
    from roomcast.extensions.contract import NewUpload
    from roomcast.extensions.registry import Extensions
    from roomcast.extensions.steps import Step, StepJob
    from roomcast.settings.settings import Settings, SettingsError
    from roomcast.uploads.model import Upload
    from roomcast.uploads.viewer import Viewer

__all__ = [
    "CallerRequest",
    "Extensions",
    "NewUpload",
    "Rejected",
    "Roomcast",
    "Settings",
    "SettingsError",
    "Step",
    "StepJob",
    "Upload",
    "Viewer",
]

_MODULES = {
    "CallerRequest": "credentials",
    "Extensions": "extensions.registry",
    "NewUpload": "extensions.contract",
    "Rejected": "errors",
    "Roomcast": "application",
    "Settings": "settings.settings",
    "SettingsError": "settings.settings",
    "Step": "extensions.steps",
    "StepJob": "extensions.steps",
    "Upload": "uploads.model",
    "Viewer": "uploads.viewer",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: each of them loads more than the next program may need."""
    if name not in _MODULES:
        raise AttributeError(f"The module {__name__!r} has no attribute {name!r}.")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
