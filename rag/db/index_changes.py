"""Changes of which indexes a tenant has and which one answers. Takes a session; never commits."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.orm import aliased

from rag.db.index_table import FIRST_NUMBER, IndexState, IndexVersionRow
from rag.db.index_versions import IndexVersion, IndexVersions
from rag.db.statements import batches, insert_if_absent, table_of
from rag.db.tables import IN_INDEX, NEVER_LIVE, DocumentRow, LineageRow, VersionRow


class IndexChanges(IndexVersions):
    """The same, with what changes them. Whoever calls it has made sure that it may be."""

    async def record_first(self, embedder: str, digest: str, dim: int) -> None:
        """What makes the vectors of the tenant's first index, where no index of hers is recorded."""
        values = {
            "tenant": self._tenant, "number": FIRST_NUMBER, "state": IndexState.LIVE, "embedder": embedder,
            "embedder_digest": digest, "dim": dim, "figures": {}, "created_at": datetime.now(UTC),
        }  # fmt: skip
        await self._session.execute(insert_if_absent(self._session, table_of(IndexVersionRow)), values)

    async def settle(self, embedder: str, digest: str, dim: int) -> None:
        """Record what makes the vectors of the live index, where that is not known but can be told: all of its
        versions say that this did."""
        other = (
            select(literal(1))
            .select_from(VersionRow)
            .outerjoin(LineageRow, LineageRow.version == VersionRow.id)
            .where(
                VersionRow.tenant == self._tenant,
                VersionRow.index_version == IndexVersionRow.number,
                VersionRow.state.in_((*IN_INDEX, "staged")),
                func.coalesce(LineageRow.embedder_digest, "") != digest,
            )
        )
        await self._session.execute(
            update(IndexVersionRow)
            .where(
                IndexVersionRow.tenant == self._tenant,
                IndexVersionRow.state == IndexState.LIVE,
                IndexVersionRow.embedder_digest == "",
                ~other.exists(),
            )
            .values(embedder=embedder, embedder_digest=digest, dim=dim)
            .execution_options(synchronize_session=False)
        )

    async def pin_live(
        self, embedder: str, digest: str, dim: int, chunk_tokens: int, embedding: Mapping[str, Any] | None = None
    ) -> None:
        """Write down of the live index what is not recorded: from here on, a change of the settings does not change it.

        The embedder is that of the settings, `embedding` what loads it. The chunk size is what most of the versions
        were made with.
        """
        live = await self.live()
        made_with = (
            select(LineageRow.chunk_tokens)
            .join(VersionRow, VersionRow.id == LineageRow.version)
            .where(*self._of(live.number), VersionRow.state == "published")
            .group_by(LineageRow.chunk_tokens)
            .order_by(func.count().desc(), LineageRow.chunk_tokens)
            .limit(1)
        )
        tokens = live.chunk_tokens or await self._session.scalar(made_with) or chunk_tokens
        named: dict[str, Any] = {}
        if not live.embedder_digest:
            named |= {"embedder": embedder, "embedder_digest": digest, "dim": dim}
        if live.embedding is None and live.embedder_digest in ("", digest):
            named["embedding"] = None if embedding is None else dict(embedding)
        await self._session.execute(
            update(IndexVersionRow)
            .where(IndexVersionRow.tenant == self._tenant, IndexVersionRow.number == live.number)
            .values(chunk_tokens=tokens, **named)
        )

    async def next_number(self) -> int:
        newest = await self._session.scalar(
            select(func.max(IndexVersionRow.number)).where(IndexVersionRow.tenant == self._tenant)
        )
        return (newest or FIRST_NUMBER) + 1

    async def add(self, index: IndexVersion) -> None:
        self._session.add(
            IndexVersionRow(
                tenant=self._tenant, number=index.number, state=index.state, embedder=index.embedder,
                embedder_digest=index.embedder_digest, dim=index.dim, embedding=index.embedding,
                chunk_tokens=index.chunk_tokens, figures={}, created_at=datetime.now(UTC), promoted_at=None,
            )
        )  # fmt: skip
        await self._session.flush()

    async def move(self, number: int, state: IndexState) -> None:
        await self._session.execute(
            update(IndexVersionRow)
            .where(IndexVersionRow.tenant == self._tenant, IndexVersionRow.number == number)
            .values(state=state)
        )

    async def keep_figures(self, number: int, figures: Mapping[str, Any]) -> None:
        await self._session.execute(
            update(IndexVersionRow)
            .where(IndexVersionRow.tenant == self._tenant, IndexVersionRow.number == number)
            .values(figures=dict(figures))
        )

    async def switch(self, to: int) -> None:
        """Make `to` the live one: what readers see is its versions from the moment this is committed.

        Whoever calls it has made sure that it may be.
        """
        # First, so that what is being written of a document is seen whole, or waits. On SQLite all writers wait anyway.
        await self._session.execute(select(DocumentRow.id).where(DocumentRow.tenant == self._tenant).with_for_update())
        now, live = datetime.now(UTC), (await self.live()).number
        shown = aliased(VersionRow)
        of_document = shown.document == DocumentRow.id, shown.index_version == to, shown.state == "published"
        await self._session.execute(
            update(VersionRow)
            .where(*self._of(live), VersionRow.state == "published")
            .values(
                state="standby",
                ended_at=now,
                indexed_attribute_version=select(DocumentRow.indexed_attribute_version)
                .where(DocumentRow.id == VersionRow.document)
                .scalar_subquery(),
            )
            .execution_options(synchronize_session=False)
        )
        await self._session.execute(
            update(VersionRow)
            .where(*self._of(to), VersionRow.state.in_(("ready", "standby")))
            .values(state="published", published_at=func.coalesce(VersionRow.published_at, now), ended_at=None)
            .execution_options(synchronize_session=False)
        )
        carried = select(shown.indexed_attribute_version).where(*of_document).scalar_subquery()
        await self._session.execute(
            update(DocumentRow)
            .where(DocumentRow.tenant == self._tenant)
            .values(
                current_version=select(shown.id).where(*of_document).scalar_subquery(),
                indexed_attribute_version=func.coalesce(carried, DocumentRow.indexed_attribute_version),
            )
            .execution_options(synchronize_session=False)
        )
        await self.move(live, IndexState.RETIRED)
        await self._session.execute(
            update(IndexVersionRow)
            .where(IndexVersionRow.tenant == self._tenant, IndexVersionRow.number == to)
            .values(state=IndexState.LIVE, promoted_at=now)
        )
        self._session.expire_all()

    async def forget(self, number: int) -> None:
        """Remove the rows of an index that stands beside the live one; its points are to be removed as well.

        What was once visible through it stays, as text that citations lead to. No tombstones: the whole place of its
        points goes.
        """
        await self._session.execute(
            delete(VersionRow)
            .where(*self._of(number), VersionRow.state.in_(NEVER_LIVE))
            .execution_options(synchronize_session=False)
        )
        await self._session.execute(
            update(VersionRow)
            .where(*self._of(number), VersionRow.state.in_(("standby", "superseded")))
            .values(state="retired")
            .execution_options(synchronize_session=False)
        )
        await self.move(number, IndexState.DROPPING)
        self._session.expire_all()

    async def remove_documents(self, documents: Sequence[str]) -> None:
        """Remove documents with all that is theirs; no index has a point of them."""
        for some in batches(documents):
            await self._session.execute(
                delete(DocumentRow)
                .where(DocumentRow.tenant == self._tenant, DocumentRow.id.in_(some))
                .execution_options(synchronize_session=False)
            )
        self._session.expire_all()
