"""`ringfence eval leak --against live`: beside a service that serves now, with made-up people and documents.

clean what a killed run left -> journal -> people and keys -> canaries -> read them back in SQL, with the policy
-> everybody tries everything -> pairs -> before and after a revocation -> clean, whatever happened
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import httpx

from evals.live.canaries import Canary, canaries_of
from evals.live.cleaning import clean, left_behind
from evals.live.ground import Ground, Planted
from evals.live.journal import Journal, Journals, new_journal
from evals.live.labels import combinations, values_of
from evals.live.places import Place, places_of
from evals.live.planting import give_rights, plant, read_planted
from evals.live.rights import Lines, read_lines, tenants_with_policy
from evals.live.run import faults_noticed, measure
from evals.runner.entry import PlantIn, Talk
from evals.runner.report import Report
from evals.runner.values import Json
from ingestion.commands.ingesting import open_parts
from ingestion.commands.shared import opened
from ingestion.parts import IngestionParts
from policies.tenancy import every_tenant, within
from rag.db.engine import Database
from rag.db.folder import DataFolder
from rag.errors import Misuse, Unavailable
from rag.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. Without `url`, the service is the one that owns the data folder; without `tenants`, the
    people are made after the policies of all of them.
    """

    url: str | None
    tenants: tuple[str, ...]
    plant_in: PlantIn
    canaries: int
    people: int
    pairs: int
    faults: bool


def checked(wanted: Wanted) -> Wanted:
    """The same, if it makes sense.

    Raises:
        Misuse: existing tenants are to be planted in, and none is named.
    """
    if wanted.plant_in is PlantIn.ALL and not wanted.tenants:
        raise Misuse("--plant-in all plants in existing tenants: name each with --tenant.")
    return wanted


async def leak_live(wanted: Wanted, talk: Talk) -> Report:
    """Plant, measure, clean up.

    Raises:
        Misuse: no policy to make people after.
        Unavailable: no service answers at the URL, or not one of this data folder.
        Conflict: another run is at work.
    """
    settings = load_settings()
    journals = Journals(settings.data_dir)
    with journals.alone():
        url = _url(settings, wanted.url)
        await _require_service(url)
        async with open_parts(settings) as parts:
            await _clean_up_after_others(settings, parts.database, journals, talk)
            policies = await _policies(parts.database, wanted.tenants)
            lent = wanted.tenants if wanted.plant_in is PlantIn.ALL else ()
            journal = new_journal(len(policies) + 1, lent)
            journals.write(journal)
            try:
                report = await _run(wanted, settings, parts, journal, policies, url, talk)
            except (ExceptionGroup, httpx.HTTPError) as cause:
                raise _first(cause, url) from cause
            finally:
                talk("removing what was planted ...")
                kept = await clean(settings, parts.database, journals, journal)
            cleaned: dict[str, Json] = {
                "left_behind": await left_behind(parts.database, journal),
                "audit_records_kept": kept,
            }
    return replace(report, figures={**report.figures, **cleaned}, arguments={"against": "live", "url": None})


def _first(cause: Exception, url: str) -> Exception:
    """What went wrong first, in words where it was the service that did not answer."""
    while isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, httpx.HTTPError):
        return Unavailable(f"The service at {url} stopped answering ({type(cause).__name__}). Nothing was measured.")
    return cause


async def clean_left(talk: Talk) -> int:
    """Remove what killed runs left; returns how many there were. Raises as `clean`."""
    settings = load_settings()
    journals = Journals(settings.data_dir)
    with journals.alone():
        async with opened(settings) as database:
            return await _clean_up_after_others(settings, database, journals, talk)


async def _clean_up_after_others(settings: Settings, database: Database, journals: Journals, talk: Talk) -> int:
    left = journals.left()
    for journal in left:
        kept = await clean(settings, database, journals, journal)
        talk(f"removed what run {journal.run} left; {kept} audit records of its own tenants stay")
    return len(left)


async def _run(
    wanted: Wanted,
    settings: Settings,
    parts: IngestionParts,
    journal: Journal,
    policies: Mapping[str, Lines],
    url: str,
    talk: Talk,
) -> Report:
    chance = Random(journal.run)  # It draws a sample; the words come from `secrets`.
    planted: list[Planted] = []
    for place in places_of(journal, policies, wanted.people):
        bearers = await give_rights(parts.database, journal, place)
        await _require_same_database(url, bearers, place)
        canaries = await _canaries(parts.database, place, wanted.canaries, chance)
        talk(f"planting {len(canaries)} canaries in {place.tenant} ...")
        await plant(settings, parts, journal, place, canaries)
        sections = await read_planted(parts.database, journal, place, canaries)
        planted.append(Planted(place, canaries, sections, bearers))
    ground = Ground(parts.database, url, tuple(planted))
    if wanted.faults:
        return await faults_noticed(ground, chance, talk)
    return await measure(ground, wanted.pairs, chance, talk)


async def _canaries(database: Database, place: Place, most: int, chance: Random) -> tuple[Canary, ...]:
    with within(place.tenant):
        async with database.reading() as session:
            lines = await read_lines(session, place.tenant)
    values = values_of(lines, place.people)
    return canaries_of(combinations(lines, values, place.people, most if place.like else 1, chance))


async def _policies(database: Database, wanted: Sequence[str]) -> Mapping[str, Lines]:
    """The policies that people are made after, by tenant."""
    tenants = tuple(wanted)
    if not tenants:
        with every_tenant():
            async with database.reading() as session:
                tenants = await tenants_with_policy(session)
    found: dict[str, Lines] = {}
    for tenant in tenants:
        with within(tenant):
            async with database.reading() as session:
                lines = await read_lines(session, tenant)
        if lines.rules:
            found[tenant] = lines
        elif wanted:
            raise Misuse(f"Tenant {tenant!r} has no policy that people could be made after.", code="no_policy")
    if not found:
        raise Misuse("No tenant has a policy that people could be made after.", code="no_policy")
    return found


def _url(settings: Settings, given: str | None) -> str:
    if given is not None:
        return given.rstrip("/")
    owner = DataFolder(settings.data_dir).owner()
    if owner is None or not owner.url:
        raise Unavailable(
            f"No service runs on the data folder {settings.data_dir}. Start `ringfence serve`, or give its --url."
        )
    return owner.url.rstrip("/")


async def _require_service(url: str) -> None:
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            ready = (await client.get("/readyz")).status_code == httpx.codes.OK
    except (httpx.HTTPError, httpx.InvalidURL) as cause:
        raise Unavailable(f"No service answers at {url} ({type(cause).__name__}). Nothing was planted.") from cause
    if not ready:
        raise Unavailable(f"What answers at {url} is no service that is ready. Nothing was planted.")


async def _require_same_database(url: str, bearers: Mapping[str, str], place: Place) -> None:
    """A service on another database knows none of the keys, and would be found without a leak."""
    person = (*place.people, *place.strangers)[0]
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        response = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {bearers[person]}"})
    if response.status_code != httpx.codes.OK:
        raise Unavailable(
            f"The service at {url} does not know the key that was just made: it works on another database than the "
            "one that the settings of this command name."
        )
