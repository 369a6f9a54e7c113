"""What tests of ingestion read off its results, and how they make what was staged visible."""

from ingestion.parse.document import ParsedDocument
from ingestion.parse.sandbox import Sandbox
from ingestion.parts import IngestionParts
from ingestion.report import Change, Report
from rag.hidden_content import HiddenAction, HiddenKind, HiddenPolicy
from rag.index.projection import Projection
from tests.ingestion.worlds import TENANT

EVERYTHING = HiddenPolicy(dict.fromkeys(HiddenKind, HiddenAction.INDEX))


def changes(report: Report) -> dict[str, Change]:
    """What happened to each document, by its path."""
    return {outcome.path: outcome.change for outcome in report.outcomes}


def said(parsed: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    """The headings above each block, and its text."""
    return [(block.heading_path, block.text) for block in parsed.blocks]


def shows(sandbox: Sandbox, head: str, body: str, root: str = "<html>") -> bool:
    """Whether WORDS are read; if they are not, that they are counted, and read where hidden text is wanted."""
    page = f"{root}<head>{head}</head><body><p>before</p>{body}<p>after</p></body></html>".encode()
    parsed = sandbox.parse(page, "page.html")
    read = " ".join(block.text for block in parsed.blocks)
    assert "before" in read and "after" in read
    assert ("WORDS" in read) is not (parsed.hidden == {HiddenKind.INVISIBLE_TEXT: 1})
    assert "WORDS" in " ".join(block.text for block in sandbox.parse(page, "page.html", EVERYTHING).blocks)
    return "WORDS" in read


async def flip_staged(parts: IngestionParts) -> None:
    """Make everything that is staged visible, as publishing does once its chunks are in the index."""
    async with parts.database.unit_of_work() as session:
        projection = Projection(session, TENANT)
        for staged in await projection.staged():
            assert await projection.flip([(staged, 1)]) == 1
