"""What a program that was taken over by its input tries, from inside the sandbox; prints which attempts succeeded.

Run as `python -IS escape_attempts.py JSON`, where JSON has `victim` (a process id), `outside` (a file), `source` (a
file that may be read), `datagrams` (the path of a datagram socket) and `descriptor` (one that the parent left open).
Only the standard library.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
# By name: the numbers on x86-64 and aarch64.
NUMBERS = {
    "setxattr": (188, 5), "ptrace": (101, 117), "process_vm_readv": (310, 270), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "pivot_root": (155, 41),
    "chroot": (161, 51), "add_key": (248, 217), "keyctl": (250, 219), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "memfd_create": (319, 279), "inotify_init1": (294, 26),
    "fanotify_init": (300, 262), "ioprio_set": (251, 30), "sched_setscheduler": (144, 119), "setsid": (112, 157),
    "setpgid": (109, 154), "personality": (135, 92), "open_tree": (428, 428), "fsopen": (430, 430),
    "name_to_handle_at": (303, 264), "kcmp": (312, 272), "truncate": (76, 45), "clone": (56, 220),
    "tgkill": (234, 131), "openat": (257, 56), "fchmodat2": (452, 452), "move_mount": (429, 429),
    "landlock_create_ruleset": (444, 444), "timer_create": (222, 107), "setuid": (105, 146), "syslog": (103, 116),
}  # fmt: skip
COLUMN = {"x86_64": 0, "aarch64": 1}[os.uname().machine]
RELATIVE = -100


def call(name: str, *arguments: Any) -> int:
    """Make a system call; raise `OSError` if it fails."""
    longs = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = int(LIBC.syscall(ctypes.c_long(NUMBERS[name][COLUMN]), *longs))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def attempts(target: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """Return every attempt by its name."""
    victim, outside, source = target["victim"], target["outside"], target["source"]
    return {
        # Other processes.
        "kill": lambda: os.kill(victim, 0),
        "kill all": lambda: os.kill(-victim, 0),
        "tgkill": lambda: call("tgkill", victim, victim, 0),
        "prlimit": lambda: resource.prlimit(victim, resource.RLIMIT_CORE, (0, 0)),
        "read its limits": lambda: resource.prlimit(victim, resource.RLIMIT_CORE),
        "own limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        "setpriority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 5),
        "affinity": lambda: os.sched_setaffinity(victim, os.sched_getaffinity(0)),
        "scheduler": lambda: call("sched_setscheduler", victim, 0, struct.pack("i", 0)),
        "ioprio": lambda: call("ioprio_set", 1, victim, (2 << 13) | 7),
        "ptrace": lambda: call("ptrace", 16, victim, None, None),
        "process_vm_readv": lambda: call("process_vm_readv", victim, None, 0, None, 0, 0),
        "pidfd_open": lambda: call("pidfd_open", victim, 0),
        "signals to an owner": lambda: owned_by(victim),
        "kcmp": lambda: call("kcmp", os.getpid(), victim, 2, 0, 0),
        # Processes of its own, which could outlive it.
        "fork": fork,
        "clone": lambda: reaped(call("clone", signal.SIGCHLD, None, None, None, None)),
        "spawn": lambda: reaped(os.posix_spawn("/bin/true", ["true"], {})),
        "session": lambda: call("setsid"),
        "process group": lambda: call("setpgid", 0, os.getppid()),
        "outlive the parent": lambda: prctl(1, 0),
        # Files outside, and what Landlock does not cover.
        "chmod": lambda: Path(outside).chmod(0o640),
        "fchmod": lambda: with_source(source, lambda fd: os.fchmod(fd, 0o640)),
        "fchmodat2": lambda: call("fchmodat2", RELATIVE, os.fsencode(outside), 0o640, 0),
        "chown": lambda: os.chown(outside, os.getuid(), os.getgid()),
        "fchown": lambda: with_source(source, lambda fd: os.fchown(fd, os.getuid(), os.getgid())),
        "utime": lambda: os.utime(outside, (1, 1)),
        "futime": lambda: with_source(source, lambda fd: os.utime(fd, (1, 1))),
        "setxattr": lambda: call("setxattr", os.fsencode(outside), b"user.x", b"1", 1, 0),
        "truncate": lambda: call("truncate", os.fsencode(outside), 0),
        "truncate by reading": lambda: call("openat", RELATIVE, os.fsencode(outside), os.O_RDONLY | os.O_TRUNC, 0),
        "attributes": lambda: with_source(source, lambda fd: fcntl.ioctl(fd, 0x40086602, struct.pack("l", 0))),
        "lease": lambda: with_source(source, lambda fd: fcntl.fcntl(fd, 1024, fcntl.F_RDLCK)),
        "flock": lambda: with_source(source, lambda fd: fcntl.flock(fd, fcntl.LOCK_SH)),
        "read": lambda: Path(outside).read_bytes(),
        "write": lambda: Path(outside).write_bytes(b"mine"),
        "watch": lambda: call("inotify_init1", 0),
        "file handle": lambda: call("name_to_handle_at", RELATIVE, b"/", ctypes.create_string_buffer(200), None, 0),
        "symbolic link": lambda: Path("link").symlink_to(outside),
        "hard link": lambda: os.link(source, "hard"),
        "pipe with a name": lambda: os.mkfifo("fifo"),
        "inherited descriptor": lambda: os.fstat(target["descriptor"]),
        # Messages.
        "datagram": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"forged", target["datagrams"]),
        "datagram of a pair": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(
            b"forged", target["datagrams"]
        ),
        "internet": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "shared memory": lambda: call("shmget", 0, 4096, 0o1600),
        "semaphores": lambda: call("semget", 0, 1, 0o1600),
        "message queue": lambda: call("msgget", 0, 0o1600),
        "named message queue": lambda: call("mq_open", b"roomcast-test", os.O_CREAT | os.O_RDWR, 0o600, None),
        "keys": lambda: call("add_key", b"user", b"roomcast", b"x", 1, -2),
        "keyring": lambda: call("keyctl", 0, -3, 1),
        # The kernel.
        "user namespace": lambda: call("unshare", 0x10000000),
        "mount namespace": lambda: call("unshare", 0x00020000),
        "network namespace": lambda: call("unshare", 0x40000000),
        "clone into a namespace": lambda: reaped(call("clone", 0x10000000 | signal.SIGCHLD, None, None, None, None)),
        "setns": lambda: call("setns", 0, 0),
        "mount": lambda: call("mount", b"none", b".", b"tmpfs", 0, None),
        "fsopen": lambda: call("fsopen", b"tmpfs", 0),
        "open_tree": lambda: call("open_tree", RELATIVE, b"/", 1),
        "chroot": lambda: call("chroot", b"."),
        "bpf": lambda: call("bpf", 0, ctypes.create_string_buffer(struct.pack("IIIII", 2, 4, 4, 1, 0), 120), 120),
        "perf": lambda: call("perf_event_open", ctypes.create_string_buffer(120), 0, -1, -1, 0),
        "userfaultfd": lambda: call("userfaultfd", 1),
        "io_uring": lambda: call("io_uring_setup", 1, ctypes.create_string_buffer(120)),
        "memfd": lambda: call("memfd_create", b"x", 0),
        "fanotify": lambda: call("fanotify_init", 0, 0),
        "personality": lambda: call("personality", 0x0040000),
        "timer": lambda: call("timer_create", 0, None, ctypes.create_string_buffer(8)),
        "setuid": lambda: call("setuid", os.getuid()),
        "kernel log": lambda: call("syslog", 10, None, 0),
        "landlock": lambda: call("landlock_create_ruleset", None, 0, 1),
    }


def needed() -> dict[str, Callable[[], object]]:
    """Return what every program must be able to do, by its name."""
    return {
        "thread": thread,
        "own file": lambda: Path("own").write_bytes(b"x" * 10),
        "own folder": lambda: Path("folder").mkdir(),
        "rename": lambda: Path("own").rename("folder/own"),
        "truncate own": lambda: os.truncate(os.open("folder/own", os.O_RDWR), 3),
        "own limit": lambda: resource.getrlimit(resource.RLIMIT_AS),
        "own signal": lambda: os.kill(os.getpid(), 0),
        "processors": lambda: os.sched_getaffinity(0),
        "memory": lambda: mmap.mmap(-1, 1 << 20),
        "pipe": lambda: os.write(os.pipe()[1], b"x"),
        "random": lambda: os.urandom(8),
        "terminal": lambda: os.isatty(1),
    }


def owned_by(victim: int) -> None:
    reader, _ = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, victim)


def prctl(option: int, value: int) -> None:
    if LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def reaped(child: int) -> None:
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def with_source(source: str, action: Callable[[int], object]) -> None:
    """Do something with a descriptor that reads the source."""
    descriptor = os.open(source, os.O_RDONLY)
    try:
        action(descriptor)
    finally:
        os.close(descriptor)


def thread() -> None:
    finished: list[int] = []
    threads = [threading.Thread(target=finished.append, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(finished) == [0, 1, 2, 3]


def succeeded(tried: dict[str, Callable[[], object]]) -> list[str]:
    found = []
    for name, attempt in tried.items():
        try:
            attempt()
        except (OSError, ValueError):  # ValueError: of `setrlimit`
            continue
        found.append(name)
    return found


if __name__ == "__main__":
    works = succeeded(needed())
    escapes = succeeded(attempts(json.loads(sys.argv[1])))
    print(json.dumps({"needed": [*needed()], "works": works, "escapes": escapes}))
