"""What tests of ingestion read off its results, and how they make what was staged visible."""

from ingestion.parse.document import ParsedDocument
from ingestion.parts import IngestionParts
from ingestion.report import Change, Report
from rag.index.projection import Projection
from tests.ingestion.worlds import TENANT


def changes(report: Report) -> dict[str, Change]:
    """What happened to each document, by its path."""
    return {outcome.path: outcome.change for outcome in report.outcomes}


def said(parsed: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    """The headings above each block, and its text."""
    return [(block.heading_path, block.text) for block in parsed.blocks]


async def flip_staged(parts: IngestionParts) -> None:
    """Make everything that is staged visible, as publishing does once its chunks are in the index."""
    async with parts.database.unit_of_work() as session:
        projection = Projection(session, TENANT)
        for staged in await projection.staged():
            assert await projection.flip([(staged, 1)]) == 1
