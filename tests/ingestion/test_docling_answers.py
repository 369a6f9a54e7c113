"""The pieces of what docling-serve says of a page, and what is not believed of it."""

from typing import Any

import pytest

from ingestion.parse.docling.pages import pieces_of
from ingestion.parse.document import DEPTH_MAX, Reason, Refused
from tests.ingestion.docling_stand_in import answer_of, document_of, table_of

CHARS_MAX = 10_000


def read(document: dict[str, Any]) -> list[tuple[str, int, bool]]:
    return [(piece.text, piece.heading, piece.beside) for piece in pieces_of(answer_of(document), CHARS_MAX)]


def refusal(document: dict[str, Any]) -> Reason:
    with pytest.raises(Refused) as caught:
        read(document)
    return caught.value.reason


@pytest.mark.parametrize(
    ("item", "piece"),
    [
        ({"label": "title", "text": "Leases"}, ("Leases", 1, False)),
        ({"label": "section_header", "level": 1, "text": "Rent"}, ("Rent", 2, False)),
        ({"label": "section_header", "level": 2, "text": "Term"}, ("Term", 3, False)),
        ({"label": "section_header", "level": 50, "text": "Deep"}, ("Deep", 6, False)),
        ({"label": "list_item", "text": "Pets", "marker": "1."}, ("1. Pets", 0, False)),
        ({"label": "list_item", "text": "Pets"}, ("- Pets", 0, False)),
        ({"label": "code", "text": "if a:\n    b"}, ("if a:\n    b", 0, False)),
        ({"label": "formula", "text": "", "orig": "a = b"}, ("a = b", 0, False)),
        ({"label": "checkbox_selected", "text": "agreed"}, ("[x] agreed", 0, False)),
        ({"label": "page_header", "content_layer": "furniture", "text": "Acme"}, ("Acme", 0, True)),
        ({"label": "page_footer", "text": "Page 1"}, ("Page 1", 0, True)),
        ({"label": "footnote", "text": "1 Not so."}, ("1 Not so.", 0, True)),
        ({"label": "text", "content_layer": "background", "text": "DRAFT"}, ("DRAFT", 0, True)),
        ({"label": "something_new", "text": "Text."}, ("Text.", 0, False)),
    ],
)
def test_each_kind_of_text_is_read_as_other_formats_read_it(item: dict[str, Any], piece: tuple[str, int, bool]) -> None:
    assert read(document_of(item)) == [piece]


def test_a_table_is_read_by_rows_with_the_names_of_its_columns() -> None:
    plain = table_of(("Hall", "Rent"), ("three", "400"))
    named = table_of(("2031", "2031"), ("Hall", "Rent"), ("three", "400"), headers=2)
    assert read(document_of(tables=[plain])) == [("Hall: three; Rent: 400", 0, False)]
    assert read(document_of(tables=[named])) == [("2031 Hall: three; 2031 Rent: 400", 0, False)]
    assert read(document_of(tables=[table_of(("Hall", "Rent"), headers=1)])) == [("Hall; Rent", 0, False)]


def test_what_holds_for_several_rows_or_columns_stands_with_each() -> None:
    table = table_of(("Rents", ""), ("Hall", "Rent"), ("three", "400"), ("", "410"), headers=2)
    over, _, *_, below_three, _ = table["data"]["table_cells"]
    over["end_col_offset_idx"] = 2
    table["data"]["table_cells"].remove(below_three)
    table["data"]["table_cells"][4]["end_row_offset_idx"] = 4
    assert read(document_of(tables=[table])) == [
        ("Rents Hall: three; Rents Rent: 400", 0, False),
        ("Rents Hall: three; Rents Rent: 410", 0, False),
    ]


def test_an_empty_corner_names_nothing_and_ends_no_names() -> None:
    table = table_of(("", "Rent"), ("Hall", "2031"), ("three", "400"), headers=2)
    table["data"]["table_cells"][0]["column_header"] = False
    assert read(document_of(tables=[table])) == [("Hall: three; Rent 2031: 400", 0, False)]


def test_a_caption_stands_before_what_it_is_of_and_only_once() -> None:
    document = document_of(tables=[table_of(("Hall", "Rent"), ("three", "400"))], texts=[])
    document["texts"] = [{"label": "caption", "text": "Table 1"}, {"label": "footnote", "text": "1 Cold."}]
    children = [{"$ref": "#/texts/1"}, {"$ref": "#/texts/0"}]
    document["tables"][0] |= {"captions": [{"$ref": "#/texts/0"}], "children": children}
    assert [text for text, *_ in read(document)] == ["Table 1", "Hall: three; Rent: 400", "1 Cold."]


def test_forms_and_what_stands_in_pictures_are_read() -> None:
    document = document_of(pictures=[{"label": "picture", "children": [{"$ref": "#/texts/0"}]}])
    document["texts"] = [{"label": "text", "text": "Seal"}]
    assert read(document) == [("Seal", 0, False)]
    form = {"label": "form", "graph": {"cells": [{"text": "Name"}, {"text": "Ann Lee"}]}}
    assert [text for text, *_ in read(document_of(form_items=[form]))] == ["Name", "Ann Lee"]


def group(*children: str) -> dict[str, Any]:
    return {"label": "list", "children": [{"$ref": child} for child in children]}


@pytest.mark.parametrize(
    "refs",
    [
        ("#/groups/0",),  # its own child
        ("#/groups/1",),  # the child of its child
        ("#/texts/7",),
        ("#/pages/0",),
        ("#/body",),
        ("#/texts/-1",),
        ("#/texts/01",),
        ("https://elsewhere.example/#/texts/0",),
        ("#/texts/0", "#/texts/0"),
    ],
)
def test_references_lead_to_items_of_the_document_each_once(refs: tuple[str, ...]) -> None:
    document = document_of(groups=[group(*refs), group("#/groups/0")])
    document["texts"] = [{"label": "text", "text": "Once."}]
    document["body"]["children"] = [{"$ref": "#/groups/0"}]
    assert refusal(document) is Reason.OCR_FAILED
    document["groups"][0] = group("#/texts/0")
    assert read(document) == [("Once.", 0, False)]


def test_items_are_not_nested_without_end() -> None:
    def nested(depth: int) -> dict[str, Any]:
        document = document_of(groups=[group(f"#/groups/{number + 1}") for number in range(depth)] + [group()])
        document["body"]["children"] = [{"$ref": "#/groups/0"}]
        return document

    assert refusal(nested(DEPTH_MAX + 1)) is Reason.OCR_FAILED
    assert read(nested(DEPTH_MAX - 2)) == []


@pytest.mark.parametrize(
    "cell",
    [
        {"end_row_offset_idx": 9},
        {"end_col_offset_idx": 9},
        {"end_row_offset_idx": 0},
        {"start_col_offset_idx": -1},
    ],
)
def test_cells_stand_within_their_table(cell: dict[str, Any]) -> None:
    table = table_of(("Hall", "Rent"), ("three", "400"))
    table["data"]["table_cells"][0] |= cell
    assert refusal(document_of(tables=[table])) is Reason.OCR_FAILED


@pytest.mark.parametrize(("rows", "columns"), [(50_001, 1), (1_000, 1_000)])
def test_a_table_is_not_larger_than_a_page_can_be(rows: int, columns: int) -> None:
    table = {"label": "table", "data": {"num_rows": rows, "num_cols": columns, "table_cells": []}}
    assert refusal(document_of(tables=[table])) is Reason.OCR_FAILED


def test_text_is_counted_before_it_is_repeated() -> None:
    wide = table_of(*[("x",)] * 100)
    wide["data"]["table_cells"] = [{**wide["data"]["table_cells"][0], "text": "x" * 200, "end_row_offset_idx": 100}]
    assert refusal(document_of(tables=[wide])) is Reason.TOO_MUCH_TEXT
    assert refusal(document_of(*[{"text": "x" * 1_000}] * 11)) is Reason.TOO_MUCH_TEXT
    assert len(read(document_of(*[{"text": "x" * 1_000}] * 9))) == 9
