"""The system calls that a program in the sandbox may make, as a program for the kernel's seccomp filter.

Everything that is not listed fails: with EPERM, or with ENOSYS what a C library tries first and then does another way.
So a program creates threads but no process, no socket and no namespace; it neither changes the owner, the mode, the
times or the attributes of a file, nor another process. Landlock covers only how files are opened, created, renamed and
removed.

Loaded by path, beside `exec.py`: only the standard library.
"""

from __future__ import annotations

import struct

FilterStep = tuple[int, int, int, int]
"""What to do, the value, and how many steps to skip when it holds and when it does not."""

SystemCall = tuple[int | None, int | None]
"""The numbers on x86-64 and on aarch64, None where there is none."""

# From linux/bpf_common.h, linux/seccomp.h and linux/audit.h.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOWED, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _EACCES, _ENOTTY, _ENOSYS = 1, 13, 25, 38
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_FROM = 0x40000000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_FILES: dict[str, SystemCall] = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None),
    "lseek": (8, 62), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "access": (21, None), "pipe": (22, None), "dup": (32, 23), "dup2": (33, None), "sendfile": (40, 71),
    "fsync": (74, 82), "fdatasync": (75, 83), "ftruncate": (77, 46), "getdents": (78, None), "getcwd": (79, 17),
    "chdir": (80, 49), "fchdir": (81, 50), "rename": (82, None), "mkdir": (83, None), "rmdir": (84, None),
    "creat": (85, None), "unlink": (87, None), "readlink": (89, None), "umask": (95, 166), "statfs": (137, 43),
    "fstatfs": (138, 44), "readahead": (187, 213), "getdents64": (217, 61), "fadvise64": (221, 223),
    "mkdirat": (258, 34), "newfstatat": (262, 79), "unlinkat": (263, 35), "renameat": (264, 38),
    "readlinkat": (267, 78), "faccessat": (269, 48), "splice": (275, 76), "sync_file_range": (277, 84),
    "fallocate": (285, 47), "dup3": (292, 24), "pipe2": (293, 59), "preadv": (295, 69), "pwritev": (296, 70),
    "renameat2": (316, 276), "copy_file_range": (326, 285), "preadv2": (327, 286), "pwritev2": (328, 287),
    "statx": (332, 291), "close_range": (436, 436), "faccessat2": (439, 439),
}  # fmt: skip
_MEMORY: dict[str, SystemCall] = {
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "msync": (26, 227), "madvise": (28, 233), "mlock": (149, 228), "munlock": (150, 229),
    "mlock2": (325, 284), "mbind": (237, 235), "set_mempolicy": (238, 237), "get_mempolicy": (239, 236),
    "membarrier": (324, 283),
}  # fmt: skip
_THREADS_AND_TIME: dict[str, SystemCall] = {
    "sched_yield": (24, 124), "futex": (202, 98), "sched_getaffinity": (204, 123), "set_tid_address": (218, 96),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "rseq": (334, 293), "getcpu": (309, 168),
    "sched_getparam": (143, 121), "sched_getscheduler": (145, 120), "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126), "getpriority": (140, 141), "nanosleep": (35, 101), "getitimer": (36, 102),
    "alarm": (37, None), "setitimer": (38, 103), "gettimeofday": (96, 169), "times": (100, 153), "time": (201, None),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "pause": (34, None),
    "poll": (7, None), "select": (23, None), "pselect6": (270, 72), "ppoll": (271, 73), "epoll_create": (213, None),
    "epoll_wait": (232, None), "epoll_ctl": (233, 21), "epoll_pwait": (281, 22), "epoll_create1": (291, 20),
    "eventfd": (284, None), "eventfd2": (290, 19),
}  # fmt: skip
_PROCESS: dict[str, SystemCall] = {
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getpgrp": (111, None), "getpgid": (121, 155),
    "getsid": (124, 156), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177),
    "getgroups": (115, 158), "getresuid": (118, 148), "getresgid": (120, 150), "uname": (63, 160),
    "getrlimit": (97, 163), "getrusage": (98, 165), "sysinfo": (99, 179),
    "getrandom": (318, 278), "arch_prctl": (158, None), "execve": (59, 221), "exit": (60, 93), "exit_group": (231, 94),
    "wait4": (61, 260), "waitid": (247, 95),
}  # fmt: skip

_CLONE = (56, 220)
_CLONE_THREAD = 0x00010000
_NAMESPACES = 0x7E020080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, and NEWTIME."""
_OPEN, _OPENAT = (2, None), (257, 56)
_ACCESS_MODE, _TRUNCATE = 0o3, 0o1000
_PRLIMIT = (302, 261)
_SET_AFFINITY = (203, 122)
_KILL, _TKILL, _TGKILL = (62, 129), (200, 130), (234, 131)
_PRCTL, _PRCTL_OPTIONS = (157, 167), (3, 15, 16, 23, 39, 0x53564D41)
"""PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS and PR_SET_VMA."""
_FCNTL, _FCNTL_COMMANDS = (72, 25), (0, 1, 2, 3, 4, 1030, 1031, 1032)
"""Those for duplicates and flags of a descriptor and for a pipe's size: no signals to an owner, no leases, no locks."""
_IOCTL, _IOCTL_REQUESTS = (16, 29), (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX and FIOCLEX: no attributes of files, no input for a terminal."""
_SOCKET, _SOCKETPAIR, _CONNECT = (41, 198), (53, 199), (42, 203)
_KNOWN_TO = 424
"""Higher numbers came later than every C library expects: a program that tries one can do without it."""
_CLONE3, _OPENAT2 = (435, 435), (437, 437)


def filter_program(machine: str, own_pid: int | None) -> bytes:
    """Return the filter for a machine (as `uname -m` names it), as the kernel takes it: 8 bytes per step.

    A program signals only itself, that is `own_pid`; without one, all processes of its own namespace.
    """
    column = list(_ARCHITECTURES).index(machine)
    steps: list[FilterStep] = [
        (_LOAD, _ARCHITECTURE_AT, 0, 0),
        (_IF_EQUAL, _ARCHITECTURES[machine], 1, 0),
        *_fail(_EPERM),
        (_LOAD, _NUMBER_AT, 0, 0),
        (_IF_AT_LEAST, _X32_FROM, 0, 1),
        *_fail(_EPERM),
    ]
    for call, verdict in _verdicts(own_pid):
        if (number := call[column]) is not None:
            steps += [(_IF_EQUAL, number, 0, len(verdict)), *verdict]
    steps += [(_IF_AT_LEAST, _KNOWN_TO, 0, 1), *_fail(_ENOSYS), *_fail(_EPERM)]
    return b"".join(struct.pack("=HBBI", do, yes, no, value) for do, value, yes, no in steps)


def _verdicts(own_pid: int | None) -> list[tuple[SystemCall, list[FilterStep]]]:
    """Return every system call that does not simply fail, and the steps that decide about it."""
    own = _allow() if own_pid is None else _if_among(0, (own_pid,), _EPERM)
    return [
        *((call, _allow()) for group in (_FILES, _MEMORY, _THREADS_AND_TIME, _PROCESS) for call in group.values()),
        (_CLONE, _if_bits(0, _CLONE_THREAD | _NAMESPACES, _CLONE_THREAD)),
        # Opened for reading and truncated at once: Landlock before its version 3 does not mind.
        (_OPEN, _unless_bits(1, _ACCESS_MODE | _TRUNCATE, _TRUNCATE)),
        (_OPENAT, _unless_bits(2, _ACCESS_MODE | _TRUNCATE, _TRUNCATE)),
        (_SET_AFFINITY, _if_among(0, (0,), _EPERM)),
        (_PRLIMIT, _if_reads_own_limit()),
        *((call, own) for call in (_KILL, _TKILL, _TGKILL)),
        (_PRCTL, _if_among(0, _PRCTL_OPTIONS, _EPERM)),
        (_FCNTL, _if_among(1, _FCNTL_COMMANDS, _EPERM)),
        (_IOCTL, _if_among(1, _IOCTL_REQUESTS, _ENOTTY)),
        *((call, _fail(_EACCES)) for call in (_SOCKET, _SOCKETPAIR, _CONNECT)),
        *((call, _fail(_ENOSYS)) for call in (_CLONE3, _OPENAT2)),
    ]


def _allow() -> list[FilterStep]:
    return [(_RETURN, _ALLOWED, 0, 0)]


def _fail(number: int) -> list[FilterStep]:
    return [(_RETURN, _ERRNO | number, 0, 0)]


def _argument(index: int) -> FilterStep:
    """Load the lower half of an argument. Both machines are little-endian."""
    return _LOAD, _ARGUMENTS_AT + 8 * index, 0, 0


def _if_among(index: int, values: tuple[int, ...], otherwise: int) -> list[FilterStep]:
    """Allow the call if an argument is one of these values."""
    tests = [(_IF_EQUAL, value, len(values) - at, 0) for at, value in enumerate(values)]
    return [_argument(index), *tests, *_fail(otherwise), *_allow()]


def _if_reads_own_limit() -> list[FilterStep]:
    """Allow `prlimit64` for this process and without a new limit: root could raise those that were set."""
    zeros = [_argument(0), _argument(2), (_LOAD, _ARGUMENTS_AT + 8 * 2 + 4, 0, 0)]
    tests = [step for load in zeros for step in (load, (_IF_EQUAL, 0, 1, 0), *_fail(_EPERM))]
    return [*tests, *_allow()]


def _if_bits(index: int, mask: int, wanted: int) -> list[FilterStep]:
    """Allow the call if an argument has these bits under the mask."""
    return [_argument(index), (_AND, mask, 0, 0), (_IF_EQUAL, wanted, 1, 0), *_fail(_EPERM), *_allow()]


def _unless_bits(index: int, mask: int, refused: int) -> list[FilterStep]:
    """Allow the call unless an argument has these bits under the mask."""
    return [_argument(index), (_AND, mask, 0, 0), (_IF_EQUAL, refused, 0, 1), *_fail(_EPERM), *_allow()]
