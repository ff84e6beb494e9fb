"""Child processes with a time limit, which leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 20  # from a Ctrl-C until what still runs is killed
BEAT_S = 60  # between two signs of life


@dataclass(frozen=True)
class Outcome:
    exit_code: int  # as subprocess has it: negative for a signal
    timed_out: bool
    seconds: float


def run_logged(
    command: Sequence[str],
    log: Path,
    seconds: float,
    folder: Path,
    variables: Mapping[str, str] = {},
    beat: Callable[[float], None] | None = None,
) -> Outcome:
    """Runs a command with its output in a file. `beat` is told every minute how many seconds have passed.

    A command that takes too long, and one that is running when an exception comes (such as Ctrl-C), is
    interrupted and then killed, with all that it has started. Raises OSError where it cannot be started.
    """
    begin = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, **variables},
            start_new_session=True,  # so that Ctrl-C is handed on once, and everything can be killed
        )
        timed_out = False
        try:
            while process.poll() is None:
                left = begin + seconds - time.monotonic()
                if left <= 0:
                    timed_out = True
                    break
                try:
                    process.wait(min(left, BEAT_S))
                except subprocess.TimeoutExpired:
                    if beat is not None:
                        beat(time.monotonic() - begin)
        finally:
            end(process)
    return Outcome(process.returncode, timed_out, time.monotonic() - begin)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that leads a session, and what it has started. Nothing happens to one that has ended."""
    if process.poll() is not None:
        return
    family = [process.pid, *descendants(process.pid)]
    send(-process.pid, signal.SIGINT)
    try:
        process.wait(PATIENCE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        family += [pid for pid in descendants(process.pid) if pid not in family]
        send(-process.pid, signal.SIGKILL)
        for pid in family[1:]:
            send(pid, signal.SIGKILL)
        process.wait()


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number) if pid > 0 else os.killpg(-pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def descendants(pid: int) -> list[int]:
    """The children of a process, theirs and so on, also in sessions of their own. Empty without /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # "PID (NAME) STATE PARENT ...", and a name may hold anything, brackets too
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it has ended meanwhile
        children.setdefault(parent, []).append(int(entry.parent.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        some = children.get(todo.pop(), [])
        found += some
        todo += some
    return found
