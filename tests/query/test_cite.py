"""Claims and what supports them."""

import pytest

from policies.rules import Attributes, Level
from rag.domain import Chunk, ReadableChunk, Span
from rag.query.cite import Draft, DraftReader, draft_of, verify
from rag.query.evidence import Evidence
from rag.query.prompt import give

TEXT = (
    "The notice period for suppliers\nis 90 days. It begins on the first of a month, see [3]. "
    "<PERSON_0123456789ABCDEF> signs for Bonn. Visitors must not park in the yard."
)


def passages(*texts: str, start: int = 100) -> tuple[Evidence, ...]:
    found = []
    for number, text in enumerate(texts):
        attributes = Attributes("acme", f"doc{number}", "sales", Level.PUBLIC)
        chunk = Chunk(f"chk{number}", f"doc{number}", "ver", 0, Span(start, start + len(text)), None, "", text)
        found.append(ReadableChunk(chunk, attributes, 1, "Supplier terms"))
    return tuple(map(Evidence, give(found, 10_000)))


def read(*pieces: str, verbatim: bool = False) -> list[Draft]:
    reader = DraftReader(verbatim=verbatim)
    return [draft for piece in pieces for draft in reader.feed(piece)] + reader.finish()


def test_sentences_are_cut_alike_however_the_stream_is_cut() -> None:
    text = "The period is 90 days [1]. It begins in May. [2, 3]\n- Dr. Meyer signs [1]\nLast"
    whole = read(text)
    assert whole == read(*text)
    assert [(draft.text, draft.hints) for draft in whole] == [
        ("The period is 90 days.", (1,)),
        ("It begins in May.", (2, 3)),
        ("Dr. Meyer signs", (1,)),
        ("Last", ()),
    ]


def test_the_unfinished_sentence_of_a_text_that_was_cut_is_dropped() -> None:
    assert [draft.text for draft in read("It begins in May [1]. Salaries are", " published", " \u2026")] == [
        "It begins in May."
    ]
    assert [draft.text for draft in read("It begins in May [1].", " \u2026")] == ["It begins in May."]


def test_a_marker_of_the_source_stays_in_a_verbatim_sentence() -> None:
    draft = draft_of("It begins on the first of a month, see [3]. [1]", verbatim=True)
    assert (draft.hints[-1], "see [3]" in draft.text or verify(draft, passages(TEXT), verbatim=True) != ()) == (1, True)


def test_a_verbatim_sentence_is_found_across_line_breaks_at_its_exact_place() -> None:
    support = verify(Draft("The notice period for suppliers is 90 days.", (1,)), passages(TEXT), verbatim=True)[0]
    assert (support.span, support.quote) == (Span(100, 143), "The notice period for suppliers\nis 90 days.")


def test_a_verbatim_sentence_that_stands_nowhere_is_not_supported() -> None:
    assert verify(Draft("The notice period is 91 days.", (1,)), passages(TEXT), verbatim=True) == ()


@pytest.mark.parametrize(
    "claim",
    [
        "Suppliers have a notice period of 90 days.",
        "The notice period is ninety days.",
        "<PERSON_0123456789ABCDEF> signs for Bonn.",
        "Visitors must not park in the yard.",
        "The notice period for suppliers is 90 days and begins on the first of a month.",
    ],
)
def test_a_supported_claim_names_the_sentences_it_rests_on(claim: str) -> None:
    supports = verify(Draft(claim, ()), passages("Fish on Fridays.", TEXT), verbatim=False)
    assert [s.source.chunk.document for s in supports] == ["doc1"]
    assert supports[0].quote in TEXT


@pytest.mark.parametrize(
    "claim",
    [
        "The notice period for suppliers is 60 days.",
        "The notice period for suppliers is not 90 days.",
        "The notice period for Lisbon suppliers is 90 days.",
        "<PERSON_FEDCBA9876543210> signs for Bonn.",
        "Visitors must park in the yard.",
        "The notice period for suppliers is only 90 days.",
        "Suppliers deliver within a period of 90 days.",
    ],
)
def test_a_claim_with_another_number_name_token_or_negation_is_not_supported(claim: str) -> None:
    assert verify(Draft(claim, (1,)), passages(TEXT), verbatim=False) == ()


@pytest.mark.parametrize(
    "claim", ["Salaries are published", "Visitors must", "Bonuses are paid in full", "children may enter the yard."]
)
def test_a_copied_part_of_a_sentence_is_not_supported_where_the_rest_limits_it(claim: str) -> None:
    text = (
        "Salaries are published only to managers. Visitors must not park. Bonuses are paid in full to nobody. "
        "Under no circumstances children may enter the yard."
    )
    assert verify(Draft(claim, (1,)), passages(text), verbatim=False) == ()


def test_a_copied_sentence_without_its_full_stop_is_supported() -> None:
    draft = Draft("Visitors must not park in the yard", (1,))
    assert verify(draft, passages(TEXT), verbatim=False)[0].quote.startswith("Visitors must not park in the yard")


def test_a_neighbour_that_adds_nothing_is_not_quoted() -> None:
    text = "Visitors sign in at the desk. Goods must be weighed at the gate before they are stored. Lunch is at noon."
    supports = verify(Draft("Goods must be weighed before they are stored.", (1,)), passages(text), verbatim=False)
    assert [s.quote for s in supports] == ["Goods must be weighed at the gate before they are stored."]


def test_every_named_passage_that_supports_a_claim_is_cited_and_no_other() -> None:
    copies = passages(TEXT, "Fish on Fridays.", TEXT)
    supports = verify(Draft("The notice period for suppliers is 90 days.", (1, 2, 3)), copies, verbatim=False)
    assert [s.source.chunk.document for s in supports] == ["doc0", "doc2"]


def test_the_best_passage_is_given_even_if_it_must_be_cut_and_others_whole_or_not_at_all() -> None:
    chunks = [one.given.source for one in passages("a" * 500, "b" * 500, "c" * 50)]
    lengths = [len(given.passage.text) for given in give(chunks, 640)]
    assert lengths == [500, 50]
    assert len(give(chunks, 200)[0].passage.text) < 200


TRAVEL = (
    "The travel allowance per day is 56 euros for engineering staff. Whoever is at a customer gets a tool allowance "
    "of 9 euros per day on top. The hotel limit is 135 euros per night."
)


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("The travel allowance per day is 56 euros.", True),
        ("The tool allowance is 9 euros per day.", True),
        ("The travel allowance per day is 9 euros per day.", False),
        ("The travel allowance per day is 135 euros per night.", False),
    ],
)
def test_a_number_supports_only_what_its_own_sentence_says_it_is(claim: str, supported: bool) -> None:
    assert bool(verify(Draft(claim, (1,)), passages(TRAVEL), verbatim=False)) is supported
