"""Edits of a policy, and what an edit must not do to it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from policies.rules import ROLE_DEPTH_MAX, RoleLink, Rule, plain_name
from policies.wording import describe

_Line = TypeVar("_Line", Rule, RoleLink)


class PolicyError(Exception):
    """The root of what can go wrong with a stored policy. `code` is stable; doors map it to their own answers."""

    code = "policy_error"


class InvalidEdit(PolicyError):
    """An edit that cannot be applied to this policy, whoever tries and whenever."""

    code = "invalid_edit"


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines to add and lines to remove, applied together or not at all."""

    add_rules: tuple[Rule, ...] = ()
    remove_rules: tuple[Rule, ...] = ()
    add_links: tuple[RoleLink, ...] = ()
    remove_links: tuple[RoleLink, ...] = ()

    @property
    def empty(self) -> bool:
        return self == Edit()


def require_tenant(edit: Edit, tenant: str) -> None:
    """Raises InvalidEdit unless every line of the edit belongs to `tenant`."""
    plain_name(tenant, "tenant")
    tenants = {rule.tenant for rule in (*edit.add_rules, *edit.remove_rules)}
    tenants |= {link.tenant for link in (*edit.add_links, *edit.remove_links)}
    for other in sorted(tenants - {tenant}):
        raise InvalidEdit(f"An edit of tenant {tenant!r} holds a line of tenant {other!r}.")


def require_applicable(edit: Edit, rules: Collection[Rule], links: Collection[RoleLink]) -> None:
    """Check that the edit fits a policy of these rules and links, and leaves sound links behind.

    Raises:
        InvalidEdit: the edit is empty, names a line twice, adds what is there or removes what is not, or
            `require_sound_links` refuses the result.
    """
    if edit.empty:
        raise InvalidEdit("The edit adds nothing and removes nothing.")
    _require_fitting(edit.add_rules, edit.remove_rules, rules, describe)
    _require_fitting(edit.add_links, edit.remove_links, links, _describe_link)
    require_sound_links([*(set(links) - set(edit.remove_links)), *edit.add_links])


def require_sound_links(links: Collection[RoleLink]) -> None:
    """Check that the links form no circle and that Casbin follows every chain to its end.

    A group counts one link more, because an identity token may put a person below it.

    Raises:
        InvalidEdit: names the members of the circle, or the chain's lower end.
    """
    parents: dict[str, set[str]] = {}
    for link in links:
        parents.setdefault(link.member, set()).add(link.parent)
    try:
        top_down = list(TopologicalSorter(parents).static_order())
    except CycleError as circle:
        names = " -> ".join(reversed(circle.args[1]))
        raise InvalidEdit(f"The role links form a circle: {names}. Remove one of them.") from None
    height: dict[str, int] = {}
    for name in top_down:
        height[name] = max((height[parent] + 1 for parent in parents.get(name, ())), default=0)
        if height[name] + name.startswith("group:") > ROLE_DEPTH_MAX:
            raise InvalidEdit(
                f"{name!r} stands below a chain of {height[name]} role links; at most {ROLE_DEPTH_MAX} are "
                "followed, one fewer below a group, whose members an identity token may name."
            )


def _require_fitting(
    add: Sequence[_Line], remove: Sequence[_Line], stored: Collection[_Line], name: Callable[[_Line], str]
) -> None:
    present, wanted, unwanted = set(stored), set(add), set(remove)
    if len(wanted) != len(add) or len(unwanted) != len(remove) or wanted & unwanted:
        raise InvalidEdit("The edit names the same line twice.")
    for line in add:
        if line in present:
            raise InvalidEdit(f"This line is already part of the policy: {name(line)}.")
    for line in remove:
        if line not in present:
            raise InvalidEdit(f"This line is not part of the policy, so it cannot be removed: {name(line)}.")


def _describe_link(link: RoleLink) -> str:
    return f"{link.member} is in {link.parent}"
