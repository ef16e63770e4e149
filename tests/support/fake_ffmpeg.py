"""An ffmpeg that fails on command; when told nothing it is the real one.

`install` puts a script somewhere, to be named by FFMPEG_PATH. Each start of the script reads, from beside itself:

- `<script>.behaviour`: what to do, one of the words below; absent or empty: run the real ffmpeg. Posters (the
  output is `poster.jpg`) are made by the real one whatever it says, and so are the answers to `-version`,
  with which the server tries out its sandbox (behind a wall of files the script cannot answer, so it runs without
  one), and to questions about its capabilities;

and writes `<script>.pid` (its own) and appends to `<script>.calls`, if it is there (its arguments; `calls` returns
them). It is a shell script, for most starts are of the real program and Python takes longer to start than that one to
work; this module runs when it is to misbehave.

    hang            say nothing, for ever
    babble          report progress for ever that never advances
    stall-after:N   N honest reports, then silence
    ignore-term     one honest report, then silence, and no SIGTERM ends it
    grandchild      leave a process behind in the group, deaf to SIGTERM and holding stdout (its pid is in
                    `<copy>.grandchild`), then be the real ffmpeg
    grandchild-hang the same, then report once and hang
    slow:SECONDS    honest reports, four a second, for so long; then be the real ffmpeg
    busy            honest reports, four a second, until it is told something else; then be the real ffmpeg
    busy-again:FILE two honest reports and die if FILE does not exist yet, and make it; else busy
    busy-from:TIME  busy with segments of a film that begin at that second or later, else the real ffmpeg
    die             the return code and some words of a lack of resources, which may pass
    fail            the return code and some words of an encoder that cannot encode this
    die-once:FILE   die if FILE does not exist yet, and make it; else be the real ffmpeg
    die-after:N     N honest reports, then die
    crash           killed by SIGSEGV
    invalid         what ffmpeg says and returns for a file it cannot read
    enospc          one honest report, then what ffmpeg says and returns on a full disk
    wrong-output    success, but the output is not media
    no-output       success, but there is no output
    stderr-flood    32 MiB of words on stderr, then be the real ffmpeg

Only the standard library, and nothing of ours: it runs in a sandbox.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

INTERVAL = 0.25


_SCRIPT = r"""#!/bin/sh
case "$1" in
-version) : > "$0.trial" && exec REAL "$@" ;; # fails in a sandbox for files, where nothing below would work
-hide_banner) exec REAL "$@" ;;
esac
echo $$ > "$0.pid"
[ -e "$0.calls" ] && printf '%s\037' "$@" '
' >> "$0.calls"
for argument; do
  [ "$argument" = -hide_banner ] && break
  output=$argument
done
case "$output" in *poster.jpg) exec REAL "$@" ;; esac
[ -s "$0.behaviour" ] || exec REAL "$@"
exec MISBEHAVE "$0" REAL "$@"
"""
"""It starts no process, which no program in the sandbox can. The output of a command as the server writes it is the
last argument before its global flags."""


def install(
    folder: Path, behaviour: str = "", *, name: str = "ffmpeg", real: str | None = None, records: bool = True
) -> Path:
    """Write a script at `folder/name`; returns its path. `real` is the packaged program of that name unless given: a
    script named `ffprobe` works as well. After some thousand calls their record is larger than what a program in the
    sandbox may write, so it would end every one: without `records` there is none."""
    path = folder / name
    if real is None:
        from roomcast_workers.ffmpeg.binaries import find_binaries  # noqa: PLC0415 - misbehaving takes nothing of ours

        real = find_binaries().ffprobe if "ffprobe" in name else find_binaries().ffmpeg
    misbehave = shlex.join([sys.executable, "-IS", str(Path(__file__).absolute())])
    path.write_text(_SCRIPT.replace("MISBEHAVE", misbehave).replace("REAL", shlex.quote(real)))
    path.chmod(0o755)
    if records:
        beside(path, "calls").touch()
    behave(path, behaviour)
    return path


def behave(path: Path, behaviour: str) -> None:
    """From its next start on, the script at `path` does this; one that is `busy` hears of it at once."""
    _put(beside(path, "behaviour"), behaviour)


def beside(path: Path, what: str) -> Path:
    """The file that belongs to the script at `path`: `behaviour`, `pid`, `calls` or `grandchild`."""
    return path.with_name(f"{path.name}.{what}")


def calls(path: Path) -> list[list[str]]:
    """The arguments of each start of the script at `path`, but for questions about the program."""
    return [call.split("\x1f") for call in beside(path, "calls").read_text().split("\x1f\n\x1f")[:-1]]


def pid(path: Path, of: str = "pid") -> int | None:
    """The last process of the script at `path`, or that which its file of this name has; None if there is none yet."""
    file = beside(path, of)
    written = file.read_text() if file.exists() else ""
    return int(written) if written.endswith("\n") else None


def main(path: str, real: str, argv: list[str]) -> NoReturn:
    global _self  # noqa: PLW0603 - one process is one start
    _self = Path(path).absolute()
    name, _, argument = beside(_self, "behaviour").read_text().strip().partition(":")
    _BEHAVIOURS[name](argv, argument)
    os.execv(real, [real, *argv])  # noqa: S606 - that is what it is for


def _output(argv: list[str]) -> str:
    return argv[argv.index("-hide_banner") - 1] if "-hide_banner" in argv else "".join(argv[-1:])


_self = Path()
"""The script."""


def _put(path: Path, text: str) -> None:
    """Whole or not at all: somebody is waiting to read it."""
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    part.write_text(text)
    part.replace(path)


def _hang(_argv: list[str], _argument: str) -> NoReturn:
    while True:
        signal.pause()


def _babble(_argv: list[str], _argument: str) -> NoReturn:
    while True:
        _report(0)
        time.sleep(INTERVAL / 5)


def _stall_after(argv: list[str], argument: str) -> NoReturn:
    _report_times(int(argument))
    _hang(argv, "")


def _ignore_term(argv: list[str], _argument: str) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _report_times(1)
    _hang(argv, "")


def _grandchild(_argv: list[str], _argument: str) -> None:
    ready, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(ready_write, b"!")
        _hang([], "")
    os.read(ready, 1)
    _put(beside(_self, "grandchild"), f"{pid}\n")


def _grandchild_hang(argv: list[str], _argument: str) -> NoReturn:
    _grandchild(argv, "")
    _report_times(1)
    _hang(argv, "")


def _slow(_argv: list[str], argument: str) -> None:
    _report_times(max(1, round(float(argument) / INTERVAL)))


def _busy(_argv: list[str], _argument: str) -> None:
    reported, number = beside(_self, "behaviour"), 0
    while reported.read_text().startswith("busy"):
        number += 1
        _report(number)
        time.sleep(INTERVAL)


def _busy_from(argv: list[str], argument: str) -> None:
    is_segment = any(Path(one).name.startswith("segment-") for one in argv)
    if is_segment and float(argv[argv.index("-ss") + 1]) >= float(argument):
        _busy(argv, "")


def _busy_again(argv: list[str], argument: str) -> None:
    try:
        Path(argument).touch(exist_ok=False)
    except FileExistsError:
        _busy(argv, "")
    else:
        _die_after(argv, "2")


def _die(_argv: list[str], _argument: str) -> NoReturn:
    _end(245, "Resource temporarily unavailable: /secret/path/of/mine")


def _fail(_argv: list[str], _argument: str) -> NoReturn:
    _end(234, "Error while opening encoder: Invalid argument")


def _die_once(argv: list[str], argument: str) -> None:
    try:
        Path(argument).touch(exist_ok=False)
    except FileExistsError:
        return
    _die(argv, "")


def _die_after(argv: list[str], argument: str) -> NoReturn:
    _report_times(int(argument))
    _die(argv, "")


def _crash(argv: list[str], _argument: str) -> NoReturn:
    os.kill(os.getpid(), signal.SIGSEGV)
    _hang(argv, "")


def _invalid(_argv: list[str], _argument: str) -> NoReturn:
    _end(183, "moov atom not found\nError opening input files: Invalid data found when processing input")


def _enospc(_argv: list[str], _argument: str) -> NoReturn:
    _report_times(1)
    _end(228, "Error writing trailer: No space left on device")


def _wrong_output(argv: list[str], _argument: str) -> NoReturn:
    Path(_output(argv).removeprefix("file:")).write_bytes(b"this is no film" * 100)
    _no_output(argv, "")


def _no_output(_argv: list[str], _argument: str) -> NoReturn:
    _report(1, ended=True)
    _end(0, "")


def _stderr_flood(_argv: list[str], _argument: str) -> None:
    line = b"[fake @ 0x0] words, words, words\n" * 1024
    for _ in range(32 * 1024 * 1024 // len(line)):
        os.write(2, line)


_BEHAVIOURS: dict[str, Callable[[list[str], str], None]] = {
    "": lambda _argv, _argument: None,
    "hang": _hang,
    "babble": _babble,
    "stall-after": _stall_after,
    "ignore-term": _ignore_term,
    "grandchild": _grandchild,
    "grandchild-hang": _grandchild_hang,
    "slow": _slow,
    "busy": _busy,
    "busy-again": _busy_again,
    "busy-from": _busy_from,
    "fail": _fail,
    "die": _die,
    "die-once": _die_once,
    "die-after": _die_after,
    "crash": _crash,
    "invalid": _invalid,
    "enospc": _enospc,
    "wrong-output": _wrong_output,
    "no-output": _no_output,
    "stderr-flood": _stderr_flood,
}


def _report_times(count: int) -> None:
    for number in range(1, count + 1):
        _report(number)
        time.sleep(INTERVAL)


def _report(number: int, *, ended: bool = False) -> None:
    """What ffmpeg would report of a film at 25 frames a second, compressed in real time, after `number` intervals."""
    seconds = number * INTERVAL
    micros = round(seconds * 1e6)
    sys.stdout.write(
        f"frame={round(seconds * 25)}\nfps=25.00\nbitrate= 800.0kbits/s\ntotal_size={round(seconds * 100_000)}\n"
        f"out_time_us={micros}\nout_time_ms={micros}\nout_time=00:00:{seconds:09.6f}\n"
        f"speed=   1x\nprogress={'end' if ended else 'continue'}\n"
    )
    sys.stdout.flush()


def _end(code: int, words: str) -> NoReturn:
    sys.stderr.write(words + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
