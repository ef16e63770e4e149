"""What an application adds: one function of each name, and mistakes at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import roomcast
from roomcast.credentials import CallerRequest
from roomcast.extensions.contract import ExtensionError, NewUpload
from roomcast.extensions.registry import Extensions
from roomcast.uploads.viewer import Viewer


async def nobody(_: CallerRequest) -> None: ...


async def somebody(_: CallerRequest) -> Viewer:
    return Viewer("ada")


async def check(upload: NewUpload, viewer: Viewer) -> None: ...


def test_second_authenticate_is_refused_at_once_and_names_both() -> None:
    extensions = Extensions()
    assert extensions.authenticate(nobody) is nobody
    with pytest.raises(ExtensionError, match=r"by .*\.nobody already, so .*\.somebody cannot be added"):
        extensions.authenticate(somebody)
    assert extensions.authenticates is nobody


def test_checks_run_in_the_order_in_which_they_were_added_and_none_twice() -> None:
    extensions = Extensions()

    @extensions.before_create
    async def first(upload: NewUpload, viewer: Viewer) -> None: ...

    extensions.before_create(check)
    with pytest.raises(ExtensionError, match="checks new uploads already"):
        extensions.before_create(check)
    assert extensions.checks == [first, check]


def test_listener_of_an_unknown_event_is_refused_and_the_events_are_listed() -> None:
    with pytest.raises(ExtensionError, match=r"There is no event 'finished' of an upload; there are .*completed"):
        Extensions().on("finished")  # type: ignore[arg-type]


@pytest.mark.parametrize("thing", ["shop.media.check", None, 3])
def test_what_is_no_function_is_refused(thing: object) -> None:
    extensions = Extensions()
    for add in (extensions.authenticate, extensions.before_create, extensions.on("completed")):
        with pytest.raises(ExtensionError, match="is for functions"):
            add(thing)  # type: ignore[type-var]


def yields() -> Iterator[None]:
    yield


async def yields_later() -> AsyncIterator[None]:
    yield


class YieldsWhenCalled:
    def __call__(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize("function", [yields, yields_later, YieldsWhenCalled(), YieldsWhenCalled().__call__])
def test_generator_is_refused_because_calling_it_runs_nothing(function: Any) -> None:
    extensions = Extensions()
    step = extensions.step("scan", after="probing")
    for add in (extensions.authenticate, extensions.before_create, extensions.on("completed"), step):
        with pytest.raises(ExtensionError, match="has a `yield`"):
            add(function)


@pytest.mark.parametrize("code", ["", "not found", "lower", "A-B", "1ST", "A" * 65, None, "A\n"])
def test_rejection_needs_a_code_of_capital_letters(code: str) -> None:
    with pytest.raises(ValueError, match="capital letters"):
        roomcast.Rejected(code, "No.")


def test_rejection_needs_a_message() -> None:
    with pytest.raises(ValueError, match="message"):
        roomcast.Rejected("NO_SUBSCRIPTION", " ")


def test_every_public_name_can_be_imported() -> None:
    assert {name: getattr(roomcast, name).__name__ for name in roomcast.__all__} == {
        name: name for name in roomcast.__all__
    }
    with pytest.raises(AttributeError, match="no attribute 'Roomcats'"):
        _ = roomcast.Roomcats
