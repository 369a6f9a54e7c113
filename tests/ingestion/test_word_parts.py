"""The parts of a Word document beside its text: what of them a page shows is read, and none of them has to be there."""

import re

import pytest

from evals.hostile.samples import archive, word
from ingestion.parse.sandbox import Sandbox
from rag.hidden_content import HiddenKind
from tests.ingestion.office_documents import Fill, body, extracted, lines, paragraph, rewritten, table_row

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


_NOTES = (
    '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    '<w:footnote w:type="separator" w:id="0"><w:p/></w:footnote><w:footnote w:id="1"><w:p><w:r><w:t>KEPT</w:t>'
    '</w:r></w:p></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>NOTE</w:t></w:r></w:p></w:footnote></w:footnotes>'
)
_TO_FIRST, _TO_SECOND = (f'<w:r><w:footnoteReference w:id="{number}"/></w:r>' for number in (1, 2))


def noted(*elements: str) -> bytes:
    """A document with two footnotes, the first of which `elements` need not refer to."""
    related = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"

    def change(name: str, part: bytes) -> bytes:
        new, end = b"", b""
        if name == "word/_rels/document.xml.rels":
            new, end = f'<Relationship Id="rN" Type="{related}" Target="footnotes.xml"/>'.encode(), b"</Relationships>"
        elif name == "[Content_Types].xml":
            new, end = b'<Override PartName="/word/footnotes.xml" ContentType="application/xml"/>', b"</Types>"
        return part.replace(end, new + end) if end else part

    return rewritten(body(paragraph("Text.", _TO_FIRST), *elements), change, {"word/footnotes.xml": _NOTES.encode()})


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ((), HiddenKind.INVISIBLE_TEXT),
        ((paragraph(f'<w:del w:id="9" w:author="x">{_TO_SECOND}</w:del>'),), HiddenKind.TRACKED_DELETION),
        ((paragraph(_TO_SECOND.replace("<w:r>", "<w:r><w:rPr><w:vanish/></w:rPr>")),), HiddenKind.INVISIBLE_TEXT),
        (
            (
                f"<w:tbl>{table_row('a', 'b')}"
                f"{table_row(paragraph(_TO_SECOND), 'c', properties='<w:trPr><w:del/></w:trPr>')}</w:tbl>",
            ),
            HiddenKind.TRACKED_DELETION,
        ),
    ],
)
def test_a_note_to_which_nothing_seen_refers_is_hidden_content(elements: tuple[str, ...], kind: HiddenKind) -> None:
    data = noted(*elements)
    assert [text for text in lines(data, ".docx") if text.isupper()] == ["KEPT"]
    assert kind in extracted(data, ".docx").hidden
    assert "NOTE" in lines(data, ".docx", kind)
    shown = noted(*elements, paragraph(_TO_SECOND))
    assert [text for text in lines(shown, ".docx") if text.isupper()] == ["KEPT", "NOTE"]


def _edges(*, first: bool, even: bool, same: bool = False) -> bytes:
    def fill(document: Fill) -> None:
        document.add_paragraph("Text.")
        section = document.sections[0]
        section.header.paragraphs[0].text = "Header"
        section.first_page_header.paragraphs[0].text = "Header" if same else "FIRST"
        section.even_page_footer.paragraphs[0].text = "EVEN"
        document.add_section().different_first_page_header_footer = first  # it has the headers of the one before
        document.settings.odd_and_even_pages_header_footer = even

    return word(fill)


@pytest.mark.parametrize(("first", "even"), [(False, False), (True, False), (False, True), (True, True)])
def test_headers_that_are_switched_off_are_hidden_content(first: bool, even: bool) -> None:
    data = _edges(first=first, even=even)
    assert set(lines(data, ".docx")) == {"Text.", "Header", *["FIRST"] * first, *["EVEN"] * even}
    assert extracted(data, ".docx").hidden.get(HiddenKind.INVISIBLE_TEXT, 0) == (not first) + (not even)


def test_a_header_that_is_switched_off_and_repeats_another_hides_nothing() -> None:
    assert extracted(_edges(first=False, even=True, same=True), ".docx").hidden == {}
