"""What overlapping words do not tell: whether a claim gives the same things the same roles as its support.

"Visitors must not park but may stop" and "Visitors must not stop but may park" are made of the same words. Compared
here are units, bounds, what a negation denies, the order of names and numbers, and opposites. In doubt a claim
disagrees: it is then left out, where a wrong one would be believed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.generation.words import NEGATIONS, STOPWORDS, TOKEN, number_of, pieces_of, stem, word_set
from rag.query.objections import Objection
from rag.query.opposites import opposites_of

_MONTHS = "january february march april may june july august september october november december"
_UNITS = frozenset(
    map(
        stem,
        word_set(
            "second minute hour day night week fortnight month quarter year decade percent point euro dollar pound "
            "franc cent hundred thousand million billion trillion gram kilogram kg mg ton tonne litre liter ml metre "
            "meter mile km cm mm degree celsius fahrenheit watt kw kwh volt byte kb mb gb tb person page " + _MONTHS
        ),
    )
)
"""Of a number, if they stand one or two words after it ("90 calendar days")."""
_BEFORE = frozenset(map(stem, word_set("euro dollar pound " + _MONTHS)))
"""Units that may stand before their number."""
_LEAST = ("at least", "no less than", "not less than", "no fewer than", "minimum of", "more than", "over", "exceeding")
_MOST = ("at most", "up to", "no more than", "not more than", "maximum of", "less than", "fewer than", "under", "below")
_BOUND_WORDS = 3
_NAMING = frozenset(NEGATIONS) - {"forbidden", "prohibited", "lack", "lacks", "nobody", "nothing"}
"""Negations that stand before what they deny."""
_SCOPE = 4
_NEAR = 6
"""Names are compared with so many after them: a sentence of hundreds of names takes bounded work."""
_BREAKS = word_set("but and although while whereas however otherwise instead")
_JOINING = frozenset({"and", "or"})
_PREPOSITIONS = word_set("in at for from on under with to of during since until by into through via")
_LINKING = word_set(
    "however additionally furthermore moreover therefore thus hence according overall finally yes based in both all "
    "every further consequently similarly meanwhile currently generally note answer source passage document"
)
"""May open a sentence without being what it is about."""


@dataclass(frozen=True, slots=True)
class Particulars:
    """One sentence's content words in order, by position among all its words, and what is said of them."""

    raw: tuple[str, ...]
    places: dict[str, tuple[int, ...]]
    """Position of each content word, number, name and token, by stem."""
    capitals: frozenset[str]
    """Stems of what is written as a name, its first word included; tokens."""
    opening: str | None
    """The stem of the first word, where a sentence is about it."""
    numbers: tuple[str, ...]
    measures: frozenset[tuple[str, str]]
    bounds: frozenset[tuple[str, str]]
    """A number and `least`, `most` or nothing."""
    denied: frozenset[str]
    """The word after each negation."""
    scope: frozenset[str]
    """All that a negation may deny."""

    def once(self, word: str) -> int | None:
        """Where the word stands, unless it stands there several times or not at all."""
        places = self.places.get(word, ())
        return places[0] if len(places) == 1 else None


def particulars_of(text: str) -> Particulars:
    pieces = pieces_of(text)
    raw = tuple(piece.lower().replace("\u2019", "'") for piece in pieces)
    stems = [_stem_of(piece, word) for piece, word in zip(pieces, raw, strict=True)]
    places: dict[str, tuple[int, ...]] = {}
    for at, word in enumerate(stems):
        if word is not None:
            places[word] = (*places.get(word, ()), at)
    capitals = frozenset(w for p, w in zip(pieces, stems, strict=True) if w and (p[0].isupper() or p[0] == "<"))
    numbered = [(at, number) for at, word in enumerate(raw) if (number := number_of(word)) is not None]
    scopes = [list(_scope(raw, stems, at)) for at, word in enumerate(raw) if _denies(word)]
    return Particulars(
        raw,
        places,
        capitals,
        next((w for w, r in zip(stems[:1], raw, strict=False) if w and r not in _LINKING), None),
        tuple(number for _, number in numbered),
        frozenset((number, unit) for at, number in numbered if (unit := _unit(raw, stems, at)) is not None),
        frozenset((number, _bound(raw, at)) for at, number in numbered),
        frozenset(scope[0] for scope in scopes if scope),
        frozenset(word for scope in scopes for word in scope),
    )


def disagreement(claim: Particulars, sentences: Sequence[Particulars]) -> Objection | None:
    """The first thing in the sentences, read together, that tells against the claim."""
    return next((objection for objection, differ in DISAGREEMENTS.items() if differ(claim, sentences)), None)


def _stem_of(piece: str, word: str) -> str | None:
    if TOKEN.fullmatch(piece):
        return piece
    if (number := number_of(word)) is not None:
        return number
    if piece == "May":
        return word  # the month: the verb opens questions, which state nothing
    return None if word in STOPWORDS or _denies(word) else stem(word)


def _denies(word: str) -> bool:
    return word in _NAMING or word.endswith("n't")


def _unit(raw: Sequence[str], stems: Sequence[str | None], at: int) -> str | None:
    before = stems[at - 1] if at else None
    after = [stems[at + 1 : at + 2], stems[at + 2 : at + 3] if raw[at + 1 : at + 2] != ("per",) else ()]
    candidates = [*after[0], before if before in _BEFORE else None, *after[1]]
    return next((word for word in candidates if word in _UNITS), None)


def _bound(raw: Sequence[str], at: int) -> str:
    before = " ".join(raw[max(at - _BOUND_WORDS, 0) : at])
    for bound, phrases in (("most", _MOST), ("least", _LEAST)):
        # "No more than" ends in "more than": the longer phrase says what is meant.
        if any(_ends(before, phrase) for phrase in phrases) and not (
            bound == "most" and any(_ends(before, phrase) for phrase in _LEAST if phrase.startswith(("no ", "not ")))
        ):
            return bound
    return ""


def _ends(before: str, phrase: str) -> bool:
    return before == phrase or before.endswith(f" {phrase}")


def _scope(raw: Sequence[str], stems: Sequence[str | None], at: int) -> Iterator[str]:
    left = _SCOPE
    for word, content in zip(raw[at + 1 :], stems[at + 1 :], strict=True):
        if not left or word in _BREAKS:
            return
        if content is not None:
            left -= 1
            yield content


def _otherwise_measured(claim: Particulars, sentences: Sequence[Particulars]) -> bool:
    """The number is there, but of something else: 90 days are not 90 weeks."""
    given = frozenset[tuple[str, str]]().union(*(one.measures for one in sentences))
    measured = {number for number, _ in given}
    return any(number in measured for number, _ in claim.measures - given)


def _otherwise_bounded(claim: Particulars, sentences: Sequence[Particulars]) -> bool:
    given = frozenset[tuple[str, str]]().union(*(one.bounds for one in sentences))
    stated = {number for number, _ in given}
    return any(bound or number in stated for number, bound in claim.bounds - given)


def _otherwise_denied(claim: Particulars, sentences: Sequence[Particulars]) -> bool:
    """Both deny something, and not the same."""
    scope = frozenset[str]().union(*(one.scope for one in sentences))
    denied = frozenset[str]().union(*(one.denied for one in sentences))
    if not scope or not claim.scope:
        return False
    said = {word for one in sentences for word in one.places}
    return bool((claim.denied & said) - scope or (denied & claim.places.keys()) - claim.scope)


def _opposed(claim: Particulars, sentences: Sequence[Particulars]) -> bool:
    said = {word for one in sentences for word in one.places}
    unsaid = said - claim.places.keys()
    return any(not opposites_of(word).isdisjoint(unsaid) for word in claim.places.keys() - said)


def _swapped_names(claim: Particulars, sentence: Particulars) -> bool:
    """Who does it and to whom: the order of names, unless a preposition or a passive says the same otherwise."""
    both = claim.capitals & sentence.capitals
    named = _in_order(claim, (word for word in both if sentence.once(word) is not None))
    near = ((a, b) for first, a in enumerate(named) for b in named[first + 1 : first + 1 + _NEAR])
    for (at, name), (next_at, other) in near:
        there, other_there = sentence.places[name][0], sentence.places[other][0]
        turned = there > other_there
        passive = "by" in claim.raw[at:next_at]
        passive_there = "by" in sentence.raw[min(there, other_there) : max(there, other_there)]
        if turned == (passive != passive_there) or (turned and set(claim.raw[at + 1 : next_at]) <= _JOINING):
            continue
        if not turned and (next_at - at > _SCOPE or passive == passive_there):
            continue
        if not turned or not any(_same_preposition(claim, sentence, word) for word in (name, other)):
            return True
    return False


def _same_preposition(claim: Particulars, sentence: Particulars, word: str) -> bool:
    at, there = claim.places[word][0], sentence.places[word][0]
    before = claim.raw[at - 1] if at else ""
    return before in _PREPOSITIONS and there > 0 and before == sentence.raw[there - 1]


def _swapped_numbers(claim: Particulars, sentence: Particulars) -> bool:
    """Two numbers in another order than the things they count."""
    numbers = _in_order(claim, (n for n in set(claim.numbers) if sentence.once(n) is not None))
    begin = 0
    for (at, number), (next_at, other) in pairwise(numbers):
        turned = sentence.places[number][0] > sentence.places[other][0]
        first, second = _counted(claim, sentence, begin, at), _counted(claim, sentence, at + 1, next_at)
        begin = at + 1
        known = bool(first and second)
        if turned and (not known or sum(first) / len(first) < sum(second) / len(second)):
            return True
        if known and not turned and max(second) < min(first):
            return True
    return False


def _counted(claim: Particulars, sentence: Particulars, start: int, end: int) -> list[int]:
    """Where in the sentence the words stand that the claim has between two positions."""
    numbers = set(claim.numbers)
    between = (word for word, places in claim.places.items() if len(places) == 1 and start <= places[0] < end)
    return [there for word in between if word not in numbers and (there := sentence.once(word)) is not None]


def _in_order(claim: Particulars, words: Iterable[str]) -> list[tuple[int, str]]:
    return sorted((at, word) for word in words if (at := claim.once(word)) is not None)


def _swapped(claim: Particulars, sentences: Sequence[Particulars]) -> bool:
    return any(_swapped_names(claim, one) or _swapped_numbers(claim, one) for one in sentences)


DISAGREEMENTS: Mapping[Objection, Callable[[Particulars, Sequence[Particulars]], bool]] = {
    Objection.ROLES: _swapped,
    Objection.UNIT: _otherwise_measured,
    Objection.BOUND: _otherwise_bounded,
    Objection.DENIED: _otherwise_denied,
    Objection.OPPOSITE: _opposed,
}
"""How a claim may disagree with sentences, and what tells."""
