"""Rules and role links as the columns of their tables, and back. Nothing is joined into text that is parsed again."""

from collections.abc import Mapping
from typing import Any

from policies.edits import Edit
from policies.rules import Effect, Level, RoleLink, Rule

_LINES = ("add_rules", "remove_rules", "add_links", "remove_links")


def rule_columns(rule: Rule) -> dict[str, Any]:
    return {
        "tenant": rule.tenant,
        "subject": rule.subject,
        "action": rule.action,
        "department": rule.department,
        "tags": ",".join(sorted(rule.tags)),
        "owner": rule.owner,
        "document": rule.document,
        "level": int(rule.level),
        "effect": rule.effect.value,
    }


def rule_of(columns: Mapping[Any, Any]) -> Rule:
    """The rule of a stored row.

    Raises:
        ValueError: it is not a valid rule; InvalidRule is one.
    """
    return Rule(
        subject=columns["subject"],
        tenant=columns["tenant"],
        action=columns["action"],
        department=columns["department"],
        tags=frozenset(columns["tags"].split(",")) if columns["tags"] else frozenset(),
        owner=columns["owner"],
        document=columns["document"],
        level=Level(columns["level"]),
        effect=Effect(columns["effect"]),
    )


def link_columns(link: RoleLink) -> dict[str, Any]:
    return {"tenant": link.tenant, "member": link.member, "parent": link.parent}


def link_of(columns: Mapping[Any, Any]) -> RoleLink:
    """The role link of a stored row. Raises as `rule_of`."""
    return RoleLink(columns["member"], columns["parent"], columns["tenant"])


def edit_as_json(edit: Edit) -> dict[str, Any]:
    return {
        "add_rules": [rule_columns(rule) for rule in edit.add_rules],
        "remove_rules": [rule_columns(rule) for rule in edit.remove_rules],
        "add_links": [link_columns(link) for link in edit.add_links],
        "remove_links": [link_columns(link) for link in edit.remove_links],
    }


def edit_from_json(stored: Any) -> Edit:
    """The reverse of `edit_as_json`.

    Raises:
        ValueError: it is not a stored edit.
    """
    try:
        add_rules, remove_rules, add_links, remove_links = (stored[name] for name in _LINES)
        return Edit(
            add_rules=tuple(rule_of(columns) for columns in add_rules),
            remove_rules=tuple(rule_of(columns) for columns in remove_rules),
            add_links=tuple(link_of(columns) for columns in add_links),
            remove_links=tuple(link_of(columns) for columns in remove_links),
        )
    except (KeyError, TypeError, AttributeError) as cause:
        raise ValueError("not a stored edit") from cause
