"""Markers only ever take readers away; what they protect leaks neither by headings nor by typing errors."""

import pytest

from ingestion.parse.cleaning import clean, refuse_markers
from ingestion.parse.document import Extracted, Piece, Reason, Refused
from ingestion.parse.structure import NAMES_MAX, build
from policies.rules import Level, Tightening

RESTRICTED = Tightening(level=Level.RESTRICTED)


def parsed(*pieces: Piece, title: str = ""):  # type: ignore[no-untyped-def] # the tests read its fields only
    return build(Extracted("text/plain", title, pieces), "folder/some_file.txt")


def text(value: str) -> Piece:
    return Piece(value)


def test_a_section_is_stricter_and_its_markers_are_not_text() -> None:
    document = parsed(
        text(
            "open\n[ringfence level=restricted compartments=compartment:merger "
            "denied_shares=group:press,user:eve]\nclosed"
        ),
        text("also closed\n[/ringfence]\nopen again"),
    )
    section = Tightening(Level.RESTRICTED, frozenset({"compartment:merger"}), frozenset({"group:press", "user:eve"}))
    assert [(block.text, block.tightening) for block in document.blocks] == [
        ("open", Tightening()),
        ("closed", section),
        ("also closed", section),
        ("open again", Tightening()),
    ]


def test_a_section_left_open_runs_to_the_end() -> None:
    document = parsed(text("open"), text("[ringfence level=3]"), text("a"), Piece("H", 1), text("b"))
    assert [block.tightening for block in document.blocks] == [Tightening(), RESTRICTED, RESTRICTED]


def test_sections_within_sections_add_up() -> None:
    document = parsed(
        text("[ringfence compartments=compartment:a]"),
        text("[ringfence level=secret compartments=compartment:b]"),
        text("both"),
        text("[/ringfence]"),
        text("one"),
    )
    both, one = (block.tightening for block in document.blocks)
    assert both == Tightening(Level.SECRET, frozenset({"compartment:a", "compartment:b"}))
    assert one == Tightening(compartments=frozenset({"compartment:a"}))


def test_a_heading_inside_a_section_says_nothing_outside_of_it() -> None:
    document = parsed(
        Piece("Report", 1),
        text("[ringfence level=restricted]"),
        Piece("Takeover of Falcon", 2),
        text("closed"),
        text("[/ringfence]"),
        text("open"),
    )
    assert [(block.text, block.heading_path) for block in document.blocks] == [
        ("closed", ("Report", "Takeover of Falcon")),
        ("open", ("Report",)),
    ]


def test_a_title_is_never_taken_from_a_section() -> None:
    closed = parsed(text("[ringfence level=restricted]"), Piece("Takeover of Falcon", 1), text("closed"))
    assert closed.title == "some file"
    assert parsed(Piece("Takeover of Falcon", 1), text("open")).title == "Takeover of Falcon"


def test_a_heading_that_nothing_follows_is_text() -> None:
    document = parsed(Piece("A", 1), Piece("B", 2), text("b"), Piece("C", 2))
    assert [(block.text, block.heading_path) for block in document.blocks] == [("b", ("A", "B")), ("C", ("A",))]


@pytest.mark.parametrize(
    "line",
    [
        "[ringfence]",
        "[ringfence level=cosmic]",
        "[ringfence levl=secret]",
        "[ringfence level=secret level=public]",
        "[ringfence level]",
        "[ringfence compartments=merger!]",
        "[ringfence compartments=user:ann]",
        "[ringfence tags=region:eu]",
        "some words [ringfence level=secret]",
        "[ringfence level=secret",
        "[ ringfence level=secret]",
        "[/ringfence]",
        "[/ringfence level=secret]",
    ],
)
def test_what_looks_like_a_marker_and_is_none_refuses_the_document(line: str) -> None:
    with pytest.raises(Refused) as caught:
        parsed(text("before"), text(line), text("after"))
    assert caught.value.reason is Reason.BAD_MARKER


@pytest.mark.parametrize("line", ["[RINGFENCE level=Secret]", "- [ringfence level=secret]", "  [ringfence level=4]  "])
def test_harmless_ways_of_writing_a_marker_are_understood(line: str) -> None:
    assert parsed(text(line), text("closed")).blocks[0].tightening == Tightening(level=Level.SECRET)


def test_a_marker_in_title_or_heading_refuses_the_document() -> None:
    for pieces, title in (
        ((text("a"),), "[ringfence level=secret]"),
        ((Piece("A [ringfence level=secret]", 1), text("a")), ""),
    ):
        with pytest.raises(Refused):
            parsed(*pieces, title=title)


@pytest.mark.parametrize("space", [" ", "\u1680", "\n"])
def test_what_almost_begins_a_marker_costs_no_more_than_its_length(space: str) -> None:
    """Outside of the sandbox: a pattern that looks at each space again for each other one would take hours here."""
    text = f"# [{space * 200_000}x"
    assert len(clean(text)) < len(text)
    assert parsed(Piece(text)).blocks[0].text.endswith("x")
    with pytest.raises(Refused):
        refuse_markers([f"[{space * 200_000}/{space}ringfence]"], "in the name of a column")


def test_sections_left_open_cost_no_more_than_their_number() -> None:
    """Outside of the sandbox: to join them anew for each of these blocks would take hours."""
    opened = text("[ringfence level=restricted compartments=compartment:a]\n" * 50_000)
    blocks = parsed(opened, *[text("x"), Piece("note", beside=True)] * 50_000).blocks
    assert len(blocks) == 100_000
    assert {block.tightening for block in blocks} == {Tightening(Level.RESTRICTED, frozenset({"compartment:a"}))}


@pytest.mark.parametrize("beside", [False, True])
def test_a_passage_has_no_more_names_than_its_chunks_can_carry(beside: bool) -> None:
    def read(names: int) -> frozenset[str]:
        markers = [f"[ringfence denied_shares=user:{number}]" for number in range(names)]
        between = "\n[/ringfence]\n" if beside else "\n"
        (block,) = parsed(text(between.join([*markers, ""])), Piece("x", beside=beside)).blocks
        return block.tightening.denied_shares

    assert len(read(NAMES_MAX)) == NAMES_MAX
    with pytest.raises(Refused) as refused:
        read(NAMES_MAX + 1)
    assert refused.value.reason is Reason.BAD_MARKER
