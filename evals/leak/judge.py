"""Looks at outputs for what their reader may not see: runs of words, ids and marks, and personal values."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evals.leak.fingerprints import Detector, Values
from evals.leak.outputs import Output
from evals.leak.surfaces import Asker, Caller
from evals.leak.world import World
from evals.questions import document_paths, source_text

_VALUES = {
    "EMAIL_ADDRESS": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "IBAN_CODE": re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,28}\b"),
}


@dataclass(slots=True)
class Findings:
    """What one run found. Problems are (who, surface, asked, what)."""

    leaks: list[tuple[str, str, str, str]] = field(default_factory=list)
    hidden: list[tuple[str, str, str, str]] = field(default_factory=list)
    unmasked: list[tuple[str, str, str, str]] = field(default_factory=list)
    failed: list[tuple[str, str, str, str]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    fingerprints: int = 0
    readers_without_hits: int = 0


class Judge:
    """Looks at the outputs of one asker."""

    def __init__(self, asker: Caller, world: World, findings: Findings) -> None:
        self._asker = asker
        self._findings = findings
        self.readable = world.readable(asker.callers)
        self._documents = frozenset(s.document for s in world.sections if s.name in self.readable)
        self._detector = Detector([s.fingerprint for s in world.sections], self.readable)
        self._values, self._allowed = _values(world, asker.callers)
        findings.fingerprints += self._detector.size

    def look(self, surface: str, asked: str, output: Output) -> None:
        """Count the call and note what should not be in its output."""
        self._findings.calls[surface] += 1
        self._findings.found[surface] += output.found
        for trace in self._detector.traces(output.text, asked):
            self._note(self._findings.leaks, surface, asked, f"{trace.section}: {trace.evidence}")
        for document in output.documents - self._documents:
            self._note(self._findings.leaks, surface, asked, document)
        for value in self._values.shown(output.text, self._allowed, asked):
            self._note(self._findings.unmasked, surface, asked, value)

    def hidden(self, surface: str, asked: str, section: str) -> None:
        self._note(self._findings.hidden, surface, asked, section)

    def leaked(self, surface: str, asked: str, section: str) -> None:
        self._note(self._findings.leaks, surface, asked, section)

    def failed(self, surface: str, asked: str, status: int) -> None:
        self._note(self._findings.failed, surface, asked, str(status))

    def _note(self, problems: list[tuple[str, str, str, str]], surface: str, asked: str, what: str) -> None:
        problems.append((self._asker.name, surface, asked, what))


def look_at_log(text: str, asker: Asker, world: World, findings: Findings) -> None:
    """A log may name ids; text of documents and personal values it may not hold, whoever may read them."""
    nobodys = Detector([replace(s.fingerprint, exact=frozenset()) for s in world.sections], ())
    values, _ = _values(world, ())
    findings.calls["log"] += text.count("\n")
    findings.leaks += [(asker.name, "log", "", trace.section) for trace in nobodys.traces(text)]
    findings.unmasked += [(asker.name, "log", "", value) for value in values.shown(text, frozenset())]


def _values(world: World, callers: Sequence[str]) -> tuple[Values, frozenset[str]]:
    """All personal values of the sources, and those that `callers` may see in clear."""
    allowed: set[str] = set()
    places: dict[str, set[str]] = {}
    texts = {path: source_text(path) for path in document_paths()}
    for section in world.sections:
        for entity, form in _VALUES.items():
            values = set(form.findall(texts.get(section.path, "")))
            for value in values:
                places.setdefault(value, set()).add(section.path)
            if world.oracle.may(callers, "read", section.labels) and world.oracle.may(
                callers, f"unmask:{entity}", section.labels
            ):
                allowed |= values
    return Values({value: frozenset(paths) for value, paths in places.items()}), frozenset(allowed)
