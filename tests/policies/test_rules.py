"""What may be written into a policy. Whatever is refused here never reaches Casbin or an index."""

import pytest

from policies.rules import Attributes, Caller, Effect, InvalidRule, Level, RoleLink, Rule, Tightening, action_name

HOSTILE = [
    "",
    "ann",
    "user:",
    "user:ann, t2, *(",
    "user:ann\n",
    "user:ann'; drop table policy_rule",
    "user:R&&D",
    "user:eng!",
    "user:(ann)",
    "user:*",
    "user:ánn",
    "user:" + "a" * 129,
    "admin:ann",
    "compartment:north",
    "user :ann",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_subject_is_refused_wherever_it_is_written(name: str) -> None:
    """Commas, brackets and operators once shifted columns or were rewritten inside Casbin's expressions."""
    with pytest.raises(InvalidRule):
        Rule(name, "t", "read")
    with pytest.raises(InvalidRule):
        RoleLink(name, "role:r", "t")
    with pytest.raises(InvalidRule):
        Caller("t", name)
    with pytest.raises(InvalidRule):
        Attributes("t", "d", "hr", Level.PUBLIC, shares=frozenset({name}))


@pytest.mark.parametrize("name", ["user:ann", "user:Ann.Lee+x@example.org", "user:r.y", "user:7"])
def test_an_ordinary_subject_is_accepted_wherever_it_is_written(name: str) -> None:
    assert Rule(name, "t", "read").subject == name
    assert RoleLink(name, "role:r", "t").member == name
    assert Caller("t", name).subject == name
    assert Attributes("t", "d", "hr", Level.PUBLIC, shares=frozenset({name})).shares == {name}


@pytest.mark.parametrize("column", ["tenant", "department", "document"])
@pytest.mark.parametrize("value", ["", "a,b", "a b", "*(", "R&&D", "@other", "a\x00", "'x'"])
def test_a_hostile_column_is_refused(column: str, value: str) -> None:
    with pytest.raises(InvalidRule):
        Rule(**{"subject": "role:r", "tenant": "t", "action": "read", column: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", ["", "a,b", "R&&D", "eng!", "x y", "a" * 129])
def test_a_hostile_tag_is_refused(tag: str) -> None:
    with pytest.raises(InvalidRule):
        Rule("role:r", "t", "read", tags=frozenset({tag}))


def test_a_tag_with_a_namespace_is_accepted() -> None:
    assert Rule("role:r", "t", "read", tags=frozenset({"region:eu"})).tags == {"region:eu"}


@pytest.mark.parametrize("action", ["READ", "write", "unmask", "unmask:", "unmask:person", "read,delete"])
def test_an_unknown_action_is_refused(action: str) -> None:
    with pytest.raises(InvalidRule):
        Rule("role:r", "t", action)


def test_every_plain_action_and_unmasking_is_accepted() -> None:
    for action in ("read", "ingest", "delete", "relabel", "administer", "unmask:EMAIL_ADDRESS"):
        assert action_name(action) == action


@pytest.mark.parametrize("effect", ["Deny", "DENY", "", "forbid"])
def test_an_unknown_effect_is_refused(effect: str) -> None:
    """Casbin ignores effects that it does not know: a denial spelled wrongly would not deny."""
    with pytest.raises(ValueError, match="not a valid Effect"):
        Rule("role:r", "t", "read", effect=effect)  # type: ignore[arg-type]


def test_a_denial_up_to_a_level_is_refused() -> None:
    """A paragraph classified higher than its document would be open where the document is closed."""
    with pytest.raises(InvalidRule, match="every level"):
        Rule("role:r", "t", "read", level=Level.INTERNAL, effect=Effect.DENY)


def test_a_denial_of_every_level_is_accepted() -> None:
    assert Rule("role:r", "t", "read", effect=Effect.DENY).level is Level.SECRET


@pytest.mark.parametrize("parent", ["user:ben", "assistant:desk"])
def test_nobody_can_be_linked_to_a_person_or_program(parent: str) -> None:
    with pytest.raises(InvalidRule):
        RoleLink("user:ann", parent, "t")


@pytest.mark.parametrize("parent", ["group:g", "role:r", "compartment:north"])
def test_a_person_can_be_linked_to(parent: str) -> None:
    assert RoleLink("user:ann", parent, "t").parent == parent


@pytest.mark.parametrize(("text", "level"), [("2", Level.CONFIDENTIAL), ("Secret", Level.SECRET), (0, Level.PUBLIC)])
def test_a_level_is_read_as_number_or_name(text: str | int, level: Level) -> None:
    assert Level.parse(text) is level


@pytest.mark.parametrize("text", ["5", "-1", "top", "", True, "²"])
def test_an_unknown_level_is_refused(text: str | int) -> None:
    with pytest.raises(InvalidRule):
        Level.parse(text)


def test_tightening_adds_walls_and_never_takes_any_away() -> None:
    document = Attributes("t", "d", "hr", Level.RESTRICTED, compartments=frozenset({"compartment:a"}))
    inner = document.tightened(Tightening(Level.PUBLIC, frozenset({"compartment:b"}), frozenset({"user:ann"})))
    assert inner.level is Level.RESTRICTED
    assert inner.compartments == {"compartment:a", "compartment:b"}
    assert inner.denied_shares == {"user:ann"}
