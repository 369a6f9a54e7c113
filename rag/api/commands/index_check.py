"""Whether the settings are what made the live index of each tenant."""

import asyncio

from policies.tenancy import every_tenant
from rag.api.commands.finding import BAD, GOOD, LOOK, Finding
from rag.api.commands.index_listing import disagreement
from rag.api.commands.options import opened_database
from rag.db.documents import tenants_with_documents
from rag.db.index_versions import IndexVersion, IndexVersions
from rag.settings import Settings

CHECK = "index versions"
NAMED_MAX = 5


def check_indexes(settings: Settings) -> Finding:
    """Loads no model.

    Raises:
        Misuse, Damaged: the model of the settings cannot be found.
    """
    if settings.database.url is None and not (settings.data_dir / "ringfence.db").exists():
        return Finding(CHECK, LOOK, "none yet; `ringfence ingest` makes the first")
    with every_tenant():
        live = asyncio.run(_live(settings))
    found = [(tenant, disagreement(settings, index)) for tenant, index in live]
    unlike = [(tenant, one) for tenant, one in found if one is not None]
    if not unlike:
        return Finding(CHECK, GOOD, f"{len(live)} live, each as the settings say")
    named = [f"tenant {tenant}: {one.sentence}" for tenant, one in unlike[:NAMED_MAX]]
    more = [f"{len(unlike) - NAMED_MAX} tenants more"] if len(unlike) > NAMED_MAX else []
    return Finding(CHECK, LOOK if all(one.answers for _, one in unlike) else BAD, "; ".join((*named, *more)))


async def _live(settings: Settings) -> list[tuple[str, IndexVersion]]:
    async with opened_database(settings) as database, database.reading() as session:
        tenants = await tenants_with_documents(session)
        return [(tenant, await IndexVersions(session, tenant).live()) for tenant in tenants]
