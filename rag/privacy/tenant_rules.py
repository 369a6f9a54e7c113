"""What a tenant's configuration means for findings. Without a configuration: what was found stays as it is.

known values, patterns  -> found besides
operator keep           -> left alone, as the entities of the settings
operator redact         -> found as others; what stands in its place is `rag.privacy.mask`
threshold of an entity  -> a finding below it is dropped, and what stands inside it is looked at by itself
never                   -> dropped where the value stands, before and after it is looked for everywhere
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rag.privacy.company_patterns import CompanyPatterns
from rag.privacy.configuration import Configuration
from rag.privacy.findings import Finding, KnownValues
from rag.privacy.known_forms import KnownForms, never
from rag.privacy.known_values import Form
from rag.privacy.operators import Operator

UNTOUCHABLE = "LITERAL"
"""No configuration lets a document forge a token."""


class Finder(Protocol):
    """What `rag.privacy.recognize.Recognizer` does. Named here, so that a configuration is read without its models."""

    def find(
        self, texts: Sequence[str], known: KnownValues | None = None, leave: Collection[str] | None = None
    ) -> list[list[Finding]]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values come from that the tenant told us; it is what `Recognizer.find` takes as known."""

    directory: KnownForms = field(repr=False)
    always: KnownForms = field(repr=False)
    patterns: CompanyPatterns = field(repr=False)

    def find(self, text: str) -> list[Finding]:
        return [*self.directory.find(text), *self.always.find(text), *self.patterns.find(text)]


@dataclass(frozen=True, slots=True)
class TenantRules:
    """One version of a configuration with its directories, ready to be used. Safe to share between threads."""

    version: int
    digest: str
    """What a text is masked by, besides the installation; empty: the default."""
    configuration: Configuration = field(repr=False)
    sources: Sources = field(repr=False)
    never: KnownForms = field(repr=False)

    def find(self, texts: Sequence[str], recognizer: Finder, left: frozenset[str]) -> list[list[Finding]]:
        """What is found in each text and stays, before it is looked for everywhere. `left`: see `left_of`."""
        if not self.digest:
            return recognizer.find(texts)
        found = recognizer.find(texts, self.sources, left)
        for text, findings in zip(texts, found, strict=True):
            findings[:] = self._above_thresholds(text, findings, recognizer, left)
        return [self.permitted(text, findings, left) for text, findings in zip(texts, found, strict=True)]

    def permitted(self, text: str, findings: Sequence[Finding], left: frozenset[str]) -> list[Finding]:
        """The findings without those that are never masked."""
        if not self.digest:
            return list(findings)
        spared = [(one.start, one.end) for one in self.never.find(text)] if len(self.never) else []
        return [
            one
            for one in findings
            if one.entity == UNTOUCHABLE
            or (one.entity not in left and not any(first <= one.start and one.end <= last for first, last in spared))
        ]

    def left_of(self, settings: Sequence[str]) -> frozenset[str]:
        """The entities that are left alone: those of the settings, as the configuration changes them."""
        return self.configuration.kept(settings)

    @property
    def redacted(self) -> frozenset[str]:
        """The entities of which nothing is kept."""
        chosen = self.configuration.operators
        return frozenset(entity for entity, operator in chosen.items() if operator is Operator.REDACT)

    def _above_thresholds(
        self, text: str, findings: Sequence[Finding], recognizer: Finder, left: frozenset[str]
    ) -> list[Finding]:
        thresholds = self.configuration.thresholds
        kept: list[Finding] = []
        for one in findings:
            if one.score >= thresholds.get(one.entity, 0):
                kept.append(one)
                continue
            # It may have won over a shorter one that is sure.
            for inner in recognizer.find([text[one.start : one.end]], self.sources, left)[0]:
                if inner.score >= thresholds.get(inner.entity, 0):
                    shifted = (inner.start + one.start, inner.end + one.start)
                    kept.append(Finding(*shifted, inner.entity, inner.score))
        return kept


def compiled(
    version: int,
    digest: str,
    configuration: Configuration,
    directory: Sequence[tuple[Form, str]],
    key: bytes,
    is_everyday: Callable[[str], bool] = never,
) -> TenantRules:
    """Rules that are ready to be used. `key` is the one that digested the forms."""
    always = [(one.form, one.entity) for one in configuration.always]
    return TenantRules(
        version,
        digest,
        configuration,
        Sources(
            KnownForms(key, directory, is_everyday=is_everyday),
            KnownForms(key, always),
            CompanyPatterns(configuration.patterns.items()),
        ),
        KnownForms(key, [(one.form, "NEVER") for one in configuration.never]),
    )


DEFAULT = compiled(0, "", Configuration(), (), b"")
"""A tenant without a configuration."""
