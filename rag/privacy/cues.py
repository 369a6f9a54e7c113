"""Names at which something points: a title, a greeting, a closing line, a colon, a citation, an e-mail address."""

import re
from collections.abc import Iterator, Sequence

from rag.privacy.lexicon import Lexicon
from rag.privacy.people import WORD, WORDS, PeopleFinder, Span, trim

_NAME_WORD = rf"(?:[^\W\d_]\.|{WORD})"
_TITLED = re.compile(
    r"(?<!\w)(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Herr|Frau|Mme)\.?[ \u00a0]"
    # Looked at, not consumed: "Mr Lee and Mrs Young" are two.
    rf"(?=({_NAME_WORD}(?:[ \u00a0]{_NAME_WORD}){{0,3}}))"
)
_RANKED = re.compile(
    r"(?<!\w)(?:President|Senator|Governor|Justice|General|Colonel|Major|Captain|Commander|Lieutenant|Sergeant|King|Queen"
    r"|Prince|Princess|Pope|Bishop|Emperor|Lord|Lady|Sen\.|Rep\.|Gov\.|Gen\.|Col\.|Maj\.|Capt\.|Cmdr\.|Lt\.|Sgt\.|Rev\.)"
    rf"[ \u00a0](?=({_NAME_WORD}(?:[ \u00a0]{_NAME_WORD}){{0,3}}))"
)
"""They are words of offices and headings too: what follows must look like a name."""
_TITLE = re.compile(
    r"(?<!\w)(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Herr|Frau|Mme|Madame|Monsieur|Lt|Gen|Col|Capt)\.?"
    r"(?=[ \u00a0][^\W\d_])|(?<!\w)(?:PhD|DDS|DVM|Ph\.D\.|MD|M\.D\.|Esq\.?)(?!\w)|(?<=\w[ ])(?:Jr|Sr)\b\.?",
    re.IGNORECASE,
)
_SPEAKER = re.compile(rf"(?m)(?:^|[\"'>])[ ]?({WORD})[\"'\\]{{0,2}}:")
_GREETING = re.compile(
    r"(?m)(?:^|[>.!?\"] ?)(?:Dear|Hi|Hello|Hey|Thanks|Thank you|Cheers|Regards),?[ ]"
    rf"({WORD}(?:[ ]{WORD}){{0,2}})(?=[ ]?[,!.\n:-])"
)
_CLOSING = re.compile(
    r"(?im)^.{0,30}\b(?:regards|sincerely|cheers|thanks|yours|wishes|faithfully|signed)\b[ ,.!]{0,3}\n\s{0,4}"
    rf"({WORD}\.?(?:[ ]{WORD}\.?){{0,3}})[ ]*(?:[,\n|(]|\Z)"
)
_BORN = re.compile(rf"\b(?:n\u00e9e|nee|n\u00e9|geb\.|maiden name)[ ]({WORD})(?=[ )\],.;])")
_CITED = re.compile(
    rf"\(({WORD})(?:[ ]et[ ]al\.?)?,[ ]?\d{{4}}[a-z]?\)|\b({WORD},[ ](?:[A-Z]\.[ ,]{{0,2}}){{1,4}})(?=\(\d{{4}}\))"
)
_BEFORE_MAIL = re.compile(rf"({WORD}\.?(?:[ ]{WORD}\.?){{0,3}})[\"']?[ ]{{0,2}}[<(\[]\s?(?:mailto:)?\Z")


class CueFinder:
    """Finds what cues point at. Holds no text."""

    def __init__(self, lexicon: Lexicon, people: PeopleFinder) -> None:
        self._lexicon = lexicon
        self._people = people

    def names(self, text: str, mails: Sequence[Span]) -> Iterator[Span]:
        """The names in a text. `mails`: where e-mail addresses stand."""
        for pattern in (_TITLED, _RANKED, _GREETING, _CLOSING):
            for found in pattern.finditer(text):
                yield from self._people.first_words(text, *found.span(1), sure=pattern is _TITLED)
        for cited in _CITED.finditer(text):
            first = WORDS.match(cited[1] or cited[2])
            if first and self._people.is_person(first[0]):
                yield cited.span(cited.lastindex or 0)
        yield from (born.span(1) for born in _BORN.finditer(text) if born[1][0].isupper())
        for start, _ in mails:
            before = _BEFORE_MAIL.search(text, max(0, start - 90), start)
            if before and (name := self._last_words(text, *before.span(1))):
                yield name
        yield from self._speakers(text)

    def titles(self, text: str) -> Iterator[Span]:
        """Forms of address and degrees beside a name: no identifier by themselves."""
        for title in _TITLE.finditer(text):
            yield title.span()

    def _speakers(self, text: str) -> Iterator[Span]:
        """A common given name at the beginning of a line in front of a colon: `Laura: good morning`."""
        for speaker in _SPEAKER.finditer(text):
            if self._lexicon.is_plain_name(speaker[1].casefold()):
                yield speaker.span(1)

    def _last_words(self, text: str, start: int, end: int) -> Span | None:
        """The name at the end of a span, in any case: `From: ann lee <`."""
        first = end
        for word in reversed(list(WORDS.finditer(text, start, end))):
            folded = word[0].casefold()
            if self._lexicon.is_office(folded) or self._lexicon.is_everyday(folded) or folded in {"to", "from", "cc"}:
                break
            first = word.start()
        return trim(text, first, end) if first < end else None
