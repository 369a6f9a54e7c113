"""Random policies with documents and callers, biased so that the answers are neither all yes nor all no.

Few names are drawn from, so that rules, links, shares and owners keep meeting each other. A chain of ten role
links, with rules on its last two roles, stands in every third world: Casbin follows nine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from hypothesis import strategies as st

from policies.rules import ANY, SELF, SHARED, Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot

HOME, ELSEWHERE = "home", "elsewhere"
PEOPLE = ("user:ann", "user:ben")
ASSISTANT = "assistant:desk"
GROUPS = ("group:g1", "group:g2")
ROLES = ("role:r1", "role:r2")
CHAIN = tuple(f"role:chain{n}" for n in range(1, 11))
COMPARTMENTS = ("compartment:north", "compartment:south")
DEPARTMENTS = ("hr", "it", "law")
TAGS = ("eu", "draft")
DOCUMENTS = ("d1", "d2", "d3", "d4", "d5", "d6")
ACTION = "read"

# Links lead from an earlier name to a later one, so a world never holds a circle.
_ORDER = (*PEOPLE, ASSISTANT, *GROUPS, *ROLES, *COMPARTMENTS)
_PAIRS = [
    (member, parent)
    for index, member in enumerate(_ORDER[:-2])
    for parent in _ORDER[index + 1 :]
    if parent not in PEOPLE and parent != ASSISTANT
]


@dataclass(frozen=True)
class World:
    """A policy of several tenants, documents, and who asks."""

    rules: tuple[Rule, ...]
    links: tuple[RoleLink, ...]
    documents: tuple[Attributes, ...]
    callers: tuple[Caller, ...]

    @property
    def snapshot(self) -> Snapshot:
        """What the home tenant's policy is, without the other tenants' rules."""
        rules = tuple(rule for rule in self.rules if rule.tenant == HOME)
        return Snapshot(HOME, 1, rules, tuple(link for link in self.links if link.tenant == HOME))

    def with_rules(self, *rules: Rule) -> "World":
        return replace(self, rules=(*self.rules, *rules))


def _subsets(names: Sequence[str], *, empty: int) -> st.SearchStrategy[frozenset[str]]:
    """Subsets of at most two names; the empty one stands in the hat `empty` times."""
    some = [frozenset(chosen) for size in (1, 2) for chosen in combinations(names, size)]
    return st.sampled_from([frozenset[str]()] * empty + some)


# Everything is drawn from a hat in which the usual values lie several times: one draw each, which keeps the
# generation of a world far cheaper than its decisions.
_tenant = st.sampled_from([HOME] * 9 + [ELSEWHERE])
_action = st.sampled_from([ACTION] * 9 + ["delete"])
_department = st.sampled_from([ANY] * 4 + [*DEPARTMENTS])
_document = st.sampled_from([ANY] * 12 + [SHARED] * 3 + [*DOCUMENTS])
_owner = st.sampled_from([ANY] * 4 + [SELF])
_required_tags = _subsets(TAGS, empty=5)
_allow_level = st.sampled_from([*Level, Level.SECRET, Level.RESTRICTED, Level.CONFIDENTIAL])
_effect = st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.DENY])
_sharers = (*PEOPLE, *GROUPS, *ROLES, *CHAIN[8:])
_groups = _subsets(GROUPS, empty=5)
_pairs = st.lists(st.sampled_from(_PAIRS), min_size=2, max_size=10, unique=True)
_one_in_three = st.sampled_from([True, False, False])
_one_in_five = st.sampled_from([True, False, False, False, False])


def _rule(  # one parameter per column
    subject: str,
    tenant: str,
    action: str,
    department: str,
    tags: frozenset[str],
    owner: str,
    document: str,
    level: Level,
    effect: Effect,
) -> Rule:
    covered = Level.SECRET if effect is Effect.DENY else level
    return Rule(subject, tenant, action, department, tags, owner, document, covered, effect)


def rules(effect: Effect | None = None) -> st.SearchStrategy[Rule]:
    return st.builds(
        _rule,
        st.sampled_from(_ORDER[:-2]),
        _tenant,
        _action,
        _department,
        _required_tags,
        _owner,
        _document,
        _allow_level,
        _effect if effect is None else st.just(effect),
    )


def _wide_rules(subjects: Sequence[str], effects: Sequence[Effect]) -> st.SearchStrategy[Rule]:
    """Rules with few restrictions: they are what lets a world have readers at all."""
    return st.builds(
        _rule,
        st.sampled_from(subjects),
        st.just(HOME),
        st.just(ACTION),
        st.just(ANY),
        st.just(frozenset[str]()),
        st.just(ANY),
        st.sampled_from([ANY] * 4 + [SHARED]),
        _allow_level,
        st.sampled_from(effects),
    )


def _documents(name: str) -> st.SearchStrategy[Attributes]:
    return st.builds(
        Attributes,
        tenant=_tenant,
        document=st.just(name),
        department=st.sampled_from(DEPARTMENTS),
        level=st.sampled_from(Level),
        tags=_subsets(TAGS, empty=1),
        owner=st.sampled_from(["", *PEOPLE, PEOPLE[0]]),
        shares=_subsets(_sharers, empty=12),
        denied_shares=st.sampled_from([frozenset[str]()] * 8 + [frozenset({name}) for name in _sharers]),
        compartments=_subsets(COMPARTMENTS, empty=6),
    )


_any_rules = st.lists(rules(), min_size=2, max_size=8)
_rules_of_people = st.lists(_wide_rules((*PEOPLE, *GROUPS), [Effect.ALLOW]), max_size=2)
_rules_of_the_assistant = _wide_rules([ASSISTANT], [Effect.ALLOW])
_rules_of_the_chain = st.lists(_wide_rules(CHAIN[8:], list(Effect)), min_size=1, max_size=2)
_all_documents = st.tuples(*(_documents(name) for name in DOCUMENTS))
_person = st.builds(Caller, st.just(HOME), st.sampled_from([PEOPLE[0], PEOPLE[0], PEOPLE[1]]), _groups)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    links = [RoleLink(member, parent, draw(_tenant)) for member, parent in draw(_pairs)]
    found = draw(_any_rules) + draw(_rules_of_people)
    callers = [draw(_person)]
    if draw(_one_in_five):
        callers.append(Caller(HOME, ASSISTANT))
        found.append(draw(_rules_of_the_assistant))
    if draw(_one_in_three):
        links += [RoleLink(member, parent, HOME) for member, parent in pairwise((PEOPLE[0], *CHAIN))]
        found += draw(_rules_of_the_chain)
    return World(tuple(found), tuple(links), draw(_all_documents), tuple(callers))
