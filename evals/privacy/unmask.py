"""`ringfence eval privacy-unmask`: is any value given to somebody without the right to it?

On the sample company: every person asks for every token of every document, by the real path, and a second opinion
that reads the policy file says what she may get. Then on random policies, with documents, tokens and callers made by
a seed, where Casbin's stock enforcer is the second opinion. Too little is counted as well: an eval in which nobody
gets anything proves nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from evals.access import oracle as casbin_oracle
from evals.access import worlds
from evals.oracle import Labels, Oracle, read_oracle
from evals.questions import POLICY, TENANT
from evals.runner.report import Report
from evals.runner.values import Json
from policies.rules import ANY, Attributes, Level, Rule
from rag.db.documents import Documents
from rag.db.engine import Database
from rag.db.tables import ChunkRow, DocumentRow
from rag.domain import Principal, PrincipalSource
from rag.errors import NotFound
from rag.privacy.unmask import tokens_in
from rag.query.parts import QueryParts
from rag.query.reveal import Shown, permitted
from rag.query.unmasking import TOKENS_MAX, give_back

ENTITIES = ("PERSON", "EMAIL_ADDRESS", "SECRET")
SECRETS = "SECRET"
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EXAMPLES_MAX = 20
NARROW = 0.4
"""Share of the rules that keep their conditions: with more, hardly anything is ever given."""

Progress = Callable[[str], None]
Holders = Mapping[str, frozenset[Labels]]
"""By token, the labels of every place in one document where it stands."""


@dataclass(slots=True)
class Tally:
    """Decisions, and those in which the path and the second opinion differ."""

    decisions: int = 0
    given: int = 0
    over: list[str] = field(default_factory=list)
    under: list[str] = field(default_factory=list)

    def count(self, *, given: bool, right: bool, what: str) -> None:
        self.decisions += 1
        self.given += given
        if given and not right:
            self.over.append(what)
        if right and not given:
            self.under.append(what)


async def privacy_unmask(parts: QueryParts, *, cases: int, seed: int, talk: Progress) -> Report:
    """Both halves; `cases` is the number of random decisions."""
    company = await on_company(parts, read_oracle(POLICY), talk)
    talk(f"{cases} random cases ...")
    random = await on_random_policies(cases, seed)
    figures: dict[str, Json] = {}
    for name, tally in (("company", company), ("random", random)):
        figures |= {
            f"{name}_decisions": tally.decisions,
            f"{name}_values_given": tally.given,
            f"{name}_over_grants": len(tally.over),
            f"{name}_under_grants": len(tally.under),
            f"{name}_examples": [*tally.over[:EXAMPLES_MAX], *tally.under[:EXAMPLES_MAX]],
        }
    return Report("privacy-unmask", figures, (), {"cases": cases, "seed": seed})


async def on_company(parts: QueryParts, oracle: Oracle, talk: Progress) -> Tally:
    """Every person, document and kind: she asks for all tokens, and gets those she may."""
    held = await _tokens_of_company(parts.database)
    tally = Tally()
    for done, person in enumerate(oracle.people, start=1):
        talk(f"{done}/{len(oracle.people)} {person}")
        principal = Principal(TENANT, person, frozenset(), None, PrincipalSource.OPERATOR)
        for document, holders in held.items():
            given = await _asked(document, holders, principal, parts)
            for entity in sorted({_entity(token) for token in holders}):
                tokens = {token for token in holders if _entity(token) == entity}
                right = {token for token in tokens if _may(oracle, person, entity, holders[token])}
                what = f"{person} {document} {entity}"
                tally.count(given=bool(given & tokens), right=bool(right), what=what)
                if given & tokens - right:
                    tally.over.append(f"{what}: {len(given & tokens - right)}")
                if right - given:
                    tally.under.append(f"{what}: {len(right - given)}")
    return tally


def _may(oracle: Oracle, person: str, entity: str, places: Collection[Labels]) -> bool:
    needed = ("read", f"unmask:{entity}")
    return entity != SECRETS and any(all(oracle.may((person,), act, one) for act in needed) for one in places)


async def _asked(document: str, holders: Holders, principal: Principal, parts: QueryParts) -> set[str]:
    given: set[str] = set()
    for batch in _batches(sorted(holders)):
        try:
            given |= (await give_back(document, batch, principal, parts)).values.keys()
        except NotFound:
            continue
    return given


def _batches(tokens: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(tokens), TOKENS_MAX):
        yield tokens[start : start + TOKENS_MAX]


async def _tokens_of_company(database: Database) -> dict[str, Holders]:
    """By document, its tokens and where each stands, read from SQL."""
    found: dict[str, Holders] = {}
    async with database.reading() as session:
        documents = Documents(session)
        for row in await documents.of_tenant(TENANT):
            if row.current_version is None:
                continue
            version = await documents.load_version(TENANT, row.id, row.current_version)
            places: defaultdict[str, set[Labels]] = defaultdict(set)
            texts = [(row.title, _labels(row, None))]
            for chunk in await documents.chunks_of(TENANT, row.current_version):
                text = "" if version is None else version.text[chunk.start : chunk.end]
                texts.append((f"{chunk.heading}\n{text}", _labels(row, chunk)))
            for text, labels in texts:
                for token in tokens_in(text):
                    places[token.text].add(labels)
            found[row.id] = {token: frozenset(labels) for token, labels in places.items()}
    return found


def _labels(row: DocumentRow, chunk: ChunkRow | None) -> Labels:
    stricter = (chunk.level_at_least, chunk.more_denied_shares, chunk.more_compartments) if chunk else (0, [], [])
    return Labels(
        name=row.id,
        department=row.department,
        level=max(row.level, stricter[0]),
        tags=tuple(sorted(row.tags)),
        owner=row.owner,
        shares=tuple(sorted(row.shares)),
        denied_shares=tuple(sorted({*row.denied_shares, *stricter[1]})),
        compartments=tuple(sorted({*row.compartments, *stricter[2]})),
    )


def _entity(token: str) -> str:
    return tokens_in(token)[0].entity


async def on_random_policies(cases: int, seed: int) -> Tally:
    """Random policies that grant and deny unmasking, random texts, random callers: one case for each token."""
    random, tally = Random(seed), Tally()
    while tally.decisions < cases:
        world = worlds.world(random)
        world = replace(world, rules=tuple(one for rule in world.rules for one in _unmasking(random, rule)))
        oracle = casbin_oracle.Oracle(world.rules, world.links)
        shown = [Shown(f"chk_{n}", d.document, d, _text(random)) for n, d in enumerate(world.documents)]
        shown = random.sample(shown, random.randint(1, len(shown)))
        # Among them tokens that no shown text holds: made up by a generator, or typed by the caller.
        generated = [token for one in shown for token in tokens_in(one.text)] + tokens_in(_text(random))
        wanted = {token.text: token.entity for token in generated}
        permits = await permitted(wanted, shown, _principal(world), world.snapshot)
        for token, entity in wanted.items():
            places = [one.attributes for one in shown if token in one.text]
            right = entity != SECRETS and _any_allows(oracle, world, f"unmask:{entity}", places)
            tally.count(given=token in permits, right=right, what=f"seed {seed}, case {tally.decisions}, {entity}")
    return tally


def _any_allows(oracle: casbin_oracle.Oracle, world: worlds.World, action: str, places: list[Attributes]) -> bool:
    return any(oracle.allows(world.callers, action, one) for one in places)


def _unmasking(random: Random, rule: Rule) -> Iterator[Rule]:
    """A rule about reading becomes one about some kinds of values, most often; few stay as they are."""
    widened = rule if random.random() < NARROW else replace(rule, department=ANY, tags=frozenset(), level=Level.SECRET)
    kinds = random.sample(ENTITIES, random.choice((0, 1, 2, 2, 3)))
    yield from (replace(widened, action=f"unmask:{kind}") for kind in kinds)
    if not kinds:
        yield rule


def _text(random: Random) -> str:
    """Some tokens of few values, so that several texts hold the same one."""
    tokens = (f"<{random.choice(ENTITIES)}_{random.choice(DIGITS[:3]) * 16}>" for _ in range(random.randint(0, 4)))
    return " and ".join(tokens)


def _principal(world: worlds.World) -> Principal:
    person = world.callers[0]
    assistant = world.callers[1].subject if len(world.callers) > 1 else None
    return Principal(person.tenant, person.subject, person.groups, assistant, PrincipalSource.API_KEY)
