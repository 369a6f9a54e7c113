"""What kind of word a word is: a name, an everyday word, or unknown. Lower-case, no context.

Names and words of offices are our own lists; everyday words come from the tables that the spaCy model carries. They
only weigh what a model or a place in the text suggests: a name on no list is still found.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spacy.lang.en.stop_words import STOP_WORDS
from spacy.lookups import Lookups

_SECTIONS = ("given", "family", "words", "office", "products", "countries")
WORDS_FILE = Path(__file__).with_name("words.txt")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Sets of casefolded words."""

    given: frozenset[str]
    family: frozenset[str]
    both: frozenset[str]
    """Names that are also everyday words."""
    ordinary: frozenset[str]
    nouns: frozenset[str]
    """Known only as nouns. The table of nouns holds family names too (`berg`), so it proves less."""
    office: frozenset[str]
    """Words of offices, headings and companies, and products: no part of a person's name."""
    countries: frozenset[str] = frozenset()
    """Names of countries, of one word or several, with single spaces."""

    def is_name(self, word: str) -> bool:
        return word in self.given or word in self.family or word in self.both

    def is_plain_name(self, word: str) -> bool:
        """A name that is not an everyday word as well."""
        return (word in self.given or word in self.family) and word not in self.both

    def is_everyday(self, word: str) -> bool:
        """A word of ordinary language and not a name: `policy`, `signed`, `the`."""
        return not self.is_name(word) and any(form in self.ordinary for form in _stems(word))

    def is_verb_like(self, word: str) -> bool:
        """An everyday word that is more than a noun: `signed`, `remote`, `the`."""
        return self.is_everyday(word) and word not in self.nouns

    def is_office(self, word: str) -> bool:
        """A word of offices, headings, companies or products."""
        return not self.is_name(word) and any(form in self.office for form in _stems(word))

    def may_be_word(self, word: str) -> bool:
        """Alone and in lower case it is taken for a word, not for a name."""
        return word in self.both or self.is_everyday(word) or self.is_office(word)

    def may_be_family_name(self, word: str) -> bool:
        """A word that only the table of nouns knows, which holds family names too: `ellison`, `warehouse`."""
        return word in self.nouns and word not in self.both and not self.is_office(word)


def load_lexicon(model: Path) -> Lexicon:
    """The lexicon, with the everyday words of the spaCy model in the folder `model`."""
    sections: dict[str, set[str]] = {name: set() for name in _SECTIONS}
    current = ""
    for line in WORDS_FILE.read_text("utf-8").splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif not line.startswith("#"):
            sections[current].update(line.split(", ") if current == "countries" else line.split())
    tables = Lookups().from_disk(model / "lemmatizer" / "lookups")
    nouns: set[str] = set()
    ordinary: set[str] = set(STOP_WORDS) | sections["office"]
    for table in ("lemma_index", "lemma_exc"):
        for kind in ("noun", "verb", "adj", "adv"):
            words: Iterable[str] = tables.get_table(table)[kind]
            (nouns if kind == "noun" else ordinary).update(words)
    return Lexicon(
        given=frozenset(sections["given"]),
        family=frozenset(sections["family"]),
        both=frozenset(sections["words"]),
        ordinary=frozenset(ordinary | nouns),
        nouns=frozenset(nouns - ordinary),
        office=frozenset(sections["office"] | sections["products"]),
        countries=frozenset(sections["countries"]),
    )


def _stems(word: str) -> Iterable[str]:
    yield word
    for ending, replacement in (
        ("ies", "y"),
        ("es", ""),
        ("s", ""),
        ("ed", ""),
        ("ing", ""),
        ("ing", "e"),
        ("ed", "e"),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            yield word[: -len(ending)] + replacement
