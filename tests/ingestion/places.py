"""What a worker of a cluster finds on its node, in tests: real parser processes, keys and masking, stand-in models.

Importable by name, as a worker imports it.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ingestion.cluster.worker import Place
from ingestion.parse.confine import Limits
from ingestion.parse.document import ParsedDocument
from ingestion.parse.members import Members
from ingestion.parse.sandbox import Isolation, Sandbox
from ingestion.parts import Tools
from rag.hidden_content import DROP_ALL, HiddenPolicy
from rag.ingestion_settings import IngestionSettings
from rag.privacy.faces import offline_domains
from tests.ingestion.stand_ins import CountedPairs, CountingEmbedder
from tests.ingestion.worlds import MASTER

GIVEN = {"domains": offline_domains(), "vault": None}
DIES_ONCE, DIES = "dies-once.txt", "dies.txt"


class Deadly:
    """A parser whose process is killed by documents of two names: by one of them each time."""

    def __init__(self, parser: Sandbox, marks: Path) -> None:
        self._parser = parser
        self._mark = marks / "died"

    @property
    def isolation(self) -> Isolation | None:
        return self._parser.isolation

    def parse(self, data: bytes, path: str, hidden: HiddenPolicy = DROP_ALL) -> ParsedDocument:
        if path == DIES or (path == DIES_ONCE and not self._mark.exists()):
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._parser.parse(data, path, hidden)

    def members(self, archive: BinaryIO) -> Members:
        raise NotImplementedError

    def member(self, archive: BinaryIO, index: int, bytes_max: int) -> bytes:
        raise NotImplementedError


@contextmanager
def stand_in_place(marks: Path | None = None) -> Iterator[Place]:
    with Sandbox(Limits(20, 10, 1_500_000_000, 100_000)) as sandbox:
        parser = sandbox if marks is None else Deadly(sandbox, marks)
        settings = IngestionSettings(chunk_tokens=40)
        yield Place(Tools("stand-in", parser, CountingEmbedder(), CountedPairs(), settings), MASTER, GIVEN)
