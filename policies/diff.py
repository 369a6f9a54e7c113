"""Differences between policies, as edits: between two states, over a span of the history, and back again.

Edits made here are canonical: no line is named twice, and lines stand in a fixed order, so that equal differences
are equal edits. Nothing here decides whether an edit may be stored; `policies.edits` does.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import TypeVar

from policies.edits import Edit, InvalidEdit
from policies.rules import RoleLink, Rule
from policies.wording import columns

_Line = TypeVar("_Line", bound=Hashable)
_Step = tuple[Collection[_Line], Collection[_Line]]
"""Lines that one edit removes, and lines that it adds."""


def edit_between(
    old_rules: Collection[Rule],
    old_links: Collection[RoleLink],
    new_rules: Collection[Rule],
    new_links: Collection[RoleLink],
) -> Edit:
    """The edit that turns the old policy into the new one; empty when they are the same."""
    return _canonical(
        add_rules=set(new_rules) - set(old_rules),
        remove_rules=set(old_rules) - set(new_rules),
        add_links=set(new_links) - set(old_links),
        remove_links=set(old_links) - set(new_links),
    )


def net(edits: Sequence[Edit]) -> Edit:
    """What consecutive edits come to, oldest first: lines that went and came back, or came and went, drop out.

    Raises:
        InvalidEdit: the edits cannot have followed each other, as when a line is added twice in a row.
    """
    add_rules, remove_rules = _net_lines([(edit.remove_rules, edit.add_rules) for edit in edits])
    add_links, remove_links = _net_lines([(edit.remove_links, edit.add_links) for edit in edits])
    return _canonical(add_rules, remove_rules, add_links, remove_links)


def replay(
    edits: Iterable[Edit], rules: Iterable[Rule] = (), links: Iterable[RoleLink] = ()
) -> tuple[tuple[Rule, ...], tuple[RoleLink, ...]]:
    """The policy after these edits, oldest first, on top of the given lines; of nothing, the policy they built.

    Lines keep the order in which they were added.

    Raises:
        InvalidEdit: an edit adds a line that is there, or removes one that is not.
    """
    held_rules, held_links = dict.fromkeys(rules), dict.fromkeys(links)
    for edit in edits:
        _change(held_rules, edit.remove_rules, edit.add_rules)
        _change(held_links, edit.remove_links, edit.add_links)
    return tuple(held_rules), tuple(held_links)


def reverse(edit: Edit) -> Edit:
    """The edit that undoes `edit`."""
    return Edit(
        add_rules=edit.remove_rules,
        remove_rules=edit.add_rules,
        add_links=edit.remove_links,
        remove_links=edit.add_links,
    )


def _canonical(
    add_rules: Iterable[Rule],
    remove_rules: Iterable[Rule],
    add_links: Iterable[RoleLink],
    remove_links: Iterable[RoleLink],
) -> Edit:
    # Rules are not compared with `<`: their tags are sets, of which it orders only some.
    return Edit(
        add_rules=tuple(sorted(add_rules, key=columns)),
        remove_rules=tuple(sorted(remove_rules, key=columns)),
        add_links=tuple(sorted(add_links)),
        remove_links=tuple(sorted(remove_links)),
    )


def _net_lines(steps: Iterable[_Step[_Line]]) -> tuple[list[_Line], list[_Line]]:
    """The lines added and the lines removed over all steps. A line alternates, so its ends tell the whole."""
    first: dict[_Line, bool] = {}
    last: dict[_Line, bool] = {}
    for removed, added in steps:
        for lines, comes in ((removed, False), (added, True)):
            for line in lines:
                if last.get(line) is comes:
                    raise _inconsistent(line, comes)
                first.setdefault(line, comes)
                last[line] = comes
    settled = [line for line, came in first.items() if last[line] is came]
    return [line for line in settled if first[line]], [line for line in settled if not first[line]]


def _change(held: dict[_Line, None], removed: Iterable[_Line], added: Iterable[_Line]) -> None:
    for line in removed:
        if line not in held:
            raise _inconsistent(line, False)
        del held[line]
    for line in added:
        if line in held:
            raise _inconsistent(line, True)
        held[line] = None


def _inconsistent(line: object, comes: bool) -> InvalidEdit:
    does = "adds a line that is already there" if comes else "removes a line that is not there"
    return InvalidEdit(f"These edits do not follow each other: one {does}: {line}. Read the whole history again.")
