"""What a sentence says, as far as it can be compared without a model: words, numbers, names, negation.

Used to decide whether a passage supports a claim. Word overlap says nothing about contradiction, so numbers,
tokens, names and negation are compared apart from it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

TOKEN = re.compile(r"<[A-Z][A-Z0-9_]*>")
"""What stands for a masked value in the reading face."""

_SIGN = r"(?:(?<![\w)\]])[-\u2212])?"
"""A hyphen between numbers or words is no sign."""
_PIECE = re.compile(rf"<[A-Z][A-Z0-9_]*>|{_SIGN}\d[\d.,:/]*\d|{_SIGN}\d|[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_NUMBER = re.compile(r"[-\u2212]?\d+(?:[.:/]\d+)*")
_PUNCTUATION = str.maketrans(",.;:!?()", "        ")
_THOUSANDS = re.compile(r"(?<=\d)[,'\u2019\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_NUMBER_SIGN = re.compile(r"\bN(?:o|os|r)\.\s*(?=\d)")
"""In "No. 5" nothing is denied."""
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAY_OF_MONTH = re.compile(rf"\b0(?=[1-9]\.?\s+(?:{'|'.join(_MONTHS)})\b)|(?<=\d)(?:st|nd|rd|th)\b")
_ISO_DATE = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b")
_DOTTED_DATE = re.compile(r"\b(0?[1-9]|[12]\d|3[01])\.(0?[1-9]|1[0-2])\.(\d{4})\b")
_SYMBOLS = {"%": "percent", "\u20ac": "euro", "$": "dollar", "\u00a3": "pound", "EUR": "euro", "USD": "dollar"}
_SYMBOL = re.compile(r"[%\u20ac$\u00a3]|\b(?:EUR|USD)\b")
_PER_CENT = re.compile(r"\bper cent\b", re.IGNORECASE)


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOPWORDS = word_set(
    "a an and are as at be been being but by can could did do does doing for from had has have having he her hers him "
    "his how i if in into is it its itself let may me might must my of on or our ours shall she should so some such "
    "than that the their theirs them then there these they this those to too up upon us very was we were what when "
    "where which while who whom whose why will with would you your yours about also any each please tell give show "
    "according much many"
)
NEGATIONS = word_set("not no never none nobody nothing neither nor without cannot forbidden prohibited lack lacks")
LIMITS = word_set("only unless except until solely merely")
"""Words that narrow a statement: a claim may not add one that its source does not have, nor drop one."""
_COUNTED = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBER_WORDS = {word: str(value) for value, word in enumerate(_COUNTED) if word != "one"} | {
    word: str(value * 10) for value, word in enumerate(_TENS, start=3)
}
"""Without "one", which mostly counts nothing."""
_FREQUENCIES = word_set("once twice half double daily weekly monthly quarterly yearly annually hourly")
_QUANTITY_ASKED = re.compile(
    r"\bhow (?:many|much|high|long|large|big|often|far|fast|old|heavy|soon)\b"
    r"|\bwhat\b.*\b(?:costs?|percentage|price)\b",
    re.IGNORECASE,
)
_SUFFIXES = (
    ("ies", "y", 5), ("sses", "ss", 5), ("ing", "", 6), ("edly", "", 7), ("ed", "", 5), ("es", "", 5), ("s", "", 4),
    ("ly", "", 6),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """One text's comparable content. `words` are stems and include numbers, names and tokens."""

    words: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    tokens: frozenset[str]
    negated: bool
    limits: frozenset[str]

    @property
    def particular(self) -> frozenset[str]:
        """Numbers, names and tokens: what tells one thing or person from another."""
        return self.numbers | self.tokens | self.names

    @property
    def plain(self) -> frozenset[str]:
        return self.words - self.particular


def pieces_of(text: str) -> list[str]:
    """Words, numbers and tokens in order; dates, thousands and symbols of units written in one way."""
    text = _NUMBER_SIGN.sub("", _THOUSANDS.sub("", text))
    text = _ISO_DATE.sub(lambda m: f"{int(m[3])} {_MONTHS[int(m[2]) - 1]} {m[1]}", text)
    text = _DOTTED_DATE.sub(lambda m: f"{int(m[1])} {_MONTHS[int(m[2]) - 1]} {m[3]}", text)
    text = _PER_CENT.sub("percent", _DAY_OF_MONTH.sub("", text))
    return _PIECE.findall(_SYMBOL.sub(lambda m: f" {_SYMBOLS[m[0]]} ", text))


def number_of(piece: str) -> str | None:
    """The number that a lower-case piece is, in figures, or None."""
    # Most pieces are words: no number begins with a letter.
    return _plain_number(piece) if not piece.isalpha() and _NUMBER.match(piece) else NUMBER_WORDS.get(piece)


def content_of(text: str) -> Content:
    words: set[str] = set()
    numbers: set[str] = set()
    names: set[str] = set()
    negations = 0
    limits: set[str] = set()
    at_start = True
    for piece in pieces_of(text):
        lowered = piece.lower().replace("\u2019", "'")
        if piece.startswith("<"):
            words.add(piece)
        elif (number := number_of(lowered)) is not None:
            numbers.add(number)
        elif lowered in NEGATIONS or lowered.endswith("n't"):
            negations += 1
        elif lowered in LIMITS:
            limits.add(lowered)
        elif lowered not in STOPWORDS:
            words.add(stem(lowered))
            if piece[0].isupper() and not at_start:
                names.add(stem(lowered))
        at_start = False
    tokens = frozenset(TOKEN.findall(text))
    return Content(
        frozenset(words | numbers), frozenset(numbers), frozenset(names), tokens, negations % 2 == 1, frozenset(limits)
    )


def asks_for_quantity(question: str) -> bool:
    """Whether only a number, or a word like "weekly", can answer the question."""
    return _QUANTITY_ASKED.search(question) is not None


def quantities_of(text: str) -> frozenset[str]:
    """The numbers of a text, spelled out or not, and its words of frequency."""
    words = word_set(text.lower().translate(_PUNCTUATION))
    return content_of(text).numbers | (words & _FREQUENCIES) | ({"1"} if "one" in words else frozenset())


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """A light, deterministic stem: plural and verb endings off, so that "requires" meets "required"."""
    word = word.removesuffix("'s").removesuffix("'")
    for suffix, replacement, length in _SUFFIXES:
        if word.endswith(suffix) and len(word) >= length and not word.endswith(("ss", "us", "is")):
            word = word[: len(word) - len(suffix)] + replacement
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def coverage(wanted: Content, given: Content) -> float:
    """How much of what is wanted is given, 0..1; 0 when nothing is wanted.

    The share of words, less where particulars (numbers, names, tokens) or plain words are missing as a kind: a
    passage without the very person asked about is about somebody else, and one that has her and none of the
    other words says something else about her.
    """
    if not wanted.words:
        return 0.0
    particular, plain = wanted.particular, wanted.plain
    particulars_missing = len(particular - given.words) / len(particular) if particular else 0.0
    plain_missing = len(plain - given.words) / len(plain) if plain else 0.0
    return (
        len(wanted.words & given.words)
        / len(wanted.words)
        * (1 - 0.5 * particulars_missing)
        * (1 - 0.6 * plain_missing)
    )


def _plain_number(piece: str) -> str:
    number = piece.rstrip(".,:/").replace(",", "").replace("\u2212", "-")
    if "." in number and number.replace(".", "", 1).isdigit():
        number = number.rstrip("0").rstrip(".")
    return number
