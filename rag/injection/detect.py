"""Finds text that speaks to a model instead of a reader. It informs; what holds is that retrieved text gives no orders.

The same detector at both doors, for documents and for questions. Deterministic, and linear in the length of a text: it
is cut into windows, and a rule is tried only on a window that has the words it needs.
"""

import re
from collections.abc import Iterable, Iterator

from rag.injection.disguises import decoded, respelled
from rag.injection.findings import Code, Finding, codes_in
from rag.injection.foreign_rules import FOREIGN
from rag.injection.normalise import folded, normalised
from rag.injection.order_rules import OVERRIDE, ROLE
from rag.injection.patterns import WIDTH_MAX, Rule
from rag.injection.prompt_rules import EXFILTRATION, EXTRACTION, MARKUP
from rag.injection.reader_rules import READER

RULES: tuple[Rule, ...] = (*OVERRIDE, *ROLE, *EXTRACTION, *READER, *EXFILTRATION, *MARKUP, *FOREIGN)
WINDOW_CHARS = 2400
"""One stretch that rules are tried on; the next one begins `WIDTH_MAX` before its end."""

VOCABULARY = frozenset().union(*(need for rule in RULES for need in rule.needs))
SUSPICIOUS = frozenset({"instructions", "prompt", "previous", "disregard", "guidelines", "restrictions", "jailbreak"})
"""Words that bring a text backwards, or in rot13, under suspicion: backwards and in rot13 they are no words."""

_WORD = re.compile(r"[a-z]+")


def detect(text: str) -> tuple[Finding, ...]:
    """What was noticed in a text, each rule once by view, sorted. Never raises, whatever the text."""
    shown = normalised(text)
    found = set(_matches(shown.text, "plain"))
    if shown.hidden or (found and shown.unseen and not set(_matches(folded(text), "plain"))):
        found.add(Finding(Code.HIDDEN, "invisible_characters"))
    if shown.smuggled:
        found |= {Finding(Code.ENCODED, one.rule, "tag_characters") for one in _matches(shown.smuggled, "tags")}
    for view, spelled in respelled(shown.text, SUSPICIOUS, VOCABULARY):
        known = {one.rule for one in found}
        found |= {Finding(Code.ENCODED, one.rule, view) for one in _matches(spelled, view) if one.rule not in known}
    for view, said in decoded(text):
        found |= {Finding(Code.ENCODED, one.rule, view) for one in _matches(folded(said), view)}
    return tuple(sorted(found))


def codes_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The codes of what was noticed in any of the texts, sorted."""
    return codes_in(finding for text in texts for finding in detect(text))


def windows(text: str) -> Iterator[str]:
    """The text in overlapping stretches: whatever a rule can match lies whole in one of them."""
    step = WINDOW_CHARS - WIDTH_MAX
    for start in range(0, max(len(text) - WIDTH_MAX, 1), step):
        yield text[start : start + WINDOW_CHARS]


def _matches(folded_text: str, view: str) -> Iterator[Finding]:
    left = list(RULES)
    for window in windows(folded_text):
        words = frozenset(_WORD.findall(window))
        matched = [rule for rule in left if rule.may_match(words) and rule.expression.search(window)]
        for rule in matched:
            left.remove(rule)
            yield Finding(rule.code, rule.name, view)
