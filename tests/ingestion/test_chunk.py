"""The laws of chunks, on any text."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.chunk import BETWEEN_BLOCKS, MaskedBlock, chunk, reading_text
from policies.rules import Level, Tightening
from rag.privacy.faces import FaceMaker, offline_domains
from rag.privacy.mask import apply
from rag.privacy.unmask import tokens_in
from tests.ingestion.stand_ins import VALUES, CountingEmbedder, finding

FACES = FaceMaker(b"t" * 32, b"w" * 32, offline_domains())
EMBEDDER = CountingEmbedder()
OPEN = Tightening()

words = st.sampled_from(
    [
        "Ann Lee",
        "Bo Chan",
        "a@b.example",
        "one.",
        "two,",
        "Three",
        "end.\n",
        "x" * 90,
        "\U000f0000",
        "\u00e9",
        "; ",
        "<PERSON>",
    ]
)
bodies = st.lists(words, min_size=1, max_size=120).map(" ".join).filter(lambda text: bool(text.strip()))
labels = st.sampled_from([Tightening(), Tightening(level=Level.SECRET)])


@st.composite
def blocks(draw: st.DrawFn) -> MaskedBlock:
    heading = draw(st.sampled_from(["", "Pay", "Pay > A very long heading " + "of many words " * 30]))
    text = draw(bodies).strip()
    return MaskedBlock(
        text=apply(text, list(map(finding, VALUES.finditer(text))), FACES),
        page=draw(st.sampled_from([None, 1, 2])),
        heading=heading,
        context=heading,
        tightening=draw(labels),
    )


documents = st.lists(blocks(), min_size=1, max_size=6)


@given(documents, st.integers(8, 60))
@settings(max_examples=60, deadline=None)
def test_chunks_cover_the_text_in_order_cut_no_token_and_cross_no_border(found: list[MaskedBlock], tokens: int) -> None:
    text = reading_text(found)
    drafts = chunk(found, "Title", EMBEDDER, tokens=tokens)
    spans = [(draft.span.start, draft.span.end) for draft in drafts]
    assert all(start < end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "in order, not overlapping"
    left_out = "".join(
        text[a:b] for a, b in zip([0, *(e for _, e in spans)], [*(s for s, _ in spans), len(text)], strict=True)
    )
    assert not left_out.strip(), "every character that is not a space is in a chunk"
    for token in tokens_in(text):
        assert any(start <= token.start and token.end <= end for start, end in spans), "no token is cut"
    offset = 0
    for block in found:
        end = offset + len(block.text.reading)
        for draft in drafts:
            if draft.span.start < end and offset < draft.span.end:
                assert (draft.page, draft.heading, draft.tightening) == (block.page, block.heading, block.tightening)
        offset = end + len(BETWEEN_BLOCKS)


@given(documents, st.integers(8, 60))
@settings(max_examples=60, deadline=None)
def test_what_is_embedded_fits_and_is_the_index_face(found: list[MaskedBlock], tokens: int) -> None:
    for draft in chunk(found, "Title", EMBEDDER, tokens=tokens):
        assert EMBEDDER.count_tokens(draft.embedded) <= EMBEDDER.tokens_max
        assert draft.embedded.startswith("Title")
        assert not tokens_in(draft.embedded)
        assert not any(name in draft.embedded for name in ("Ann", "Lee", "Chan"))


def block(text: str, *, heading: str = "", page: int | None = None, tightening: Tightening = OPEN) -> MaskedBlock:
    return MaskedBlock(apply(text, [], FACES), page, heading, heading, tightening)


def test_small_neighbours_under_one_heading_are_joined_up_to_the_limit() -> None:
    rows = [block(f"Name: n{number}; Age: {number}") for number in range(9)]
    text = reading_text(rows)
    chunks = [text[d.span.start : d.span.end] for d in chunk(rows, "", EMBEDDER, tokens=30)]
    assert len(chunks) == 3
    assert [part.split(BETWEEN_BLOCKS)[0] for part in chunks] == [
        "Name: n0; Age: 0",
        "Name: n4; Age: 4",
        "Name: n8; Age: 8",
    ]


def test_a_border_of_labels_headings_or_pages_is_never_crossed() -> None:
    strict = Tightening(level=Level.SECRET)
    for other in (block("b", heading="H"), block("b", page=2), block("b", tightening=strict)):
        assert len(chunk([block("a"), other], "", EMBEDDER, tokens=30)) == 2
    assert len(chunk([block("a"), block("b")], "", EMBEDDER, tokens=30)) == 1


def test_a_word_without_end_is_cut_although_a_tokenizer_takes_it_for_one_token() -> None:
    found = [block("x" * 5000)]
    assert all(d.span.end - d.span.start <= 30 * 12 for d in chunk(found, "", EMBEDDER, tokens=30))


def test_a_long_text_is_cut_at_sentences() -> None:
    sentence = "This sentence has exactly nine tokens with its stop."
    found = [block(" ".join([sentence] * 12))]
    text = reading_text(found)
    assert all(text[d.span.start : d.span.end].endswith("stop.") for d in chunk(found, "", EMBEDDER, tokens=32))
