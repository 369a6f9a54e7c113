"""Kinds that a tenant redacts leave the vault, too: what was stored of them before is destroyed."""

from ingestion.parts import IngestionParts, TenantMasking
from rag.privacy.configured import Configurations


async def forget_redacted(tenant: str, parts: IngestionParts, privacy: TenantMasking) -> tuple[str, ...]:
    """Destroy the originals of redacted kinds once no document refers to them, and say so.

    While a document masked by an older configuration remains, they stay, so that a mistaken configuration can be set
    back. Nobody is given them meanwhile.
    """
    if not privacy.redacted:
        return ()
    kinds = ", ".join(sorted(privacy.redacted))
    async with parts.database.unit_of_work() as session:
        standing = await Configurations(session, tenant).standing(privacy.configuration)
        if standing.outdated:
            return (
                f"{standing.outdated} documents must still be masked again, so the vault keeps its values of {kinds}; "
                "nobody is given them. Ingest the other sources too.",
            )
        number = await privacy.vault.forget(session, privacy.redacted)
    return (f"{number} values of {kinds} were removed from the vault: the tenant redacts them.",) if number else ()
