"""Reading each passage once changes no result: held against the plain way, which reads everything for every claim."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from rag.generation.sentences import Kind, split_sentences
from rag.generation.words import content_of, word_set
from rag.query.agreement import particulars_of
from rag.query.cite import Draft, verify
from rag.query.evidence import Evidence, Read
from rag.query.prompt import heading_of
from rag.query.statement import Statement
from tests.query.test_cite import passages

WORDS = sorted(
    word_set(
        "Suppliers visitors Bonn Acme notice period is not only must park 5 90 days weeks and Terms by to increases "
        "decreases <PERSON_0123456789ABCDEF> <PERSON_FEDCBA9876543210>"
    )
)
SPACES = st.sampled_from([" ", " ", " ", "\n", "  ", "\u00a0"])
ENDS = st.sampled_from([". ", ".\n", "? ", "\n\n", "; ", ", "])


@st.composite
def texts(draw: st.DrawFn) -> str:
    sentences = draw(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7), min_size=1, max_size=4))
    return "".join("".join(word + draw(SPACES) for word in words).rstrip() + draw(ENDS) for words in sentences)


@st.composite
def claims_of(draw: st.DrawFn, sources: list[str]) -> str:
    """Words at random, or a stretch of a source with one word more, less or changed."""
    if draw(st.booleans()):
        return " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=8))) + "."
    words = draw(st.sampled_from(sources)).split()
    first = draw(st.integers(0, len(words) - 1))
    stretch = words[first : first + draw(st.integers(1, 9))]
    at = draw(st.integers(0, len(stretch)))
    return " ".join([*stretch[:at], *draw(st.lists(st.sampled_from(WORDS), max_size=1)), *stretch[at:]])


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    sources = draw(st.lists(texts(), min_size=1, max_size=3))
    return sources, draw(st.lists(claims_of(sources), min_size=1, max_size=6))


def plainly(claim: str, evidence: Evidence) -> tuple[float, int, int] | None:
    """Score and place of a claim in one passage, everything read anew."""
    text = evidence.given.passage.text
    sentences = split_sentences(text)
    words = claim.split()
    if len(words) < 2:  # a word by itself states nothing
        return None
    copy = re.search(r"\s+".join(map(re.escape, words)), text) if len(words) > 2 else None
    if copy is not None:
        touched = [s for s in sentences if s.start < copy.end() and copy.start() < s.end]
        rest = text[touched[0].start : copy.start()] + text[copy.end() : touched[-1].end] if touched else ""
        if not re.search(r"\w", rest):
            return 1.0, copy.start(), copy.end()
    kept = [s for s in sentences if s.kind is not Kind.HEADING and not s.of(text).endswith("?")]
    found: list[tuple[float, int, int]] = []
    for first in range(len(kept)):
        for window in (kept[first : first + 1], kept[first : first + 2]):
            read = [Read(s, content_of(s.of(text)), particulars_of(s.of(text))) for s in window]
            score = Statement.of(claim).supported_by(read, content_of(heading_of(evidence.given.source)))
            if score is not None:
                found.append((score, window[0].start, window[-1].end))
    return max(found, key=lambda one: one[0]) if found else None


@settings(max_examples=150, deadline=None)
@given(cases())
def test_claims_are_supported_as_if_every_passage_were_read_for_each(case: tuple[list[str], list[str]]) -> None:
    sources, claims = case
    once = passages(*sources, start=0)
    for claim in claims:
        wanted = [(place, one) for one in passages(*sources, start=0) if (place := plainly(claim, one)) is not None]
        expected = max(wanted, key=lambda pair: pair[0][0], default=None)
        found = verify(Draft(claim), once, verbatim=False)
        assert [(s.source.chunk.id, s.span.start, s.span.end) for s in found] == (
            [(expected[1].given.source.chunk.id, *expected[0][1:])] if expected else []
        )


def test_the_law_is_about_claims_of_both_kinds() -> None:
    """What the law holds equal must not be that nothing is ever supported."""
    evidence = passages("Suppliers must park 5 days. Visitors must not.", start=0)[0]
    assert plainly("Suppliers must park 5 days", evidence) == (1.0, 0, 26)
    assert plainly("5 days suppliers park", evidence) == (1.0, 0, 27)
    assert plainly("Suppliers must not park 5 days", evidence) is None
