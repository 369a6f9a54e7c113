from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from rag.db.engine import Database
from rag.identity.authenticate import IdentityParts
from rag.identity.keys import NewKey
from rag.identity.store import ApiKeys
from rag.identity.tokens import TokenVerifier

SECRET = b"s" * 32
OPERATOR = "rfop_" + "o" * 43

MakeKey = Callable[..., Awaitable[NewKey]]


async def _knows(tenant: str, subject: str) -> bool:
    return (tenant, subject) in {("acme", "user:ann"), ("acme", "user:bob")}


@pytest.fixture
def parts(database: Database) -> IdentityParts:
    tokens = TokenVerifier(SECRET, "HS256", audience="ringfence", issuer=None)
    return IdentityParts(database, tokens, OPERATOR, _knows)


@pytest.fixture
def make(database: Database) -> MakeKey:
    async def made(subject: str, **options: object) -> NewKey:
        async with database.unit_of_work() as session:
            return await ApiKeys(session).create(
                tenant="acme",
                subject=subject,
                now=datetime.now(UTC),
                **options,  # type: ignore[arg-type]
            )

    return made
