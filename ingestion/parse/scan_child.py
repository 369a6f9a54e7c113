"""The inside of a process that recognises pages: one page of a document in, its pieces out. Runs confined."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module

from ingestion.parse import answer, zygote
from ingestion.parse.document import Extracted, Head, Reason, Refused
from ingestion.parse.layout import LayoutReader, Load
from ingestion.parse.pieces import Pieces

_READER: list[LayoutReader] = []
"""The one that is loaded before children are forked."""


def main(control_fd: int, empty_folder: str, module: str, models: str) -> None:
    """Load the reader of this module, then serve. Until a page is read, nothing here has seen a document."""

    def preload() -> None:
        load: Load = import_module(module).load
        _READER.append(load(models))

    zygote.main(control_fd, empty_folder, preload, work)


def work(document: int, result: int, request: Mapping[str, object], cut: Sequence[str]) -> None:
    with os.fdopen(document, "rb") as source:
        data = source.read()
    pieces = Pieces(int(str(request["text_chars_max"])), _no_parts)
    answer.write(result, _read(data, int(str(request["page"])), pieces), cut)


def _read(data: bytes, page: int, pieces: Pieces) -> dict[str, object]:
    try:
        _READER[0].read(data, page, pieces)
        return answer.extracted(Extracted("application/pdf", "", pieces.added))
    except Refused as refusal:
        return answer.refused(refusal)
    except MemoryError:
        return answer.refused(Refused(Reason.MEMORY))
    except Exception as cause:  # noqa: BLE001 - whatever a library raises on a hostile page
        return answer.refused(Refused(Reason.BROKEN, type(cause).__name__))


def _no_parts(data: bytes, suffix: str, pieces: Pieces) -> Head:
    """A page has no documents within it."""
    raise Refused(Reason.UNSUPPORTED_TYPE)
