"""Reading documents: what is read is told, files are left behind, what has changed is taken for what has not."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from evals.ingest import command
from evals.selftest.trial import Fault, Trial
from ingestion import pipeline, relabelling
from ingestion.parse.sandbox import Sandbox
from ingestion.run import ListedDocument
from ingestion.sources.folder import FolderSource
from ingestion.sources.protocol import Listing


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


def _here() -> AbstractContextManager[object]:
    """Not in a process of its own, which would load the models again for so little; memory is not looked at here."""
    return patch.object(command, "_alone", lambda measure, *arguments: measure(*arguments))


RESYNC = Trial(
    "ingest",
    options={"data": None, "compare": False, "resync": 100},
    narrowed=_here,
    # A few files share what a run holds of all of them.
    beyond=("resync_memory_kb_per_file",),
    faults=(
        Fault("every file is made again", _made_again, ("resync_unchanged",)),
        Fault("a changed file is taken for unchanged", _taken_for_unchanged, ("resync_changed",)),
    ),
)
HOSTILE = Trial(
    "ingest",
    options={"data": None, "compare": False, "hostile": 8, "embed": False},
    narrowed=_here,
    faults=(
        Fault("what is read is logged", _told, ("hostile_canaries_told",)),
        Fault("a file is left behind", _written_beside, ("hostile_written_outside",)),
    ),
)
