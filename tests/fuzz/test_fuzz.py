"""Each fuzz target with its seeds and a few dozen inputs. `make fuzz` tries more."""

from __future__ import annotations

import pytest

from tests.fuzz import network_targets, text_targets
from tests.fuzz.target import TARGETS, Target, Violation, run

EXAMPLES = 40


def test_all_targets_are_registered() -> None:
    for module in (network_targets, text_targets):
        assert any(one.law.__module__ == module.__name__ for one in TARGETS.values())
    assert len(TARGETS) >= 15


@pytest.mark.parametrize("name", list(TARGETS))
def test_law_holds_for_the_seeds_and_for_made_inputs(name: str) -> None:
    run(TARGETS[name], examples=EXAMPLES)


def test_input_that_breaks_a_law_is_found_and_shrunk() -> None:
    def law(data: bytes) -> None:
        assert b"bad" not in data

    with pytest.raises(Violation) as found:
        run(Target("no bad", law, [b"good"], [b"bad", b"good"]), examples=500)
    assert found.value.data == b"bad"
