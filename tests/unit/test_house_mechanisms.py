"""One mechanism for one purpose: one backoff, one helper against cancellation, one start of supervised tasks."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from tests.support.sources import ROOT, SOURCES, nodes_of


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


BY_ANOTHER_CLOCK = {
    "server/roomcast/auth/tokens.py": "dates a token, which any server may check",
    "server/roomcast/cli/commands.py": "shows how long ago an upload has changed",
    "server/roomcast/cli/doctor/diagnosis.py": "compares this machine's clock with the server's",
    "server/roomcast/extensions/auth_url.py": "compares with the expiry of a token, which its issuer's clock set",
    "server/roomcast/http/diagnostics/routes.py": "answers what this machine's clock says",
    "server/roomcast/http/downloads/conditions.py": "compares with the times of files",
    "server/roomcast/http/streams/streams.py": "compares with the expiry of a token, which its issuer's clock set",
    "server/roomcast/media/directory.py": "compares with the times of files",
    "server/roomcast/media/s3/signing.py": "signs for the clock of the S3 server",
    "server/roomcast/media/s3/store.py": "compares with the times of the S3 server",
    "server/roomcast/rooms/handlers.py": "compares with the expiry of a token, which its issuer's clock set",
    "server/roomcast/runtime/clocks.py": "is the home of the shared clock",
    "server/roomcast/services/authentication.py": "compares with the expiry of a token, which its issuer's clock set",
    "server/roomcast/services/backup.py": "dates a file for people",
    "server/roomcast/tracing.py": "dates spans, which are compared with those of other programs",
}
"""Modules that read the system clock, each with its reason."""


def test_what_other_processes_compare_is_dated_by_the_shared_clock() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if any(isinstance(node, ast.Attribute) and ast.unparse(node) == "time.time" for node in nodes_of(path))
    }
    assert found == set(BY_ANOTHER_CLOCK)


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


AWAITED_TASKS = {
    "server/roomcast/assemblies/webhooks/deliverer.py": "one request, which logs what fails and ends",
    "server/roomcast/client/client.py": "the client's, which awaits it",
    "server/roomcast/hosting/lifespan.py": "one application's lifespan, which is awaited and logs what fails",
    "server/roomcast/extensions/auth_url.py": "one question, whose failure those who wait for it raise",
    "server/roomcast/extensions/calls.py": "one function of the application, which is awaited until its deadline",
    "server/roomcast/dispatch/taskiq_streams.py": "one delayed wake-up, which never raises",
    "server/roomcast/fanout/relay.py": "one catch-up, which logs what fails; the poll starts the next",
    "server/roomcast/http/intake/forms.py": "a task of a group, which awaits it",
    "server/roomcast/http/sources/importer.py": "one import, which logs what fails and is begun again",
    "server/roomcast/http/streams/streams.py": "one write, which is awaited",
    "server/roomcast/ledger/lease.py": "work and its renewals, which are awaited",
    "server/roomcast/ledger/redis/progress_batcher.py": "one batch, whose failure its callers raise",
    "server/roomcast/ledger/redis/pubsub.py": "both directions of one connection, which are awaited",
    "server/roomcast/ledger/redis/scripts.py": "one migration, which every call awaits",
    "server/roomcast/media/batches.py": "one batch, whose failure the next call raises",
    "server/roomcast/media/shared_sources.py": "the end of one source's use, which logs what fails",
    "server/roomcast/media/s3/multipart.py": "one part, which is awaited",
    "server/roomcast/runtime/supervisor.py": "the watches of the children, the first of which to end ends the process",
    "server/roomcast/services/listeners/event_delivery.py": "the events of one upload, which log what fails and end",
    "server/roomcast/services/start/usable.py": "the checks before the ready line, which are awaited",
    "server/roomcast/transport/engine.py": "one packet of one client",
    "workers/roomcast_workers/operations_port.py": "one answer, which a thread awaits until its deadline",
    "workers/roomcast_workers/reporter.py": "the ticks of one attempt, which log what fails",
    "workers/roomcast_workers/segments/coordinator.py": "the sound of one film, which is awaited",
    "workers/roomcast_workers/worker.py": "one upload, which is awaited at the end, and logged when it fails",
    "workers/roomcast_workers/segments/sound.py": "one run of ffmpeg, which is awaited",
    "workers/roomcast_workers/steps/application_step.py": "one step, which is awaited, or logged when it does not stop",
}
"""The modules that start tasks on their own, and why each of those tasks ends or is awaited."""

SUPERVISED_LOOPS = {
    "server/roomcast/dispatch/in_process.py",
    "server/roomcast/dispatch/taskiq_streams.py",
    "server/roomcast/ledger/redis/pubsub.py",
    "server/roomcast/runtime/tasks.py",
}
"""The modules with background loops that are not `periodic`: those that wait for other tasks or for a peer."""


def starts_a_task(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
        "create_task",
        "ensure_future",
        "run_coroutine_threadsafe",
        "Task",
    )


def starts_a_loop(node: ast.AST) -> bool:
    return is_call(node, "start_background_task")


def homes_of(finds: Callable[[ast.AST], bool]) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in SOURCES if any(finds(node) for node in nodes_of(path))}


def test_every_task_is_supervised_or_awaited() -> None:
    assert homes_of(starts_a_task) == {*AWAITED_TASKS, "server/roomcast/runtime/tasks.py"}


def test_every_background_loop_is_periodic_or_has_its_reason() -> None:
    assert homes_of(starts_a_loop) == SUPERVISED_LOOPS


@pytest.mark.parametrize(
    "source",
    ["asyncio.create_task(run())", "tasks.create_task(run())", "asyncio.ensure_future(run())", "asyncio.Task(run())"],
)
def test_unsupervised_task_is_found(source: str) -> None:
    assert any(starts_a_task(node) for node in ast.walk(ast.parse(source)))


def test_every_test_with_a_clock_in_the_browser_has_its_own_profile() -> None:
    """Playwright installs a clock for all pages of a profile, also for those of later tests."""
    tests = [
        node
        for path in (ROOT / "tests" / "browser").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef) and "clock.install" in ast.unparse(node)
    ]
    assert tests
    assert [test.name for test in tests if "own_profile" not in "".join(map(ast.unparse, test.decorator_list))] == []
