"""What a service does once before it answers: so that the first question waits for nothing, and none for the garbage
collector."""

import gc
import logging

from policies.store import PolicyError, SnapshotCache
from policies.tenancy import every_tenant
from rag.db.documents import tenants_with_documents
from rag.db.engine import Database

_log = logging.getLogger(__name__)

_YOUNG_MAX = 20_000
_MIDDLE_MAX = 20
_OLD_MAX = 50


async def read_policies(database: Database, snapshots: SnapshotCache) -> None:
    """Read the policy of every tenant that has documents.

    One that cannot be read does not stop the start: questions about it say so, and the other tenants' are answered.
    """
    with every_tenant():
        async with database.reading() as session:
            for tenant in await tenants_with_documents(session):
                try:
                    await snapshots.get(session, tenant)
                except PolicyError as cause:
                    _log.error("policy_unreadable tenant=%s cause=%s", tenant, type(cause).__name__)


def settle_memory() -> None:
    """Models and policies live as long as the process: the collector need not look through them again and again.

    By default it runs several times during a question, and now and then through everything there is.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_MAX, _MIDDLE_MAX, _OLD_MAX)
