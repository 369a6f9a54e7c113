"""Jobs over HTTP: only administrators, only their tenant, only sources that the operator configured."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from rag.api import job_events
from rag.audit.log import AuditLog
from rag.db.engine import Database
from rag.db.job_table import JobRow, JobState
from rag.identity.store import ApiKeys
from tests.api.conftest import Bearers

JOBS = "/api/v1/jobs"


@pytest.fixture
def admin(client: httpx.AsyncClient, bearers: Bearers) -> httpx.AsyncClient:
    """The service as an administrator of tenant acme sees it."""
    client.headers["Authorization"] = f"Bearer {bearers.administrator}"
    return client


async def created(admin: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    response = await admin.post(JOBS, json={"source": "acme"}, headers=headers)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def change(database: Database, job: str, **columns: Any) -> None:
    async with database.unit_of_work() as session:
        await session.execute(update(JobRow).where(JobRow.id == job).values(**columns))


async def test_a_configured_source_is_queued_and_recorded_and_no_place_is_told(
    admin: httpx.AsyncClient, database: Database
) -> None:
    job = await created(admin)
    assert (job["state"], job["kind"], job["source"]) == ("queued", "sync", "acme")
    assert "payload" not in job and "folder" not in json.dumps(job)
    assert (await admin.get(f"{JOBS}/{job['id']}")).json() == job
    async with database.reading() as session:
        record = (await AuditLog().recent(session, "acme", limit=1))[0]
    assert record.kind == "job"
    assert json.loads(record.body) | {"job": job["id"], "change": "queued"} == json.loads(record.body)


@pytest.mark.parametrize("source", ["globex", "unknown", "/etc"])
async def test_a_source_of_another_tenant_and_one_that_is_not_configured_are_not_found_alike(
    admin: httpx.AsyncClient, source: str
) -> None:
    response = await admin.post(JOBS, json={"source": source})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert source not in response.json()["detail"]


async def test_a_place_in_the_body_is_refused(admin: httpx.AsyncClient) -> None:
    response = await admin.post(JOBS, json={"source": "acme", "folder": "/etc"})
    assert response.status_code == 422


async def test_a_repeated_request_is_the_same_job_and_another_with_its_key_is_refused(
    admin: httpx.AsyncClient,
) -> None:
    first = await created(admin, **{"Idempotency-Key": "monday"})
    assert await created(admin, **{"Idempotency-Key": "monday"}) == first
    assert (await created(admin))["id"] != first["id"]
    other = {"source": "acme", "allow_empty": True}
    response = await admin.post(JOBS, json=other, headers={"Idempotency-Key": "monday"})
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize("said", ["allow_empty", "moved"])
async def test_removals_that_need_a_word_are_asked_for_only_by_who_says_it(
    admin: httpx.AsyncClient, database: Database, said: str
) -> None:
    for body, expected in (({}, False), ({said: True}, True)):
        job = (await admin.post(JOBS, json={"source": "acme", **body})).json()["id"]
        async with database.reading() as session:
            payload = await session.scalar(select(JobRow.payload).where(JobRow.id == job))
        assert payload is not None and payload[said] is expected


async def test_the_operator_must_name_the_tenant_and_sees_no_other(client: httpx.AsyncClient, bearers: Bearers) -> None:
    client.headers["Authorization"] = f"Bearer {bearers.operator}"
    assert (await client.get(JOBS)).json()["code"] == "tenant_required"
    own = await client.post(JOBS, json={"source": "globex"}, headers={"X-Ringfence-Tenant": "globex"})
    client.headers["X-Ringfence-Tenant"] = "acme"
    assert (await client.get(JOBS)).json() == {"jobs": [], "next": None}
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/retry"), ("POST", "/cancel")):
        assert (await client.request(method, f"{JOBS}/{own.json()['id']}{path}")).status_code == 404


async def test_pages_lead_from_the_newest_to_the_oldest_and_states_can_be_chosen(
    admin: httpx.AsyncClient, database: Database
) -> None:
    ids = [(await created(admin))["id"] for _ in range(3)]
    first = (await admin.get(JOBS, params={"limit": 2})).json()
    second = (await admin.get(JOBS, params={"limit": 2, "cursor": first["next"]})).json()
    assert [job["id"] for page in (first, second) for job in page["jobs"]] == ids[::-1]
    assert second["next"] is None
    await change(database, ids[1], state=JobState.DEAD, reason="source_unreadable")
    dead = (await admin.get(JOBS, params={"state": "dead"})).json()["jobs"]
    assert [(job["id"], job["reason"]) for job in dead] == [(ids[1], "source_unreadable")]
    assert (await admin.get(JOBS, params={"cursor": "x"})).json()["code"] == "invalid_cursor"


async def test_a_dead_job_is_retried_a_queued_one_cancelled_and_not_the_other_way_round(
    admin: httpx.AsyncClient, database: Database
) -> None:
    job = (await created(admin))["id"]
    refused = await admin.post(f"{JOBS}/{job}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_ended")
    assert (await admin.post(f"{JOBS}/{job}/cancel")).json()["state"] == "cancelled"
    assert (await admin.post(f"{JOBS}/{job}/cancel")).json()["code"] == "job_ended"
    assert (await admin.post(f"{JOBS}/{job}/retry")).json()["state"] == "queued"


async def test_events_tell_of_each_change_and_end_with_the_job(
    admin: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "EVERY_S", 0.01)
    job = (await created(admin))["id"]
    async with asyncio.timeout(20), admin.stream("GET", f"{JOBS}/{job}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert await anext(lines) == "event: job"
        assert json.loads((await anext(lines)).removeprefix("data: "))["state"] == "queued"
        await change(database, job, state=JobState.RUNNING, done=1, total=2)
        async for line in lines:
            if line.startswith("data: "):
                break
        assert json.loads(line.removeprefix("data: "))["progress"] == {"step": "", "done": 1, "total": 2}
        await change(database, job, state=JobState.DONE, done=2)
        rest = [line async for line in lines if line.startswith("data: ")]
    assert json.loads(rest[-1].removeprefix("data: "))["settled"] is True


async def test_a_stream_that_never_ends_is_ended(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_events, "EVERY_S", 0.01)
    monkeypatch.setattr(job_events, "EVENTS_S_MAX", 1.0)
    monkeypatch.setattr(job_events, "QUIET_S", 0.0)
    job = (await created(admin))["id"]
    async with asyncio.timeout(20), admin.stream("GET", f"{JOBS}/{job}/events") as response:
        text = (await response.aread()).decode()
    assert text.count("event: job") == 1
    assert ": still at it" in text


@pytest.mark.parametrize("silent", [False, True], ids=["at the next event", "while nothing happens"])
async def test_a_revoked_key_ends_its_stream(
    silent: bool, admin: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "EVERY_S", 0.01)
    monkeypatch.setattr(job_events, "VERIFIED_S", 0.02 if silent else 600)
    job = (await created(admin))["id"]
    async with asyncio.timeout(20), admin.stream("GET", f"{JOBS}/{job}/events") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: job"
        await anext(lines)
        async with database.unit_of_work() as session:
            [key] = [key for key in await ApiKeys(session).list("acme") if key.administrator]
            await ApiKeys(session).revoke(key.id, now=datetime.now(UTC))
        if not silent:
            await change(database, job, state=JobState.RUNNING, done=1, total=2)
        rest = [line async for line in lines if line]
    assert rest[0] == "event: error"
    assert json.loads(rest[1].removeprefix("data: "))["code"] == "unauthenticated"
    assert len(rest) == 2, "of the change she is told nothing"
