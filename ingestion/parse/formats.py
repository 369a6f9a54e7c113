"""Which reader reads which kind of document, and what its failures mean. Used inside the confined child only."""

from collections.abc import Callable

from lxml import etree

from ingestion.parse import archive, code, html, mail, markdown, pdf, plain, records, slides, table, word, workbook
from ingestion.parse.document import Head, Reason, Refused
from ingestion.parse.pieces import Pieces
from ingestion.parse.sniff import Kind, kind_of

Extract = Callable[[bytes, Pieces], Head]

EXTRACTORS: dict[Kind, Extract] = {
    Kind.PLAIN: plain.extract,
    Kind.MARKDOWN: markdown.extract,
    Kind.HTML: html.extract,
    Kind.PDF: pdf.extract,
    Kind.WORD: word.extract,
    Kind.SLIDES: slides.extract,
    Kind.WORKBOOK: workbook.extract,
    Kind.TABLE: table.extract,
    Kind.TABBED: table.extract_tabbed,
    Kind.JSON: records.extract,
    Kind.JSON_LINES: records.extract_lines,
    Kind.CODE: code.extract,
    Kind.MARKUP: code.extract_markup,
    Kind.MAIL: mail.extract,
    Kind.MAILBOX: mail.extract_mailbox,
    Kind.ARCHIVE: archive.extract,
}


def read(data: bytes, suffix: str, pieces: Pieces) -> Head:
    """Read a document of any known format.

    Raises:
        Refused: and nothing else, whatever a library raises on hostile bytes.
        MemoryError: there is none left; only the end of the process gives it back.
    """
    try:
        return EXTRACTORS[kind_of(data, suffix)](data, pieces)
    except (Refused, MemoryError):
        raise
    except RecursionError:
        raise Refused(Reason.TOO_DEEP) from None
    except etree.LxmlError as cause:
        deep = "depth" in str(cause).lower()
        raise Refused(Reason.TOO_DEEP if deep else Reason.BROKEN, type(cause).__name__) from None
    except Exception as cause:  # noqa: BLE001 - see above
        raise Refused(Reason.BROKEN, type(cause).__name__) from None
