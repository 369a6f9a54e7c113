"""The parts of a Word document beside its text: what of them a page shows is read, and none of them has to be there."""

import re

import pytest

from evals.hostile.samples import archive, word
from ingestion.parse.sandbox import Sandbox
from tests.ingestion.office_documents import Fill, rewritten

_TYPES = (
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
    b'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
    b'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATION = (
    b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type='
    b'"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
    b"</Relationships>"
)
_DOCUMENT = (
    b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>'
    b"The lease ends in May.</w:t></w:r></w:p></w:body></w:document>"
)


def without(data: bytes, *names: str) -> bytes:
    """A document without the parts of these names: nothing points to them."""

    def change(name: str, part: bytes) -> bytes:
        for gone in names if name.endswith(".rels") or name == "[Content_Types].xml" else ():
            part = re.sub(rb"<(?:Relationship|Override)[^>]*[/\"]%s\.xml[^>]*/>" % gone.encode(), b"", part)
        return part

    return rewritten(data, change)


@pytest.mark.parametrize("gone", [(), ("settings",), ("styles",), ("settings", "styles", "numbering")])
def test_a_document_without_settings_or_styles_is_read(sandbox: Sandbox, gone: tuple[str, ...]) -> None:
    """As small generators write it. A library that reads its own template instead finds no disk in the sandbox."""

    def fill(document: Fill) -> None:
        document.add_heading("Lease", 1)
        document.add_paragraph("It ends in May.")

    read = [block.text for block in sandbox.parse(without(word(fill), *gone), "x.docx").blocks]
    assert read == ["Lease"] * ("styles" in gone) + ["It ends in May."]  # no style, no heading


def test_a_document_of_nothing_but_its_text_is_read(sandbox: Sandbox) -> None:
    data = archive({"[Content_Types].xml": _TYPES, "_rels/.rels": _RELATION, "word/document.xml": _DOCUMENT})
    assert [block.text for block in sandbox.parse(data, "x.docx").blocks] == ["The lease ends in May."]
