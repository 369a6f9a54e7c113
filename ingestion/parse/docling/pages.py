"""Pages read by a docling-serve of the company's own. It gets a picture of the one page, drawn in our sandbox."""

import struct

from pydantic import ValidationError

from ingestion.parse.docling import reading_order
from ingestion.parse.docling.answers import Answer, Nonsense
from ingestion.parse.docling.service import DoclingService
from ingestion.parse.document import Head, Piece, Reason, Refused
from ingestion.parse.layout import LONG_SIDE_PX
from ingestion.parse.pieces import Pieces
from ingestion.parse.sandbox import Isolation, Sandbox

PICTURE_BYTES_MAX = 16_000_000
"""Noise in colour, which nothing makes smaller, takes 11 MB."""
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


class DoclingPages:
    """A `PageReader`. The document is opened by parser processes alone, and what it hides never leaves them."""

    isolation: Isolation | None = None

    def __init__(self, parser: Sandbox, service: DoclingService, chars_max: int) -> None:
        """Closes neither of them."""
        self._parser = parser
        self._service = service
        self._chars_max = chars_max

    def read(self, document: bytes, page: int) -> tuple[Piece, ...]:
        picture = self._parser.picture(document, page, PICTURE_BYTES_MAX)
        if not _is_picture(picture):
            raise Refused(Reason.CRASHED, "the parser process answered nonsense")
        return pieces_of(self._service.converted(picture), self._chars_max)


def pieces_of(body: bytes, chars_max: int) -> tuple[Piece, ...]:
    """What an answer of the service holds. It has read a hostile page and may say anything.

    Raises:
        Refused: ocr_failed, where it is not the whole page or does not hold together; too_much_text; bad_marker.
    """
    try:
        answer = Answer.model_validate_json(body)
    except ValidationError as cause:
        places = sorted({".".join(map(str, error["loc"][:3])) for error in cause.errors()})
        raise Refused(Reason.OCR_FAILED, f"its answer is not of the protocol at {', '.join(places[:3])}") from None
    # Half a page would be indexed as if it were all of it, and never be read again.
    if answer.status != "success":
        raise Refused(Reason.OCR_FAILED, f"it says {answer.status}; see its log, and ingestion.ocr_wall_s")
    if answer.document.json_content is None:
        raise Refused(Reason.OCR_FAILED, "its answer holds no document")
    pieces = Pieces(chars_max, _no_parts)
    try:
        reading_order.read(answer.document.json_content, pieces)
    except Nonsense as cause:
        raise Refused(Reason.OCR_FAILED, f"its answer does not hold together: {cause}") from None
    return pieces.added


def _is_picture(data: bytes) -> bool:
    """Whether it begins as a PNG of the size that was asked for. The process that drew it has read hostile bytes."""
    if not data.startswith(_PNG) or len(data) < len(_PNG) + 8:
        return False
    width, height = struct.unpack_from(">II", data, len(_PNG))
    return bool(max(width, height) <= LONG_SIDE_PX + 1)


def _no_parts(data: bytes, suffix: str, pieces: Pieces) -> Head:
    """A page has no documents within it."""
    raise Refused(Reason.UNSUPPORTED_TYPE)
