"""The id of an assembly, and when it is resolved."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from roomcast.assemblies.model import assembly_id, received, resolve_id
from roomcast.uploads.lifecycle import Entered, Failed, Stage
from roomcast.uploads.model import Change, Upload, apply_event

from tests.support.ledgers import SOURCE, Clock, fresh

MD5S = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=6)


def declared(md5: str) -> Upload:
    return replace(fresh(Clock()), declared_md5=md5)


def arrived(md5: str) -> Upload:
    source = replace(SOURCE, md5=md5)
    return apply_event(fresh(Clock()), Change(Entered(Stage.QUEUED), "Queued", source=source), 1.0)


def broken_off() -> Upload:
    return apply_event(fresh(Clock()), Change(Failed(), "Gone"), 1.0)


@given(MD5S.flatmap(lambda md5s: st.tuples(st.just(md5s), st.permutations(md5s))))
def test_the_id_does_not_depend_on_the_order_of_the_files(sent: tuple[list[str], list[str]]) -> None:
    md5s, shuffled = sent
    joined = "".join(sorted(md5s))
    expected = hashlib.sha256(f"{joined}autoada".encode()).hexdigest()
    assert assembly_id(md5s, "auto", "ada") == assembly_id(shuffled, "auto", "ada") == expected
    assert assembly_id(md5s, "image", "ada") != expected
    assert assembly_id(md5s, "auto", "bob") != expected
    assert assembly_id([*md5s, md5s[0]], "auto", "ada") != expected


@given(MD5S)
def test_declared_and_received_md5s_resolve_to_the_same_id(md5s: list[str]) -> None:
    expected = assembly_id(md5s, "auto", "ada")
    assert resolve_id(True, [declared(md5) for md5 in md5s]) == expected
    assert resolve_id(True, [arrived(md5) for md5 in md5s]) == expected


@given(MD5S)
def test_the_id_is_unresolved_until_every_file_is_known(md5s: list[str]) -> None:
    uploads = [arrived(md5) for md5 in md5s]
    assert resolve_id(False, uploads) is None, "more files may come"
    assert resolve_id(True, [*uploads, fresh(Clock())]) is None, "one is still to arrive"
    assert resolve_id(True, [broken_off()]) is None, "nothing came"


@given(MD5S)
def test_a_file_that_never_arrived_does_not_contribute(md5s: list[str]) -> None:
    uploads = [arrived(md5) for md5 in md5s]
    assert resolve_id(True, [broken_off(), *uploads]) == resolve_id(True, uploads)
    assert received([broken_off(), *uploads]) == uploads
    waiting = fresh(Clock())
    assert received([*uploads, waiting]) == [*uploads, waiting]


@given(MD5S)
def test_a_file_without_an_md5_contributes_its_upload_id(md5s: list[str]) -> None:
    unhashed = apply_event(
        fresh(Clock()), Change(Entered(Stage.QUEUED), "Queued", source=replace(SOURCE, md5=None)), 1.0
    )
    uploads = [*map(arrived, md5s), unhashed]
    assert resolve_id(True, uploads) == assembly_id([*md5s, unhashed.id], "auto", "ada")
    assert received(uploads) == uploads
