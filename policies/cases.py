"""Policy files in YAML: rules, role links, and cases that say what must come out, each with its reason.

    rules:
      - {subject: role:employee, action: read, level: internal}
    links:
      - {member: user:ann, parent: role:employee}
    documents:
      handbook: {department: people, level: internal}
    cases:
      - {who: user:ann, action: read, document: handbook, expected: allow, why: Everybody reads the handbook.}

A file holds no tenant: it is written for whichever tenant it is loaded into. Cases are decided by
`policies.check`, on the rules of the file alone, so they need no database.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from policies.check import Decision, check
from policies.rules import ANY, Attributes, Caller, Effect, InvalidRule, Level, RoleLink, Rule, action_name
from policies.snapshot import Snapshot

CASE_TENANT = "cases"
"""The tenant that a file's cases are decided in."""


class InvalidPolicyFile(ValueError):
    """A policy file that cannot be used: the message names the file, the place and why."""


class _Strict(BaseModel):
    # Strict, so that YAML's unquoted `no` and `1` are refused where a name is meant, not turned into text.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Level = Annotated[Level, BeforeValidator(Level.parse)]
_Names = Annotated[frozenset[str], Field(strict=False)]


class RuleLine(_Strict):
    subject: str
    action: str | Annotated[list[str], Field(min_length=1)]
    department: str = ANY
    tags: _Names = frozenset()
    owner: str = ANY
    document: str = ANY
    level: _Level = Level.SECRET
    effect: Literal["allow", "deny"] = "allow"

    def rules(self, tenant: str) -> tuple[Rule, ...]:
        """One rule for each action of the line."""
        actions = [self.action] if isinstance(self.action, str) else self.action
        return tuple(
            Rule(
                subject=self.subject,
                tenant=tenant,
                action=action,
                department=self.department,
                tags=self.tags,
                owner=self.owner,
                document=self.document,
                level=self.level,
                effect=Effect(self.effect),
            )
            for action in actions
        )


class LinkLine(_Strict):
    member: str
    parent: str


class DocumentLine(_Strict):
    department: str
    level: _Level
    tags: _Names = frozenset()
    owner: str = ""
    shares: _Names = frozenset()
    denied_shares: _Names = frozenset()
    compartments: _Names = frozenset()

    def attributes(self, tenant: str, name: str) -> Attributes:
        return Attributes(tenant=tenant, document=name, **dict(self))


class Case(_Strict):
    """What must come out when `who`, through `assistant` if there is one, does `action` to `document`."""

    who: str
    action: str
    document: str
    expected: Literal["allow", "deny"]
    why: Annotated[str, Field(min_length=1)]
    assistant: str | None = None
    groups: _Names = frozenset()

    def callers(self, tenant: str) -> tuple[Caller, ...]:
        person = Caller(tenant, self.who, self.groups)
        return (person,) if self.assistant is None else (person, Caller(tenant, self.assistant))


class PolicyFile(_Strict):
    rules: list[RuleLine] = []
    links: list[LinkLine] = []
    documents: dict[str, DocumentLine] = {}
    cases: list[Case] = []

    def rules_in(self, tenant: str) -> tuple[Rule, ...]:
        """The rules, each once, in the order of the file."""
        return tuple(dict.fromkeys(rule for line in self.rules for rule in line.rules(tenant)))

    def links_in(self, tenant: str) -> tuple[RoleLink, ...]:
        """The role links, each once, in the order of the file."""
        return tuple(dict.fromkeys(RoleLink(line.member, line.parent, tenant) for line in self.links))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case and what really came out."""

    case: Case
    decision: Decision

    @property
    def passed(self) -> bool:
        """A decision that failed is not a refusal that somebody wrote down."""
        return not self.decision.error and self.decision.allowed == (self.case.expected == "allow")


def read_policy_file(path: Path) -> PolicyFile:
    """Parse and validate a whole file, so that nothing of a broken one is ever used.

    Raises:
        InvalidPolicyFile: not readable, not YAML, an unknown or repeated key, an invalid line, or a case about
            a document that the file does not describe.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
        file = PolicyFile.model_validate(content if content is not None else {})
        _require_sound(file)
    except OSError as cause:
        raise InvalidPolicyFile(f"{path}: cannot be read ({cause.strerror or type(cause).__name__}).") from cause
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidPolicyFile(f"{path}: {place}: {first['msg']}.") from cause
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise InvalidPolicyFile(f"{path}: is not valid YAML: {' '.join(str(cause).split())}") from cause
    except InvalidRule as cause:
        raise InvalidPolicyFile(f"{path}: {cause}.") from cause
    return file


def run_cases(file: PolicyFile, tenant: str = CASE_TENANT) -> tuple[CaseResult, ...]:
    """Decide every case of the file on the file's own rules, in the order of the file."""
    snapshot = Snapshot(tenant, 1, file.rules_in(tenant), file.links_in(tenant))
    return tuple(
        CaseResult(
            case,
            check(
                snapshot,
                case.callers(tenant),
                case.action,
                file.documents[case.document].attributes(tenant, case.document),
            ),
        )
        for case in file.cases
    )


def _require_sound(file: PolicyFile) -> None:
    """Build everything once: the domain types know what is valid."""
    file.rules_in(CASE_TENANT)
    file.links_in(CASE_TENANT)
    for name, document in file.documents.items():
        document.attributes(CASE_TENANT, name)
    for number, case in enumerate(file.cases, start=1):
        case.callers(CASE_TENANT)
        action_name(case.action)
        if case.document not in file.documents:
            raise InvalidRule(f"case {number} is about document {case.document!r}, which the file does not describe")


class _Loader(yaml.SafeLoader):
    """YAML without repeated keys: the last one would win without a word, a deny among them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
