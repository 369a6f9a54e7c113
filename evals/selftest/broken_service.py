"""`python -m evals.selftest.broken_service FAULT serve ...`: the service in its own process, with a part broken."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from evals.questions import WIDEST
from evals.selftest.remembered import remembered
from rag import cli
from rag.api import composition
from rag.domain import Principal
from rag.query.found import Found
from rag.query.passages import OpenedPassage
from rag.query.record import Recorder


@contextmanager
def widest_reader() -> Iterator[None]:
    """Searches and passages are given to everybody as to the widest reader."""
    search, opened = composition.QueryPath.search, composition.QueryPath.open_passage

    async def searched(self: Any, question: str, principal: Principal, *more: Any, **named: Any) -> Found:
        return await search(self, question, replace(principal, person=WIDEST, assistant=None), *more, **named)

    async def open_passage(self: Any, document: str, version: str, span: Any, principal: Principal) -> OpenedPassage:
        return await opened(self, document, version, span, replace(principal, person=WIDEST, assistant=None))

    with (
        patch.object(composition.QueryPath, "search", searched),
        patch.object(composition.QueryPath, "open_passage", open_passage),
    ):
        yield


def crashing() -> AbstractContextManager[object]:
    """Every search ends in an error that nobody expected."""

    async def crash(*_: object, **__: object) -> Found:
        raise ZeroDivisionError

    return patch.object(composition.QueryPath, "search", crash)


def forgetful() -> AbstractContextManager[object]:
    """No search is recorded."""

    async def forgotten(*_: object, **__: object) -> None:
        return None

    return patch.object(Recorder, "searched", forgotten)


def forgetting_edits() -> AbstractContextManager[object]:
    """A policy counts for as long as a run takes, whatever is edited meanwhile."""
    return remembered(3600)


FAULTS: Mapping[str, Callable[[], AbstractContextManager[object]]] = {
    fault.__name__: fault for fault in (widest_reader, crashing, forgetful, forgetting_edits)
}


def main() -> int:
    """Run the command that follows the name of the fault."""
    fault, *arguments = sys.argv[1:]
    with FAULTS[fault]():
        return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
