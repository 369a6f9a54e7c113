"""Random policies with documents and callers, biased so that the answers are neither all yes nor all no.

Few names are drawn from, so that rules, links, shares and owners keep meeting each other. A chain of ten role
links, with rules on its last two roles, stands in every third world: Casbin follows nine.
"""

import itertools
from dataclasses import dataclass, replace

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


def _mostly(usual: st.SearchStrategy[str], rare: st.SearchStrategy[str], *, of_ten: int) -> st.SearchStrategy[str]:
    return st.integers(1, 10).flatmap(lambda n: usual if n <= of_ten else rare)


def _subset(names: tuple[str, ...], *, at_most: int) -> st.SearchStrategy[frozenset[str]]:
    return st.integers(0, 3).flatmap(
        lambda n: st.frozensets(st.sampled_from(names), max_size=at_most) if n == 0 else st.just(frozenset())
    )


_tenant = _mostly(st.just(HOME), st.just(ELSEWHERE), of_ten=9)
_allow_level = st.sampled_from([*Level, Level.SECRET, Level.RESTRICTED, Level.CONFIDENTIAL])


@st.composite
def rules(draw: st.DrawFn, effect: Effect | None = None, subjects: tuple[str, ...] = _ORDER[:-2]) -> Rule:
    chosen = effect or draw(st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.DENY]))
    # A denial that covers everything would leave nothing to decide.
    narrow = 4 if chosen is Effect.DENY else 6
    return Rule(
        subject=draw(st.sampled_from(subjects)),
        tenant=draw(_tenant),
        action=draw(_mostly(st.just(ACTION), st.just("delete"), of_ten=9)),
        department=draw(_mostly(st.just(ANY), st.sampled_from(DEPARTMENTS), of_ten=narrow)),
        tags=draw(_subset(TAGS, at_most=2)),
        owner=draw(_mostly(st.just(ANY), st.just(SELF), of_ten=8)),
        document=draw(_mostly(st.just(ANY), st.sampled_from([SHARED, SHARED, *DOCUMENTS]), of_ten=narrow)),
        level=Level.SECRET if chosen is Effect.DENY else draw(_allow_level),
        effect=chosen,
    )


@st.composite
def _wide_rules(draw: st.DrawFn, subjects: tuple[str, ...], effects: tuple[Effect, ...]) -> Rule:
    """Rules with few restrictions: they are what lets a world have readers at all."""
    effect = draw(st.sampled_from(effects))
    return Rule(
        subject=draw(st.sampled_from(subjects)),
        tenant=HOME,
        action=ACTION,
        document=draw(_mostly(st.just(ANY), st.just(SHARED), of_ten=8)),
        level=Level.SECRET if effect is Effect.DENY else draw(_allow_level),
        effect=effect,
    )


@st.composite
def documents(draw: st.DrawFn, name: str) -> Attributes:
    return Attributes(
        tenant=draw(_mostly(st.just(HOME), st.just(ELSEWHERE), of_ten=9)),
        document=name,
        department=draw(st.sampled_from(DEPARTMENTS)),
        level=draw(st.sampled_from(Level)),
        tags=draw(st.frozensets(st.sampled_from(TAGS))),
        owner=draw(st.sampled_from(["", *PEOPLE, PEOPLE[0]])),
        shares=draw(st.frozensets(st.sampled_from([*PEOPLE, *GROUPS, *ROLES, *CHAIN[8:]]), max_size=2)),
        denied_shares=draw(st.frozensets(st.sampled_from([*PEOPLE, *GROUPS, *ROLES, *CHAIN[8:]]), max_size=1)),
        compartments=draw(_subset(COMPARTMENTS, at_most=2)),
    )


@st.composite
def _callers(draw: st.DrawFn) -> tuple[Caller, ...]:
    groups = draw(_subset(GROUPS, at_most=2))
    person = Caller(HOME, draw(st.sampled_from([PEOPLE[0], PEOPLE[0], PEOPLE[1]])), groups)
    return (person, Caller(HOME, ASSISTANT)) if draw(st.integers(0, 4)) > 3 else (person,)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    pairs = draw(st.lists(st.sampled_from(_PAIRS), min_size=2, max_size=10, unique=True))
    links = [RoleLink(member, parent, draw(_tenant)) for member, parent in pairs]
    found = draw(st.lists(rules(), min_size=2, max_size=8))
    found += draw(st.lists(_wide_rules((*PEOPLE, *GROUPS), (Effect.ALLOW,)), max_size=2))
    callers = draw(_callers())
    if len(callers) > 1:
        found.append(draw(_wide_rules((ASSISTANT,), (Effect.ALLOW,))))
    if draw(st.integers(0, 2)) == 0:
        chain = (PEOPLE[0], *CHAIN)
        links += [RoleLink(member, parent, HOME) for member, parent in itertools.pairwise(chain)]
        found += draw(st.lists(_wide_rules(CHAIN[8:], tuple(Effect)), min_size=1, max_size=2))
    return World(
        rules=tuple(found),
        links=tuple(links),
        documents=tuple(draw(documents(name)) for name in DOCUMENTS),
        callers=callers,
    )
