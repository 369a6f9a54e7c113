"""Random policies with documents and callers, biased so that the answers are neither all yes nor all no.

Few names are drawn from, so that rules, links, shares and owners keep meeting each other. Among them are the
ones that confuse: departments that differ in case or look like code, a role with a person's name, tags that
look like the matcher's text. A chain of ten role links, with rules on its last two roles, stands in every third
policy: Casbin follows nine.

Whoever gives the `Random` decides about the rest: a seeded one for the long runs, Hypothesis' own for the laws.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from random import Random

from policies.rules import ANY, SELF, SHARED, Attributes, Caller, Effect, Level, RoleLink, Rule
from policies.snapshot import Snapshot

HOME, ELSEWHERE = "home", "elsewhere"
EPOCH = 2
PEOPLE = ("user:ann", "user:ben")
ASSISTANT = "assistant:desk"
GROUPS = ("group:g1", "group:G1")
ROLES = ("role:ann", "role:r1")
CHAIN = tuple(f"role:chain{n}" for n in range(1, 11))
COMPARTMENTS = ("compartment:north", "compartment:south")
DEPARTMENTS = ("hr", "HR", "p.dept")
TAGS = ("eu", "r.y")
DOCUMENTS = ("d1", "d2", "d3", "d4", "d5", "d6")
"""The documents that rules name."""
ACTION = "read"

# Links lead from an earlier name to a later one, so a policy never holds a circle.
_ORDER = (*PEOPLE, ASSISTANT, *GROUPS, *ROLES, *COMPARTMENTS)
_SUBJECTS = _ORDER[:-2]
_PAIRS = [
    (member, parent)
    for index, member in enumerate(_SUBJECTS)
    for parent in _ORDER[index + 1 :]
    if parent not in PEOPLE and parent != ASSISTANT
]


@dataclass(frozen=True, slots=True)
class World:
    """A policy of several tenants, documents, and who asks."""

    rules: tuple[Rule, ...]
    links: tuple[RoleLink, ...]
    documents: tuple[Attributes, ...]
    callers: tuple[Caller, ...]

    @property
    def snapshot(self) -> Snapshot:
        """The home tenant's policy alone. A new one at each call, so nothing is remembered between candidates."""
        rules = tuple(rule for rule in self.rules if rule.tenant == HOME)
        return Snapshot(HOME, EPOCH, rules, tuple(link for link in self.links if link.tenant == HOME))

    def with_rules(self, *rules: Rule) -> "World":
        return replace(self, rules=(*self.rules, *rules))


def _subsets(names: Sequence[str], *, empty: int) -> list[frozenset[str]]:
    """Subsets of at most two names; the empty one lies in the hat `empty` times."""
    some = [frozenset(chosen) for size in (1, 2) for chosen in combinations(names, size)]
    return [frozenset[str]()] * empty + some


# Everything is drawn from a hat in which the usual values lie several times: one draw each, which keeps making a
# world far cheaper than deciding about it.
_TENANT = [HOME] * 9 + [ELSEWHERE]
_ACTION = [ACTION] * 9 + ["delete"]
_DEPARTMENT = [ANY] * 4 + [*DEPARTMENTS]
_DOCUMENT = [ANY] * 12 + [SHARED] * 3 + [*DOCUMENTS]
_OWNER = [ANY] * 4 + [SELF]
_REQUIRED_TAGS = _subsets(TAGS, empty=5)
_ALLOWED_LEVEL = [*Level, Level.SECRET, Level.RESTRICTED, Level.CONFIDENTIAL]
_EFFECT = [Effect.ALLOW, Effect.ALLOW, Effect.DENY]
_SHARERS = (*PEOPLE, *GROUPS, *ROLES, *CHAIN[8:])
_SHARES = _subsets(_SHARERS, empty=12)
_DENIED_SHARES = [frozenset[str]()] * 8 + [frozenset({name}) for name in _SHARERS]
_WALLS = _subsets(COMPARTMENTS, empty=6)
_TAGS = _subsets(TAGS, empty=1)
_OWNERS = ["", *PEOPLE, PEOPLE[0]]
_VOUCHED = _subsets(GROUPS, empty=5)
_ASKING = [PEOPLE[0], PEOPLE[0], PEOPLE[1]]


def world(random: Random) -> World:
    """A policy and six documents, all of which it may name."""
    documents = tuple(document(random, name) for name in DOCUMENTS)
    return policy(random, documents)


def policy(random: Random, documents: tuple[Attributes, ...]) -> World:
    """A policy about given documents, and who asks."""
    links = [RoleLink(*pair, random.choice(_TENANT)) for pair in _sample(random, _PAIRS, 2, 10)]
    found = [rule(random) for _ in range(random.randint(2, 12))]
    wide_subjects = (*PEOPLE, *GROUPS)
    found += [_wide_rule(random, wide_subjects, [Effect.ALLOW]) for _ in range(random.randint(0, 2))]
    callers = [Caller(HOME, random.choice(_ASKING), random.choice(_VOUCHED))]
    if random.randint(1, 5) == 5:
        callers.append(Caller(HOME, ASSISTANT))
        found.append(_wide_rule(random, [ASSISTANT], [Effect.ALLOW]))
    if random.randint(1, 3) == 3:
        links += [RoleLink(member, parent, HOME) for member, parent in pairwise((PEOPLE[0], *CHAIN))]
        found += [_wide_rule(random, CHAIN[8:], list(Effect)) for _ in range(random.randint(1, 2))]
    return World(tuple(found), tuple(links), documents, tuple(callers))


def rule(random: Random, effect: Effect | None = None) -> Rule:
    drawn = random.choice(_EFFECT) if effect is None else effect
    allowed_level = random.choice(_ALLOWED_LEVEL)
    return Rule(
        subject=random.choice(_SUBJECTS),
        tenant=random.choice(_TENANT),
        action=random.choice(_ACTION),
        department=random.choice(_DEPARTMENT),
        tags=random.choice(_REQUIRED_TAGS),
        owner=random.choice(_OWNER),
        document=random.choice(_DOCUMENT),
        level=Level.SECRET if drawn is Effect.DENY else allowed_level,
        effect=drawn,
    )


def document(random: Random, name: str) -> Attributes:
    return Attributes(
        tenant=random.choice(_TENANT),
        document=name,
        department=random.choice(DEPARTMENTS),
        level=random.choice(list(Level)),
        tags=random.choice(_TAGS),
        owner=random.choice(_OWNERS),
        shares=random.choice(_SHARES),
        denied_shares=random.choice(_DENIED_SHARES),
        compartments=random.choice(_WALLS),
    )


def corpus(random: Random, size: int) -> tuple[Attributes, ...]:
    """`size` documents, the first of which rules may name; most share their labels with some others, as in life."""
    labels = [document(random, "labels") for _ in range(max(1, size // 3))]
    named = [document(random, name) for name in DOCUMENTS[:size]]
    return (*named, *(replace(random.choice(labels), document=f"e{n}") for n in range(size - len(named))))


def _wide_rule(random: Random, subjects: Sequence[str], effects: Sequence[Effect]) -> Rule:
    """A rule with few restrictions: these are what lets a policy have readers at all."""
    effect = random.choice(effects)
    level = random.choice(_ALLOWED_LEVEL)
    return Rule(
        subject=random.choice(subjects),
        tenant=HOME,
        action=ACTION,
        document=random.choice([ANY] * 4 + [SHARED]),
        level=Level.SECRET if effect is Effect.DENY else level,
        effect=effect,
    )


def _sample(random: Random, hat: Sequence[tuple[str, str]], least: int, most: int) -> list[tuple[str, str]]:
    return random.sample(hat, random.randint(least, most))
