"""Edit files in YAML: one atomic batch of lines to add and lines to remove.

    add_rules:
      - {subject: role:guest, action: read, level: public}
    remove_rules:
      - 3f9a2c41d0                                         an id, as `policy list` shows it
      - {subject: role:guest, action: read, tags: [wages]}    or the rule itself
    add_links:
      - {member: user:ann, parent: role:guest}
    remove_links:
      - {member: user:ann, parent: group:staff}

Rules and links are written as in policy files. A file holds no tenant: it is written for whichever it is applied to.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Tag, ValidationError

from policies.edits import Edit, InvalidEdit
from policies.files.file_format import WRITTEN_FORMS, LinkLine, RuleLine
from policies.files.strict_yaml import SIZE_MAX, InvalidYaml, load
from policies.rules import InvalidRule, Rule
from policies.wording import rule_id

_Line = TypeVar("_Line")
_Built = TypeVar("_Built")
_by_form = Discriminator(lambda value: WRITTEN_FORMS[not isinstance(value, str)])


class EditFile(BaseModel):
    """What the file says. Lines are validated when the edit is made of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    add_rules: list[RuleLine] = []
    remove_rules: list[
        Annotated[Annotated[str, Tag(WRITTEN_FORMS[0])] | Annotated[RuleLine, Tag(WRITTEN_FORMS[1])], _by_form]
    ] = []
    add_links: list[LinkLine] = []
    remove_links: list[LinkLine] = []

    @property
    def names_ids(self) -> bool:
        """Whether a rule is named by its id, so that `edit` needs to know the rules."""
        return any(isinstance(line, str) for line in self.remove_rules)

    def edit(self, tenant: str, known: Iterable[Rule]) -> Edit:
        """The edit of `tenant`; ids are looked up among the `known` rules.

        Raises:
            InvalidEdit: a line is not valid, or an id names no known rule. Names the place.
        """
        ids = [line for line in self.remove_rules if isinstance(line, str)]
        named = dict(zip(ids, rules_named(ids, known, tenant), strict=True))
        return Edit(
            add_rules=_built("add_rules", self.add_rules, lambda line: line.rules(tenant)),
            remove_rules=_built(
                "remove_rules",
                self.remove_rules,
                lambda line: (named[line],) if isinstance(line, str) else line.rules(tenant),
            ),
            add_links=_built("add_links", self.add_links, lambda line: (line.link(tenant),)),
            remove_links=_built("remove_links", self.remove_links, lambda line: (line.link(tenant),)),
        )


def read_edit_file(path: Path) -> EditFile:
    """Parse a file.

    Raises:
        InvalidEdit: not readable, not YAML as a policy may use it, or not of the form above. Names file and place.
    """
    try:
        with path.open("rb") as file:
            content = load(file.read(SIZE_MAX + 1))
        return EditFile.model_validate({} if content is None else content)
    except OSError as cause:
        raise InvalidEdit(f"{path}: cannot be read ({cause.strerror or type(cause).__name__}).") from cause
    except InvalidYaml as cause:
        raise InvalidEdit(f"{path}: {cause}.") from cause
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"] if part not in WRITTEN_FORMS) or "the file"
        raise InvalidEdit(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}.") from cause


def rules_named(ids: Sequence[str], known: Iterable[Rule], tenant: str) -> list[Rule]:
    """The rule of each id, in the order given.

    Raises:
        InvalidEdit: an id names none of the `known` rules, or more than one.
    """
    found: defaultdict[str, list[Rule]] = defaultdict(list)
    if ids:
        for rule in known:
            found[rule_id(rule)].append(rule)
    for name in ids:
        if not found[name]:
            raise InvalidEdit(f"No rule of tenant {tenant!r} has the id {name!r}. `policy list` shows the ids.")
        if len(found[name]) > 1:
            raise InvalidEdit(f"The id {name!r} is that of several rules. Write the rule out in an edit file.")
    return [found[name][0] for name in ids]


def _built(place: str, lines: Iterable[_Line], build: Callable[[_Line], Iterable[_Built]]) -> tuple[_Built, ...]:
    def each() -> Iterator[_Built]:
        for number, line in enumerate(lines):
            try:
                yield from build(line)
            except InvalidRule as cause:
                raise InvalidEdit(f"{place}.{number}: {cause}.") from cause

    return tuple(each())
