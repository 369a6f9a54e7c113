"""Policy files in YAML: rules, role links, and cases that say what must come out, each with its reason.

    rules:
      - {subject: role:employee, action: read, level: internal}
      - {subject: role:guest, action: read, tags: [wages], effect: deny}
    links:
      - {member: group:staff, parent: role:employee}
    documents:
      handbook: {department: people, level: internal}
    cases:
      - {who: user:ann, groups: [group:staff], action: read, document: handbook, expected: allow, why: All staff may.}

A file holds no tenant: it is written for whichever tenant it is loaded into.

**A case** asks whether `who` may do `action` to `document`, and says why the answer must be so.

- `who` is a person (or an assistant); `groups` are what the identity provider vouches for in this call. Without
  `who`, the case is about anybody whom the policy does not name and who is in these groups.
- `assistant` asks on behalf of the person: then both must be allowed.
- `document` is a name from `documents`, or the attributes themselves: `document: {department: hr, level: public}`.
- `rule` is what must have decided; leave it out where only the answer matters:

      rule: {subject: role:guest, tags: [wages]}   a rule with exactly these columns, whatever its others are
      rule: none            no rule gave the right, so it was refused
      rule: denied_share    a rule would, but the document's source denies it to this person
      rule: compartment     a rule would, but the person lacks one of the document's compartments

  Columns are written as in `rules`; to require one that does not restrict, write its default (`department: "*"`).
  The action and the effect are those of the case. Where several rules decide alike, one of them must be as
  described. Rules are not named by their short ids: an id depends on the tenant, and a file has none.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from policies.rules import ANY, Attributes, Caller, Effect, InvalidRule, Level, RoleLink, Rule

ANYBODY = "user:anybody-in-these-groups"
"""Who asks in a case that names groups only."""
THIS_DOCUMENT = "document-of-this-case"
"""The name of a document that a case describes itself."""
WRITTEN_FORMS = ("<text>", "<spelled out>")
"""What the two ways to write one value are called in the places of validation errors."""


class _Strict(BaseModel):
    # Strict, so that a number where a name is meant is refused, not turned into text.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Level = Annotated[Level, BeforeValidator(Level.parse)]
_Names = Annotated[frozenset[str], Field(strict=False)]
_by_form = Discriminator(lambda value: WRITTEN_FORMS[not isinstance(value, str)])


class _Scope(_Strict):
    """The columns that say which documents a rule is about."""

    department: str = ANY
    tags: _Names = frozenset()
    owner: str = ANY
    document: str = ANY
    level: _Level = Level.SECRET


class RuleLine(_Scope):
    subject: str
    action: Annotated[
        Annotated[str, Tag(WRITTEN_FORMS[0])] | Annotated[list[str], Field(min_length=1), Tag(WRITTEN_FORMS[1])],
        _by_form,
    ]
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

    def link(self, tenant: str) -> RoleLink:
        return RoleLink(self.member, self.parent, tenant)


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

    def described(self) -> str:
        """The attributes in one line, for lists of cases."""
        lists = ("tags", "shares", "denied_shares", "compartments")
        written = [(column, " ".join(sorted(getattr(self, column)))) for column in lists]
        more = [f"{column} {value}" for column, value in [("owner", self.owner), *written] if value]
        return ", ".join([self.department, self.level.name.lower(), *more])


class ExpectedRule(_Scope):
    """Columns that a deciding rule must have. Only those that are written count."""

    subject: str = ""

    def matches(self, rule: Rule) -> bool:
        return all(getattr(rule, column) == getattr(self, column) for column in self.model_fields_set)

    @model_validator(mode="after")
    def _require_a_column(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one column of the rule, or leave `rule` out")
        return self


NoRule = Literal["none", "denied_share", "compartment"]
"""What refuses when no rule does."""


class Case(_Strict):
    """What must come out, and from what. The module docstring says what each key means."""

    who: str = ANYBODY
    action: str
    about: Annotated[
        Annotated[str, Tag(WRITTEN_FORMS[0])] | Annotated[DocumentLine, Tag(WRITTEN_FORMS[1])], _by_form
    ] = Field(alias="document")
    expected: Literal["allow", "deny"]
    why: Annotated[str, Field(pattern=r"\S")]
    assistant: str | None = None
    groups: _Names = frozenset()
    rule: (
        Annotated[Annotated[NoRule, Tag(WRITTEN_FORMS[0])] | Annotated[ExpectedRule, Tag(WRITTEN_FORMS[1])], _by_form]
        | None
    ) = None

    @property
    def document(self) -> str:
        """The document's name, or its attributes in words when it has none."""
        return self.about if isinstance(self.about, str) else self.about.described()

    def callers(self, tenant: str) -> tuple[Caller, ...]:
        person = Caller(tenant, self.who, self.groups)
        return (person,) if self.assistant is None else (person, Caller(tenant, self.assistant))

    def attributes(self, tenant: str, documents: Mapping[str, DocumentLine]) -> Attributes:
        """What the case's document is labelled with.

        Raises:
            InvalidRule: it is not among `documents`, or its labels are not valid.
        """
        if isinstance(self.about, DocumentLine):
            return self.about.attributes(tenant, THIS_DOCUMENT)
        if self.about not in documents:
            raise InvalidRule(f"document {self.about!r} is not described under `documents`")
        return documents[self.about].attributes(tenant, self.about)

    @model_validator(mode="after")
    def _require_sense(self) -> Self:
        if "who" not in self.model_fields_set and not self.groups:
            raise ValueError("say who asks: `who`, or `groups` for anybody in them")
        if self.expected == "allow" and isinstance(self.rule, str):
            raise ValueError(f"rule: {self.rule} explains a refusal, but allow is expected")
        return self


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
        return tuple(dict.fromkeys(line.link(tenant) for line in self.links))
