"""The `ringfence` command. It finds its sub-commands by entry point and imports only the one that is called.

Exit codes: 0 done, 1 failed, 2 misuse, 3 partly done, 4 denied, 130 interrupted. What went wrong is one line on
standard error, with `--json` an object with `error.code` and `error.message`; a stack trace appears only for a mistake
of ours.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from types import FrameType
from typing import Any

import typer

from rag.errors import Interrupted, Misuse, RingfenceError

GROUP = "ringfence.commands"
INTERRUPTED = Interrupted.exit_code

SUMMARIES: Mapping[str, str] = {
    "serve": "Run the service: the HTTP API, in front of one data folder.",
    "ask": "Ask a question as a person and get a cited answer.",
    "ingest": "Read a folder or another source of documents into a tenant.",
    "documents": "List and look at what was ingested.",
    "worker": "Work on queued jobs: read sources that `ingest --enqueue` or the API asked for.",
    "policy": "Show, change, try out and test who may read what.",
    "keys": "Create, list and revoke API keys.",
    "audit": "Show the audit log and verify that nobody changed it.",
    "privacy": "Show, configure and undo the masking of personal data; erase a person; replace keys.",
    "index": "Build an index beside the live one, compare the two, switch, go back.",
    "feedback": "Review what people said about answers, and make evaluation cases of it.",
    "deploy": "Write files for running the parts on servers of your own.",
    "eval": "Measure: leaks, retrieval and more.",
    "doctor": "Show every setting with its origin and check every part.",
}
"""What stands in the overview. Kept here so that listing the commands loads none of them."""


def main(arguments: Sequence[str] | None = None, commands: Mapping[str, EntryPoint] | None = None) -> int:
    """Run the command line and return its exit code. By default, with the commands that are installed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given, installed() if commands is None else commands)
    except RingfenceError as error:
        _complain(error, as_json="--json" in given)
        return error.exit_code
    except KeyboardInterrupt:
        _complain(Interrupted("Interrupted."), as_json="--json" in given)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, a pager) has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def installed() -> dict[str, EntryPoint]:
    """The commands that installed packages bring."""
    return {found.name: found for found in entry_points(group=GROUP)}


def _run(given: list[str], commands: Mapping[str, EntryPoint]) -> int:
    if not given or given[0] in ("-h", "--help"):
        typer.echo(overview(commands))
        return 0 if given else Misuse.exit_code
    if given[0] == "--version":
        typer.echo(f"ringfence {_version()}")
        return 0
    name, *rest = given
    if name not in commands:
        raise Misuse(f"There is no command {name!r}. `ringfence --help` lists those there are.")
    return _call(name, commands[name], rest)


def overview(names: Mapping[str, object]) -> str:
    """The list of commands, those of the table first and in its order."""
    order = [name for name in SUMMARIES if name in names] + sorted(set(names) - set(SUMMARIES))
    width = max((len(name) for name in order), default=0)
    lines = [f"  {name:<{width}}  {SUMMARIES.get(name, '')}".rstrip() for name in order]
    return "\n".join(
        [
            "Usage: ringfence COMMAND [OPTIONS]",
            "",
            "Cited answers from your documents, and nothing anyone may not read.",
            "",
            "Commands:",
            *lines,
            "",
            "`ringfence COMMAND --help` explains a command, `ringfence --version` says which release this is.",
        ]
    )


def _call(name: str, found: EntryPoint, rest: list[str]) -> int:
    try:
        loaded = _loaded(found)
    except ModuleNotFoundError as cause:
        raise Misuse(
            f"The command {name!r} cannot be loaded: the module {cause.name!r} is not installed. "
            "It may belong to an optional part: see the extras in the README."
        ) from cause
    command = typer.main.get_command(loaded if isinstance(loaded, typer.Typer) else _single(loaded))
    try:
        command(args=rest, prog_name=f"ringfence {name}")
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            raise KeyboardInterrupt from None  # What the framework makes of one leaves without a word.
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    return 0


def _loaded(found: EntryPoint) -> Any:
    """What it names. Ctrl-C counts meanwhile, whatever becomes of the exception.

    Loading takes seconds, and modules of others may swallow an exception that is not theirs: by a bare `except`, or
    where Python itself drops it, in what it does as objects are freed.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        return found.load()
    told: list[int] = []

    def tell(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, tell)
    try:
        return found.load()
    finally:
        signal.signal(signal.SIGINT, before)
        if told:
            raise KeyboardInterrupt


def _single(function: object) -> typer.Typer:
    """A command line of one command: without a name of its own to repeat."""
    if not callable(function):
        raise Misuse("An entry point of ringfence.commands is neither a function nor a typer application.")
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


def _version() -> str:
    try:
        return version("ringfence")
    except PackageNotFoundError:
        return "(not installed)"


def _complain(error: RingfenceError, *, as_json: bool) -> None:
    """On stderr: what stands on stdout is a result."""
    told = {"error": {"code": error.code, "message": error.message}}
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else f"error: {error.message}", err=True)


if __name__ == "__main__":
    sys.exit(main())
