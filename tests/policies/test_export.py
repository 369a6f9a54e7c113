"""A policy written as a file comes back exactly, reads well, and is the same text for the same policy."""

from random import Random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policies.edits import InvalidEdit, require_sound_links
from policies.files.cases import read_policy_text
from policies.files.export import export_policy
from policies.rules import ANY, PLAIN_ACTIONS, SELF, SHARED, Effect, InvalidRule, Level, RoleLink, Rule

# Names that one version of YAML or another reads as something else than text.
TRAPS = [
    *("yes", "no", "No", "ON", "off", "y", "N", "true", "False", "null", "NULL", "1e3", "1E3", "0x1F", "0o17", "012"),
    *("2026-01-01", "123", "1.5", "1_000", "1+1", "4-", "a-", "self", "x.y/z@w+v"),
]
NAMES = st.sampled_from(TRAPS) | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@+/-]{0,6}", fullmatch=True)
TAGS = st.sampled_from([*TRAPS, "1:30", "a:", "a:b", "1:", "a::"]) | st.from_regex(
    r"[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,6}", fullmatch=True
)
ENTITIES = st.sampled_from(["unmask:PERSON", "unmask:NO", "unmask:E1"])


def named(*kinds: str) -> st.SearchStrategy[str]:
    return st.builds("{}:{}".format, st.sampled_from(kinds), NAMES)


def _rule(effect: Effect, level: Level, **columns: object) -> Rule:
    return Rule(tenant="t", effect=effect, level=level if effect is Effect.ALLOW else Level.SECRET, **columns)  # type: ignore[arg-type] # columns by name


RULES = st.builds(
    _rule,
    subject=named("user", "group", "role", "assistant"),
    action=st.sampled_from(PLAIN_ACTIONS) | ENTITIES,
    department=st.just(ANY) | NAMES,
    tags=st.frozensets(TAGS.filter(lambda tag: "+" not in tag), max_size=3),  # tags know no plus
    owner=st.sampled_from([ANY, SELF]),
    document=st.sampled_from([ANY, SHARED]) | NAMES,
    level=st.sampled_from(Level),
    effect=st.sampled_from(Effect),
)


def _sound(links: list[RoleLink]) -> bool:
    try:
        require_sound_links(links)
    except InvalidEdit:
        return False
    return True


LINKS = st.lists(
    st.tuples(named("user", "group", "role", "assistant"), named("group", "role", "compartment"))
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: RoleLink(*pair, "t")),
    max_size=5,
).filter(_sound)


@given(rules=st.lists(RULES, max_size=8), links=LINKS, shuffle=st.integers())
def test_what_is_exported_comes_back_exactly_and_equal_policies_give_equal_bytes(
    rules: list[Rule], links: list[RoleLink], shuffle: int
) -> None:
    text = export_policy(rules, links, tenant="t", epoch=3)
    file = read_policy_text(text, "export")
    assert (len(file.rules_in("t")), set(file.rules_in("t"))) == (len(set(rules)), set(rules))
    assert (len(file.links_in("t")), set(file.links_in("t"))) == (len(set(links)), set(links))
    again, links_again = [*file.rules_in("t"), *rules], [*links, *file.links_in("t")]
    Random(shuffle).shuffle(again)
    Random(shuffle).shuffle(links_again)
    assert export_policy(again, links_again, tenant="t", epoch=3) == text
    assert text.isascii()
    assert yaml.safe_load(text)["rules"] == yaml.load(text, yaml.BaseLoader)["rules"], "all of it is text"  # noqa: S506


def test_an_export_reads_well() -> None:
    """Grouped by subject, defaults left out, quotes only where they are needed."""
    eu, x, hr = frozenset({"region:eu"}), frozenset({"no", "x"}), {"department": "hr", "level": Level.INTERNAL}
    rules = [
        Rule("role:r", "t", "read", effect=Effect.DENY, tags=x),
        Rule("role:r", "t", "unmask:PERSON", **hr),  # type: ignore[arg-type] # columns by name
        Rule("role:r", "t", "read", **hr),  # type: ignore[arg-type] # columns by name
        Rule("role:r", "t", "read", tags=eu, owner=SELF),
        Rule("group:g", "t", "administer"),
        Rule("group:g", "t", "read", document=SHARED, level=Level.PUBLIC),
        Rule("group:g", "t", "delete"),
    ]
    links = [RoleLink("user:1e3", "role:r", "t"), RoleLink("group:g", "compartment:north", "t")]
    assert export_policy(rules, links, tenant="t", epoch=12) == (
        "# Policy of tenant t at version 12.\n"
        "\n"
        "rules:\n"
        '  - {subject: group:g, action: read, document: "@shared", level: public}\n'
        "  - {subject: group:g, action: [delete, administer]}\n"
        "\n"
        "  - {subject: role:r, action: read, tags: [region:eu], owner: self}\n"
        "  - {subject: role:r, action: [read, unmask:PERSON], department: hr, level: internal}\n"
        '  - {subject: role:r, action: read, tags: ["no", x], effect: deny}\n'
        "\n"
        "links:\n"
        "  - {member: group:g, parent: compartment:north}\n"
        "  - {member: user:1e3, parent: role:r}\n"
    )


def test_an_empty_policy_is_a_file_too() -> None:
    assert export_policy([], []) == "rules: []\n\nlinks: []\n"
    assert read_policy_text(export_policy([], []), "export").rules_in("t") == ()


@pytest.mark.parametrize("tenant", ["other", "t\n- x", ""])
def test_lines_of_another_tenant_are_not_written(tenant: str) -> None:
    with pytest.raises(InvalidRule):
        export_policy([Rule("role:r", "t", "read")], [], tenant=tenant)
    with pytest.raises(InvalidRule, match="one tenant"):
        export_policy([Rule("role:r", "t", "read")], [RoleLink("user:a", "role:r", "other")])


def test_lines_of_the_tenant_are_written() -> None:
    assert export_policy([Rule("role:r", "t", "read")], [], tenant="t").startswith("# Policy of tenant t.\n")
