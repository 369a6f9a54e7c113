"""What leaves: generated sentences are scanned for personal data, and no text carries a secret out.

A sentence is scanned whole, behind what was written before it. Scanned piece by piece, four of five values would
pass; by sentences in their context, no fewer are found than in the whole text (`ringfence eval privacy-outgoing`).
"""

import re
from collections.abc import Iterable

from rag.privacy.secrets import SECRETS
from rag.privacy.tenant import TenantPrivacy
from rag.privacy.unmask import stand_ins_in, tokens_in, with_whole_tokens

CONTEXT_CHARS = 400
"""How much of what was written before is scanned with a sentence: some three sentences."""
SECRET_REMOVED = "[secret removed]"  # noqa: S105 - what stands where one stood
_REMOVED = re.compile(re.escape(SECRET_REMOVED))


class Outgoing:
    """Scans the sentences of one generated text, in their order."""

    def __init__(self, privacy: TenantPrivacy, sources: Iterable[str]) -> None:
        """`sources` are the reading texts that the generator saw: what stands in them may be written."""
        self._privacy = privacy
        self._sources = tuple(sources)
        self._plain = tuple(" ".join(source.split()) for source in self._sources)
        self._tokens = tuple({token.text for source in self._sources for token in tokens_in(source)})
        self._before = ""

    def __repr__(self) -> str:
        return "Outgoing()"

    def scan(self, sentence: str) -> str:
        """The sentence with its known tokens whole again, and other personal data in it as tokens.

        CPU-bound, unless it is `copied`: call it from a worker thread.

        Raises:
            NotAnalysed: it could not be searched to its end; it must not leave.
        """
        whole = with_whole_tokens(sentence, self._tokens)
        before, self._before = self._before, f"{self._before}{whole}\n"[-CONTEXT_CHARS:]
        if self._stands_in_source(whole):
            return whole
        return self._privacy.scan_output(whole, sources=self._sources, before=before)

    def copied(self, sentence: str) -> bool:
        """Whether it stands word for word in a source: all that could be found in it may be written.

        Then nothing is looked for. Else the models read it behind what was written before: most of a claim's cost.
        """
        return self._stands_in_source(with_whole_tokens(sentence, self._tokens))

    def _stands_in_source(self, whole: str) -> bool:
        words = " ".join(whole.split())
        if not words:
            return False
        pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
        return any(words in source and pattern.search(source) for source in self._plain)


def without_secrets(text: str) -> str:
    """The text without anything that has the form of a key or a password. Tokens stay.

    Masking has taken secrets out before a text was stored. This holds for what it did not know then, too.
    """
    kept = [(token.start, token.end) for token in stand_ins_in(text)]
    kept += [found.span() for found in _REMOVED.finditer(text)]
    spans: list[tuple[int, int]] = []
    for form in SECRETS:
        for pattern in form.patterns:
            group = "value" if "value" in pattern.groupindex else 0
            for found in pattern.finditer(text):
                start, end = found.span(group)
                if not any(a < end and start < b for a, b in kept) and form.accept(found[group]):
                    spans.append((start, end))
    out: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if start >= done:
            out += (text[done:start], SECRET_REMOVED)
        done = max(done, end)
    return "".join([*out, text[done:]])
