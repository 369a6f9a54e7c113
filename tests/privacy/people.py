"""A tenant with a vault and documents, small enough to know by heart, on any database and without a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from rag.db.engine import Database
from rag.db.tables import ChunkRow, DocumentRow, VersionRow
from rag.privacy.erasure import Erasure, erase
from rag.privacy.erasure_plan import ErasurePlan, Planner, Wanted
from rag.privacy.faces import FaceMaker, offline_domains
from rag.privacy.keys import KeySource, MasterKey, TenantKeys, existing_tenant_keys, tenant_keys
from rag.privacy.receipts import Signer
from rag.privacy.vault import Vault, VaultValue

TENANT = "acme"
MASTER = MasterKey.of(b"\x01" * 32, "test")
SIGNER = Signer.of(b"\x05" * 32)
DOMAINS = offline_domains()
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
PEOPLE = ("Ann Lee", "Dr Ann Lee", "Ann", "Lee", "Bob Lee", "Bob", "Ann Lee Parker", "Cleo Quist", "Cleo", "Quist")
ADDRESSES = ("ann.lee@acme.example", "bob@acme.example")


@dataclass(frozen=True)
class World:
    """What the tests of upkeep look at."""

    database: Database
    keys: TenantKeys

    @property
    def vault(self) -> Vault:
        return Vault(TENANT, self.keys.vault)

    def value(self, original: str, entity: str = "PERSON") -> VaultValue:
        faces = FaceMaker(self.keys.tokens, self.keys.words, DOMAINS)
        return VaultValue(faces.token(entity, original), entity, original)

    def token(self, original: str, entity: str = "PERSON") -> str:
        return self.value(original, entity).token

    async def plan(self, *texts: str) -> ErasurePlan:
        wanted = [Wanted(text, f"line {number}") for number, text in enumerate(texts, 1)]
        async with self.database.reading() as session:
            return await Planner(TENANT, self.keys, DOMAINS).plan(session, wanted)

    async def erase(self, *texts: str, reason: str = "request 17") -> Erasure:
        plan = await self.plan(*texts)
        async with self.database.unit_of_work() as session:
            return await self.carry_out(session, plan, reason)

    async def carry_out(self, session: AsyncSession, plan: ErasurePlan, reason: str = "request 17") -> Erasure:
        return await erase(session, plan, self.vault, SIGNER, by="operator:test", reason=reason, now=NOW)

    async def originals(self, *tokens: str) -> dict[str, str]:
        async with self.database.reading() as session:
            keys = await existing_tenant_keys(session, TENANT, MASTER)
            return await Vault(TENANT, keys.vault).open(session, tokens)


def values(world: World) -> list[VaultValue]:
    people = [world.value(name) for name in PEOPLE]
    return [*people, *(world.value(address, "EMAIL_ADDRESS") for address in ADDRESSES)]


async def found_world(database: Database, source: KeySource = MASTER) -> World:
    """The tenant's keys, values and two documents."""
    async with database.unit_of_work() as session:
        world = World(database, await tenant_keys(session, TENANT, source))
        await world.vault.store(session, values(world))
        ann, bob, cleo = (world.token(name) for name in ("Ann Lee", "Bob Lee", "Cleo Quist"))
        await add_document(session, "doc_1", f"About {ann}", [f"{ann} met {bob}.", f"Signed: {world.token('Lee')}"])
        await add_document(session, "doc_2", "Minutes", [f"{cleo} was there.", f"So was {ann}, and {ann} spoke."])
    return world


async def add_document(session: AsyncSession, document: str, title: str, paragraphs: Sequence[str]) -> None:
    session.add(
        DocumentRow(
            id=document, tenant=TENANT, source="test", path_digest=document, path=document, title=title,
            media_type="text/plain", department="hr", level=1, tags=[], owner="", shares=[], denied_shares=[],
            compartments=[], attribute_version=1, indexed_attribute_version=0, current_version=None, flags=[],
            updated_at=NOW,
        )
    )  # fmt: skip
    await session.flush()
    session.add(
        VersionRow(
            id=f"ver_{document}", document=document, tenant=TENANT, content_digest="0", pipeline_digest="0",
            state="published", text="\n".join(paragraphs), policy_epoch=1, created_at=NOW,
        )
    )  # fmt: skip
    await session.flush()
    start = 0
    for ordinal, paragraph in enumerate(paragraphs):
        session.add(
            ChunkRow(
                id=f"chk_{document}_{ordinal}", version=f"ver_{document}", document=document, tenant=TENANT,
                ordinal=ordinal, start=start, end=start + len(paragraph), page=None, heading="", level_at_least=0,
                more_compartments=[], more_denied_shares=[], dense=b"", lexical_indices=b"", lexical_values=b"",
            )
        )  # fmt: skip
        start += len(paragraph) + 1
    await session.flush()
