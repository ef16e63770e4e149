"""Resource limits, seen from inside a sandboxed program."""

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
def test_program_has_every_limit_and_gains_no_privilege() -> None:
    found = json.loads(python(LOOK, ResourceLimits(512 * MIB, 20, 3 * MIB, open_files=64, nice=7)).stdout)
    assert found["AS"] == [512 * MIB, 512 * MIB]
    assert found["CPU"] == [20, 22]
    assert found["FSIZE"] == [3 * MIB, 3 * MIB]
    assert found["NOFILE"] == [64, 64]
    assert found["CORE"] == [0, 0]
    assert found["nice"] == min(os.nice(0) + 7, 19)
    assert "NoNewPrivs:\t1" in found["status"]


def test_limit_of_none_is_inherited() -> None:
    found = json.loads(python(LOOK).stdout)
    assert found["FSIZE"] == list(resource.getrlimit(resource.RLIMIT_FSIZE))
    assert found["AS"] == list(resource.getrlimit(resource.RLIMIT_AS))


def test_limit_above_the_hard_limit_is_lowered_to_it() -> None:
    inner = sandboxed_argv([sys.executable, "-IS", "-c", LOOK], ResourceLimits(None, None, None, open_files=200))
    at = inner.index(f"parent={os.getpid()}")
    relay = f"import os, sys; argv = {inner!r}; argv[{at}] = f'parent={{os.getppid()}}'; os.execv(argv[0], argv)"
    found = json.loads(python(relay, ResourceLimits(None, None, None, open_files=100)).stdout)
    assert found["NOFILE"] == [100, 100]


@linux
def test_allocation_over_the_limit_fails() -> None:
    ended = python("bytearray(400 << 20)", ResourceLimits(200 * MIB, None, None))
    assert ended.returncode == 1
    assert "MemoryError" in ended.stderr


def test_cpu_time_over_the_limit_ends_with_sigxcpu() -> None:
    assert python("while True: pass", ResourceLimits(None, 1, None)).returncode == -signal.SIGXCPU


def test_file_over_the_limit_ends_with_sigxfsz(tmp_path: Path) -> None:
    big = tmp_path / "big"
    ended = run(["/bin/dd", "if=/dev/zero", f"of={big}", "bs=65536", "count=64"], ResourceLimits(None, None, MIB))
    assert ended.returncode == -signal.SIGXFSZ
    assert big.stat().st_size == MIB


@pytest.mark.parametrize("program", ["/no/such/program", __file__, "/"])
def test_program_that_cannot_run_was_not_started(program: str) -> None:
    ended = run([program])
    assert ended.returncode == EXIT_NOT_STARTED
    assert not was_started(ended.returncode, ended.stderr)


def test_program_with_the_same_exit_code_was_started() -> None:
    ended = python(f"import sys; print('confined', file=sys.stderr); sys.exit({EXIT_NOT_STARTED})")
    assert ended.returncode == EXIT_NOT_STARTED
    assert was_started(ended.returncode, ended.stderr)


@linux
def test_program_under_another_parent_does_not_run() -> None:
    argv = sandboxed_argv(["/bin/echo", "ran"], NONE)
    argv[argv.index(f"parent={os.getpid()}")] = f"parent={os.getpid() + 1}"
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert not was_started(ended.returncode, ended.stderr)
    assert ended.stdout == ""


def test_modules_in_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    for name in ("os", "resource", "ctypes", "signal", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('caught')")
    ended = run(["/bin/echo", "ran"], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (0, "ran\n")


def test_return_code_is_that_of_the_program() -> None:
    assert python("raise SystemExit(42)").returncode == 42
