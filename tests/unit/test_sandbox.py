"""The limits hold, from inside a confined program."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from roomcast_workers.sandbox.exec import EXIT_NOT_STARTED
from roomcast_workers.sandbox.sandbox import ResourceLimits, sandboxed_argv, was_started

MIB = 1 << 20
NONE = ResourceLimits(address_space=None, cpu_seconds=None, file_size=None)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has it")

LOOK = """
import json, os, resource
KINDS = "AS", "CPU", "FSIZE", "NOFILE", "CORE"
print(json.dumps({
    "nice": os.nice(0),
    "status": open("/proc/self/status").read() if os.path.exists("/proc/self/status") else "",
    **{name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in KINDS},
}))
"""


def run(program: list[str], limits: ResourceLimits = NONE, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(sandboxed_argv(program, limits), capture_output=True, text=True, check=False, **how)


def python(code: str, limits: ResourceLimits = NONE) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-IS", "-c", code], limits)


@linux
def test_every_limit_is_set_and_no_privilege_can_be_gained() -> None:
    seen = json.loads(python(LOOK, ResourceLimits(512 * MIB, 20, 3 * MIB, open_files=64, nice=7)).stdout)
    assert seen["AS"] == [512 * MIB, 512 * MIB]
    assert seen["CPU"] == [20, 22]
    assert seen["FSIZE"] == [3 * MIB, 3 * MIB]
    assert seen["NOFILE"] == [64, 64]
    assert seen["CORE"] == [0, 0]
    assert seen["nice"] == os.nice(0) + 7
    assert "NoNewPrivs:\t1" in seen["status"]


def test_a_limit_that_is_none_stays_as_it_is() -> None:
    seen = json.loads(python(LOOK).stdout)
    assert seen["FSIZE"] == list(resource.getrlimit(resource.RLIMIT_FSIZE))
    assert seen["AS"] == list(resource.getrlimit(resource.RLIMIT_AS))


def test_a_limit_above_what_this_process_may_grant_is_lowered_to_it() -> None:
    inner = sandboxed_argv([sys.executable, "-IS", "-c", LOOK], ResourceLimits(None, None, None, open_files=200))
    relay = f"import os, sys; argv = {inner!r}; argv[4] = f'parent={{os.getppid()}}'; os.execv(argv[0], argv)"
    seen = json.loads(python(relay, ResourceLimits(None, None, None, open_files=100)).stdout)
    assert seen["NOFILE"] == [100, 100]


@linux
def test_memory_beyond_the_limit_is_refused() -> None:
    ended = python("bytearray(400 << 20)", ResourceLimits(200 * MIB, None, None))
    assert ended.returncode == 1
    assert "MemoryError" in ended.stderr


def test_processor_time_beyond_the_limit_ends_the_program_with_its_own_signal() -> None:
    assert python("while True: pass", ResourceLimits(None, 1, None)).returncode == -signal.SIGXCPU


def test_a_file_beyond_the_limit_ends_the_program_with_its_own_signal(tmp_path: Path) -> None:
    big = tmp_path / "big"
    ended = run(["/bin/dd", "if=/dev/zero", f"of={big}", "bs=65536", "count=64"], ResourceLimits(None, None, MIB))
    assert ended.returncode == -signal.SIGXFSZ
    assert big.stat().st_size == MIB


@pytest.mark.parametrize("program", ["/no/such/program", __file__, "/"])
def test_a_program_that_cannot_be_run_is_told_from_one_that_failed(program: str) -> None:
    ended = run([program])
    assert ended.returncode == EXIT_NOT_STARTED
    assert not was_started(ended.returncode, ended.stderr)


def test_a_program_may_return_the_same_code_itself() -> None:
    ended = python(f"import sys; print('confined', file=sys.stderr); sys.exit({EXIT_NOT_STARTED})")
    assert ended.returncode == EXIT_NOT_STARTED
    assert was_started(ended.returncode, ended.stderr)


@linux
def test_it_does_not_run_under_another_parent() -> None:
    argv = sandboxed_argv(["/bin/echo", "ran"], NONE)
    argv[argv.index(f"parent={os.getpid()}")] = f"parent={os.getpid() + 1}"
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert not was_started(ended.returncode, ended.stderr)
    assert ended.stdout == ""


def test_modules_lying_about_are_not_imported(tmp_path: Path) -> None:
    for name in ("os", "resource", "ctypes", "signal", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('caught')")
    ended = run(["/bin/echo", "ran"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (0, "ran\n")


def test_the_return_code_is_the_programs() -> None:
    assert python("raise SystemExit(42)").returncode == 42
