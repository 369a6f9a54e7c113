"""Reading documents with something broken. Its runs have processes of their own: a fault is planted in those."""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar
from unittest.mock import patch

from evals.ingest import command
from evals.selftest.trial import Fault, Trial
from ingestion import pipeline, relabelling
from ingestion.parse.sandbox import Sandbox
from ingestion.run import ListedDocument
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Listing

T = TypeVar("T")


@contextmanager
def _told() -> Iterator[None]:
    """Whatever is parsed is logged as well."""
    inner = Sandbox.parse

    def parse(self: Sandbox, data: bytes, *arguments: Any, **named: Any) -> Any:
        logging.getLogger("ingestion").info("parsing %s", data.decode("utf-8", "replace"))
        return inner(self, data, *arguments, **named)

    with patch.object(Sandbox, "parse", parse):
        yield


@contextmanager
def _written_beside() -> Iterator[None]:
    """A file is left behind beside the folder that is read."""
    inner = FolderSource.listing

    def listing(self: FolderSource, since: str = "") -> Listing:
        (self._root.parent / "left-behind").write_text("left", encoding="utf-8")
        return inner(self, since)

    with patch.object(FolderSource, "listing", listing):
        yield


def _taken_for_unchanged() -> AbstractContextManager[object]:
    """A file that is known counts as unchanged, whatever the source says of it."""
    return patch.object(relabelling, "_stands", lambda document, standing: True)


@contextmanager
def _made_again() -> Iterator[None]:
    """Every file is parsed, masked and embedded again, changed or not."""
    with (
        patch.object(relabelling, "_stands", lambda document, standing: False),
        patch.object(ListedDocument, "is_of_this_revision", lambda self, version: False),
        patch.object(pipeline, "made_of", lambda version, content, made_by: False),
    ):
        yield


PLANTS: Mapping[str, Callable[[], AbstractContextManager[object]]] = {
    "told": _told,
    "written beside": _written_beside,
    "taken for unchanged": _taken_for_unchanged,
    "made again": _made_again,
}


def broken(plant: str, measure: Callable[..., T], *arguments: object) -> T:
    """What a process of a run does, with a fault."""
    with PLANTS[plant]():
        return measure(*arguments)


def planted(plant: str) -> AbstractContextManager[object]:
    """Runs in processes of their own have the fault."""

    def alone(measure: Callable[..., T], *arguments: object) -> T:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(broken, plant, measure, *arguments).result()

    return patch.object(command, "_alone", alone)


RESYNC = Trial(
    "ingest",
    options={"data": None, "compare": False, "resync": 100},
    # A few files share what a run holds of all of them.
    beyond=("resync_memory_kb_per_file",),
    faults=(
        Fault("every file is made again", partial(planted, "made again"), ("resync_unchanged",)),
        Fault("a changed file is taken for unchanged", partial(planted, "taken for unchanged"), ("resync_changed",)),
    ),
)
HOSTILE = Trial(
    "ingest",
    options={"data": None, "compare": False, "hostile": 8, "embed": False},
    faults=(
        Fault("what is read is logged", partial(planted, "told"), ("hostile_canaries_told",)),
        Fault("a file is left behind", partial(planted, "written beside"), ("hostile_written_outside",)),
    ),
)
