"""Running the cases of a policy file: decided by `policies.check` on the rules of the file alone, without a database.

The format of the file, and of a case's expectations, is described in `policies.files.file_format`.
"""

from dataclasses import dataclass

from policies.check import Decision, check
from policies.files.deciding import Outcome, VetoKind, outcome
from policies.files.file_format import Case, ExpectedRule, PolicyFile
from policies.files.policy_file import CASE_TENANT, InvalidPolicyFile, read_policy_file, read_policy_text
from policies.snapshot import Snapshot
from policies.wording import describe

__all__ = [
    "CASE_TENANT",
    "Case",
    "CaseResult",
    "InvalidPolicyFile",
    "PolicyFile",
    "read_policy_file",
    "read_policy_text",
    "run_cases",
]

_REFUSED_BY = {
    "none": "no rule gives the right",
    VetoKind.DENIED_SHARE: "the document is denied to the caller by its source (denied_share)",
    VetoKind.COMPARTMENT: "the caller lacks one of the document's compartments (compartment)",
}


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case and what really came out: the decision, and what it rests on for each caller."""

    case: Case
    decision: Decision
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        return self.failure is None

    @property
    def failure(self) -> str | None:
        """What came out otherwise than written, in one sentence; None when nothing did."""
        # A decision that failed is not a refusal that somebody wrote down.
        if self.decision.error or self.decision.allowed != (self.case.expected == "allow"):
            return self.decision.reason
        if self.case.rule is None or any(_as_expected(found, self.case.rule) for found in self.deciding):
            return None
        decided = dict.fromkeys(text for found in self.deciding for text in _decided_by(found))
        return f"not what was expected decided, but: {'; '.join(decided)}"

    @property
    def deciding(self) -> tuple[Outcome, ...]:
        """The outcomes that the answer rests on: all of them if allowed, else those of the refused callers."""
        return tuple(found for found in self.outcomes if found.allowed == self.decision.allowed)


def run_cases(file: PolicyFile, tenant: str = CASE_TENANT) -> tuple[CaseResult, ...]:
    """Decide every case of the file on the file's own rules, in the order of the file."""
    snapshot = Snapshot(tenant, 1, file.rules_in(tenant), file.links_in(tenant))
    return tuple(_run(snapshot, case, file) for case in file.cases)


def _run(snapshot: Snapshot, case: Case, file: PolicyFile) -> CaseResult:
    callers = case.callers(snapshot.tenant)
    attributes = case.attributes(snapshot.tenant, file.documents)
    outcomes = tuple(outcome(snapshot, caller, case.action, attributes) for caller in callers)
    return CaseResult(case, check(snapshot, callers, case.action, attributes), outcomes)


def _as_expected(found: Outcome, expected: ExpectedRule | str) -> bool:
    if isinstance(expected, ExpectedRule):
        return any(expected.matches(rule) for rule in found.rules)
    if expected == "none":
        return not found.rules and not found.vetoes
    return expected in found.vetoes


def _decided_by(found: Outcome) -> list[str]:
    """What decided for one caller, in words."""
    if found.rules:
        return [describe(rule) for rule in found.rules]
    return [_REFUSED_BY[veto] for veto in sorted(found.vetoes)] or [_REFUSED_BY["none"]]
