"""A value found once in a document is found everywhere in it.

Full names in any case and with initials (`A. Lee`); single parts of a name where they are capitalised and not an
everyday word; other values as they stand. Works across all texts of one document (title, path, body).
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from rag.privacy.faces import TITLES, name_parts
from rag.privacy.lexicon import Lexicon
from rag.privacy.people import PARTICLES
from rag.privacy.recognize import Finding, resolve_overlaps

PARTS_MAX = 6
VALUE_CHARS_MIN = 6
"""A shorter value that is no name, such as a pin, stands in too many places where it means something else."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_GAP = re.compile(r"[ \t\u00a0]{0,2}[._,]?[ \t\u00a0]{0,2}\n?[ \t]{0,4}|[-_]")
_START = re.compile(r"(?<!\w)\S")

Texts = Sequence[str]


class KnownNames:
    """The names of one document, in the forms in which they are mentioned again."""

    def __init__(self, names: Sequence[str], lexicon: Lexicon) -> None:
        self._sequences: set[tuple[str, ...]] = set()
        self._single: set[str] = set()
        for name in names:
            parts = tuple(part for part in _folded(name) if part not in TITLES)[:PARTS_MAX]
            if len(parts) > 1:
                self._sequences.add(parts)
                # "Ann Maria Lee" is also "Ann Lee", "A. Lee", "A. M. Lee" and "Ann M. Lee".
                first, last = parts[0], parts[-1]
                initials = (*(part[0] for part in parts[:-1]), last)
                for form in ((first, last), (last, first), (first[0], last), initials):
                    self._sequences.add(form)
                self._sequences.add((first, *(part[0] for part in parts[1:-1]), last))
            for part in parts:
                if len(part) > 2 and part not in PARTICLES and not lexicon.may_be_word(part):
                    self._single.add(part)
        self._longest = max(map(len, self._sequences), default=1)

    def find(self, text: str) -> list[Finding]:
        words = list(_WORD.finditer(text))
        folded = [_fold(word[0]) for word in words]
        found: list[Finding] = []
        position = 0
        while position < len(words):
            count = self._longest_at(text, words, folded, position)
            if count:
                start, end = words[position].start(), words[position + count - 1].end()
                found.append(Finding(start, end - _possessive(text, start, end), "PERSON", 0.7))
            position += max(count, 1)
        return found

    def _longest_at(self, text: str, words: list[re.Match[str]], folded: list[str], position: int) -> int:
        for count in range(min(self._longest, len(words) - position), 1, -1):
            if tuple(folded[position : position + count]) in self._sequences and all(
                _GAP.fullmatch(text, before.end(), after.start())
                for before, after in zip(
                    words[position : position + count], words[position + 1 : position + count], strict=False
                )
            ):
                return count
        return int(folded[position] in self._single and words[position][0][0].isupper())


def propagate(texts: Texts, found: Sequence[Sequence[Finding]], lexicon: Lexicon) -> list[list[Finding]]:
    """The findings of each text, with every further mention of what was found in any of them."""
    names = sorted({t[f.start : f.end] for t, fs in zip(texts, found, strict=True) for f in fs if f.entity == "PERSON"})
    names += sorted(
        {name for t, fs in zip(texts, found, strict=True) for f in fs if (name := _named_by(t, f, lexicon))}
    )
    known = KnownNames(names, lexicon)
    values = _values(texts, found)
    return [
        resolve_overlaps(text, [*findings, *known.find(text), *_repeated(text, values)])
        for text, findings in zip(texts, found, strict=True)
    ]


def _named_by(text: str, finding: Finding, lexicon: Lexicon) -> str | None:
    """The name that an address is made of: `ann.lee@` names Ann Lee, `press.office@` nobody."""
    if finding.entity != "EMAIL_ADDRESS":
        return None
    local = re.sub(r"[\d+].*", "", text[finding.start : finding.end].split("@")[0])
    parts = [part for part in re.split(r"[._-]", local) if part]
    if not 2 <= len(parts) <= 4 or any(len(part) < 2 or not part.isalpha() for part in parts):
        return None
    folded = [part.casefold() for part in parts]
    if any(lexicon.is_office(part) or lexicon.is_everyday(part) for part in folded):
        return None
    return " ".join(parts)


def _values(texts: Texts, found: Sequence[Sequence[Finding]]) -> dict[str, list[tuple[str, str]]]:
    """By first character: the longest first, so that a value is not found inside a longer one."""
    values = {
        (text[f.start : f.end], f.entity)
        for text, findings in zip(texts, found, strict=True)
        for f in findings
        if f.entity not in {"PERSON", "LOCATION", "LITERAL"} and f.end - f.start >= VALUE_CHARS_MIN
    }
    by_start: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for value, entity in sorted(values, key=lambda v: (-len(v[0]), v)):
        by_start[value[:VALUE_CHARS_MIN]].append((value, entity))
    return by_start


def _repeated(text: str, values: dict[str, list[tuple[str, str]]]) -> list[Finding]:
    found = []
    for start in (match.start() for match in _START.finditer(text)) if values else ():
        for value, entity in values.get(text[start : start + VALUE_CHARS_MIN], ()):
            end = start + len(value)
            if text.startswith(value, start) and not (text[end : end + 1].isalnum() and value[-1].isalnum()):
                found.append(Finding(start, end, entity, 0.7))
                break
    return found


def _folded(name: str) -> list[str]:
    return [_fold(word) for word in _WORD.findall(name)]


def _fold(word: str) -> str:
    if word.isascii() and word.isalnum():
        return word.lower()
    return (name_parts(word) or [word.casefold()])[0]


def _possessive(text: str, start: int, end: int) -> int:
    found = re.search(r"['\u2019][sS]$", text[start:end])
    return len(found[0]) if found else 0
