"""The process that parser processes are forked from: it has loaded the libraries and never sees a document.

It is started once per run with an empty environment and no network. For each request it forks; the child takes
its limits, reads one document from a pipe, writes one result to another and ends. So a document costs
milliseconds and can harm nothing but its own process.

`ingestion.parse.sandbox` starts it and speaks to it over a socket.
"""

import gc
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from ingestion.parse.confine import (
    MESSAGE_BYTES_MAX,
    Limits,
    cut_filesystem,
    cut_network,
    die_with_parent,
    drop_capabilities,
    landlock,
    limit,
)
from ingestion.parse.syscalls import refuse_dangerous_calls

Work = Callable[[int, int, Mapping[str, object], Sequence[str]], None]
"""What a child does: reads from one descriptor and writes to another, by a request; told what was taken from it."""


def main(control_fd: int, empty_folder: str, preload: Callable[[], None], work: Work) -> None:
    control = socket.socket(fileno=control_fd)
    network_cut = cut_network()
    # After the step before: a change of credentials forgets it.
    die_with_parent()
    preload()
    # What is loaded now stays shared between the children instead of being copied by the first collection.
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"network_cut": network_cut}).encode())
    while True:
        message, fds, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, 2)
        if not message:
            return
        request = json.loads(message)
        document, result = fds
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            control.close()
            _child(request, document, result, empty_folder, work)
        os.close(document)
        os.close(result)
        control.send(json.dumps(_wait(pid, started + request["wall_s"])).encode())


def _child(request: dict[str, object], document: int, result: int, empty_folder: str, work: Work) -> None:
    """Never returns."""
    status = 1
    try:
        limits = Limits(
            wall_s=float(str(request["wall_s"])),
            cpu_s=int(str(request["cpu_s"])),
            memory_bytes=int(str(request["memory_bytes"])),
            text_chars_max=int(str(request["text_chars_max"])),
        )
        cut = ["chroot"] * cut_filesystem(empty_folder)
        drop_capabilities()
        die_with_parent()
        cut += ["landlock"] * landlock()
        limit(limits)
        cut += ["seccomp"] * refuse_dangerous_calls()
        work(document, result, request, cut)
        status = 0
    except MemoryError:
        status = 77
    finally:
        # Not sys.exit: nothing of the forked interpreter's clean-up may run.
        os._exit(status)


def _wait(pid: int, deadline: float) -> dict[str, object]:
    timed_out = False

    def kill(_signal: int, _frame: FrameType | None) -> None:
        nonlocal timed_out
        timed_out = True
        os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, deadline - time.monotonic()))
    _, status, usage = os.wait4(pid, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return {
        "timed_out": timed_out,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
