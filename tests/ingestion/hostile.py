"""The hostile files of the evals, and those that need a PDF writer; each with the reason it must be reported with."""

from fpdf import FPDF
from fpdf.enums import EncryptionMethod

from evals.hostile.known import known_files
from ingestion.parse.document import Reason

GOOD = b"# Opening hours\n\nThe canteen is open from eleven to two.\n"


def pdf(*pages: str, password: str | None = None) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=12)
    for text in pages:
        document.add_page()
        if text:
            document.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")
    if password is not None:
        document.set_encryption(
            owner_password=password, user_password=password, encryption_method=EncryptionMethod.AES_128
        )
    return bytes(document.output())


def hostile_files() -> dict[str, tuple[bytes, Reason]]:
    """By name: the bytes and the reason."""
    return {
        **known_files(),
        "locked.pdf": (pdf("A secret page.", password="made-up"), Reason.ENCRYPTED),
        "scan.pdf": (pdf("", ""), Reason.IMAGE_ONLY),
    }
