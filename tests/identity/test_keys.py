"""Issue 2, point 8: keys are hashed, shown once, scoped to a tenant, for a person or an assistant."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from rag.db.engine import Database
from rag.errors import Misuse, NotFound
from rag.identity.keys import LAST_USED_EVERY, USUAL, Scope, make_key
from rag.identity.store import ApiKeys
from tests.identity.conftest import MakeKey

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_a_key_is_found_by_its_bearer_and_by_no_other(database: Database, make: MakeKey) -> None:
    new = await make("user:ann", label="laptop")
    other = await make("user:bob")
    mixed = f"rf_{new.key.id}_{other.bearer.rsplit('_', 1)[1]}"
    async with database.reading() as session:
        keys = ApiKeys(session)
        now = datetime.now(UTC)
        assert await keys.find_by_bearer(new.bearer, now=now) == new.key
        assert await keys.find_by_bearer(mixed, now=now) is None
        for malformed in ("", "rf_", new.bearer[:-1], new.bearer + "0", new.bearer.upper(), f" {new.bearer}"):
            assert await keys.find_by_bearer(malformed, now=now) is None


async def test_the_secret_is_in_no_column_and_in_no_repr(database: Database, make: MakeKey) -> None:
    new = await make("user:ann")
    secret = new.bearer.rsplit("_", 1)[1]
    async with database.reading() as session:
        rows = (await session.execute(text("SELECT * FROM api_key"))).all()
    assert secret not in repr(rows)
    assert secret not in repr(new)


async def test_one_rows_digest_opens_no_other_row(database: Database, make: MakeKey) -> None:
    """Whoever can write one column must not be able to turn her own key into another's."""
    mine, victim = await make("user:ann"), await make("user:bob")
    async with database.unit_of_work() as session:
        await session.execute(
            text("UPDATE api_key SET secret_digest = (SELECT secret_digest FROM api_key WHERE id = :m) WHERE id = :v"),
            {"m": mine.key.id, "v": victim.key.id},
        )
    forged = f"rf_{victim.key.id}_{mine.bearer.rsplit('_', 1)[1]}"
    async with database.reading() as session:
        assert await ApiKeys(session).find_by_bearer(forged, now=datetime.now(UTC)) is None
        assert await ApiKeys(session).find_by_bearer(mine.bearer, now=datetime.now(UTC)) == mine.key


async def test_a_key_ends_at_its_expiry_and_not_before(database: Database) -> None:
    end = NOW + timedelta(days=1)
    async with database.unit_of_work() as session:
        new = await ApiKeys(session).create(tenant="acme", subject="user:ann", now=NOW, expires_at=end)
    async with database.reading() as session:
        keys = ApiKeys(session)
        assert await keys.find_by_bearer(new.bearer, now=end - timedelta(seconds=1)) is not None
        assert await keys.find_by_bearer(new.bearer, now=end) is None


async def test_a_revoked_key_is_refused_at_once_and_keeps_its_first_date(database: Database, make: MakeKey) -> None:
    new, kept = await make("user:ann"), await make("user:ann")
    async with database.unit_of_work() as session:
        first = await ApiKeys(session).revoke(new.key.id, now=NOW)
        again = await ApiKeys(session).revoke(new.key.id, now=NOW + timedelta(days=1))
        assert first.revoked_at == again.revoked_at == NOW
        with pytest.raises(NotFound):
            await ApiKeys(session).revoke("f" * 16, now=NOW)
    async with database.reading() as session:
        assert await ApiKeys(session).find_by_bearer(new.bearer, now=datetime.now(UTC)) is None
        assert await ApiKeys(session).find_by_bearer(kept.bearer, now=datetime.now(UTC)) is not None


async def test_last_use_is_written_at_most_once_a_minute(database: Database, make: MakeKey) -> None:
    new = await make("user:ann")
    moments = (NOW, NOW + LAST_USED_EVERY / 2, NOW + LAST_USED_EVERY)
    seen = []
    for moment in moments:
        async with database.unit_of_work() as session:
            await ApiKeys(session).touch(new.key.id, now=moment)
        async with database.reading() as session:
            seen.append((await ApiKeys(session).list("acme"))[0].last_used_at)
    assert seen == [moments[0], moments[0], moments[2]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "group:finance"},
        {"subject": "ann"},
        {"tenant": "two words"},
        {"label": "line\nbreak"},
        {"expires_at": NOW},
        {"may_name_people": True},
        {"scopes": ()},
        {"scopes": (Scope.PUBLISH,)},
        {"scopes": (Scope.SCIM,)},
        {"scopes": (Scope.SCIM, Scope.ASK), "subject": "assistant:okta"},
        {"scopes": (Scope.SCIM,), "subject": "assistant:okta", "may_name_people": True},
        {"scopes": (Scope.SCIM,), "subject": "assistant:okta", "administrator": True},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(wrong: dict[str, object]) -> None:
    fine: dict[str, object] = {"tenant": "acme", "subject": "user:ann", "now": NOW}
    make_key(**fine)  # type: ignore[arg-type]
    with pytest.raises(Misuse):
        make_key(**{**fine, **wrong})  # type: ignore[arg-type]


def test_an_assistants_key_may_have_the_right_to_name_people() -> None:
    assert make_key(tenant="acme", subject="assistant:helpdesk", now=NOW, may_name_people=True).key.may_name_people


def test_a_key_is_for_what_was_said_and_else_for_everything_but_provisioning() -> None:
    fine: dict[str, object] = {"tenant": "acme", "subject": "assistant:okta", "now": NOW}
    assert make_key(**fine).key.scopes == USUAL == frozenset(Scope) - {Scope.SCIM, Scope.JOBS}  # type: ignore[arg-type]
    for scopes in ({Scope.SCIM}, {Scope.ASK, Scope.SEARCH}):
        assert make_key(**fine, scopes=scopes).key.scopes == scopes  # type: ignore[arg-type]
    metered = make_key(**fine, scopes={Scope.METRICS}, administrator=True)  # type: ignore[arg-type]
    assert metered.key.scopes == {Scope.METRICS}


async def test_a_rotated_key_is_followed_by_one_like_it_and_ends_after_the_overlap(database: Database) -> None:
    rights = {"label": "laptop", "may_name_people": True, "scopes": {Scope.ASK}}
    async with database.unit_of_work() as session:
        old = await ApiKeys(session).create(
            tenant="acme",
            subject="assistant:helpdesk",
            now=NOW,
            expires_at=NOW + timedelta(days=90),
            **rights,  # type: ignore[arg-type]
        )
    later, overlap = NOW + timedelta(days=60), timedelta(days=1)
    async with database.unit_of_work() as session:
        new = await ApiKeys(session).rotate(old.key.id, now=later, overlap=overlap)
    assert (new.key.subject, new.key.label, new.key.may_name_people, new.key.scopes, new.key.replaces) == (
        "assistant:helpdesk",
        "laptop",
        True,
        {Scope.ASK},
        old.key.id,
    )
    assert new.key.expires_at == later + timedelta(days=90)
    async with database.reading() as session:
        keys = ApiKeys(session)
        for moment, usable in ((later, True), (later + overlap - timedelta(seconds=1), True), (later + overlap, False)):
            assert (await keys.find_by_bearer(old.bearer, now=moment) is not None) is usable
            assert await keys.find_by_bearer(new.bearer, now=moment) == new.key


async def test_rotation_never_lets_a_key_live_longer(database: Database, make: MakeKey) -> None:
    end = NOW + timedelta(hours=1)
    async with database.unit_of_work() as session:
        keys = ApiKeys(session)
        old = await keys.create(tenant="acme", subject="user:ann", now=NOW, expires_at=end)
        await keys.rotate(old.key.id, now=NOW, overlap=timedelta(days=30))
    async with database.reading() as session:
        assert await ApiKeys(session).find_by_bearer(old.bearer, now=end) is None
        assert await ApiKeys(session).find_by_bearer(old.bearer, now=end - timedelta(seconds=1)) is not None


async def test_only_a_key_in_use_that_nothing_follows_yet_is_rotated(database: Database) -> None:
    day = timedelta(days=1)
    async with database.unit_of_work() as session:
        keys = ApiKeys(session)
        old = await keys.create(tenant="acme", subject="user:ann", now=NOW)
        first = await keys.rotate(old.key.id, now=NOW, overlap=day)
        with pytest.raises(Misuse, match="before"):
            await keys.rotate(old.key.id, now=NOW, overlap=day)
        await keys.revoke(first.key.id, now=NOW)
        second = await keys.rotate(old.key.id, now=NOW, overlap=day)
        await keys.revoke(second.key.id, now=NOW)
        with pytest.raises(Misuse, match="no longer"):
            await keys.rotate(second.key.id, now=NOW, overlap=day)
        with pytest.raises(NotFound):
            await keys.rotate("f" * 16, now=NOW, overlap=day)
