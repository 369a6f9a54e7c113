"""What a worker of a cluster does, and what Ray may see of it. Ray itself: `make test-ray`."""

import asyncio
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from ingestion.cluster.envelope import Envelope, new_key
from ingestion.cluster.place import LEFT_OUT
from ingestion.cluster.worker import Answer, Broken, Order, Place, PreparingWorker, made_by
from ingestion.parse.document import Reason, Refused
from ingestion.parts import IngestionParts, TenantMasking, Tools
from ingestion.prepare import Prepared, Raw, prepare
from rag.cli import main
from rag.errors import Damaged
from rag.hidden_content import HiddenPolicy
from rag.ingestion_settings import IngestionSettings
from rag.privacy.keys import MasterKey
from tests.ingestion.kill_every_step import ParsedHere
from tests.ingestion.places import GIVEN
from tests.ingestion.stand_ins import CountedPairs, CountingEmbedder
from tests.ingestion.worlds import BEFORE, MASTER, TENANT

RAW = Raw(BEFORE["changed.md"].encode(), "hr/bo_chan.md", HiddenPolicy({}))
WORDS = (b"canteen", b"Ann Lee", b"ann.lee", b"bo_chan", b"PERSON_")


class Failing(ParsedHere):
    def parse(self, *_: object) -> NoReturn:
        raise ValueError("The canteen is run by Ann Lee.")


def tools(parser: ParsedHere | None = None, tokens: int = 40) -> Tools:
    settings = IngestionSettings(chunk_tokens=tokens)
    return Tools("stand-in", parser or ParsedHere(), CountingEmbedder(), CountedPairs(), settings)


@contextmanager
def place(parser: ParsedHere | None = None, keys: MasterKey = MASTER) -> Iterator[Place]:
    yield Place(tools(parser, tokens=50), keys, GIVEN)


@pytest.fixture
async def masker(parts: IngestionParts) -> TenantMasking:
    async with parts.database.unit_of_work() as session:
        return await parts.privacy.for_tenant(session, TENANT)


async def ordered(
    masker: TenantMasking, open_place: Callable[[], AbstractContextManager[Place]], *, made: str | None = None
) -> tuple[PreparingWorker, Envelope, Order]:
    key, wrapped = await new_key(MASTER)
    envelope = Envelope(key, LEFT_OUT)
    order = Order(open_place, wrapped, envelope.seal("masker", masker), 40, made or made_by(tools()))
    return PreparingWorker(order), envelope, order


def made(envelope: Envelope, worker: PreparingWorker, number: int, raw: Raw) -> object:
    answer = envelope.open(f"answer {number}", worker.prepare(number, envelope.seal(f"raw {number}", raw)))
    assert isinstance(answer, Answer)
    return answer.made


async def test_a_worker_makes_of_a_document_what_this_process_makes(masker: TenantMasking) -> None:
    """Its node has another chunk size: that of the run counts. Without the keys that open originals."""
    worker, envelope, _ = await ordered(masker, place)
    assert await asyncio.to_thread(worker.start) is None
    answer = made(envelope, worker, 7, RAW)
    expected = prepare(RAW, tools(), masker, lambda step: None)
    assert isinstance(answer, Prepared) and answer.masked is not None
    assert (answer.masked, answer.noticed, answer.hidden) == (expected.masked, expected.noticed, expected.hidden)
    assert [chunk.draft for chunk in answer.chunks] == [chunk.draft for chunk in expected.chunks]
    assert all(np.array_equal(a.dense, b.dense) for a, b in zip(answer.chunks, expected.chunks, strict=True))


async def test_nothing_of_a_document_or_a_key_can_be_read_in_what_ray_is_handed(masker: TenantMasking) -> None:
    worker, envelope, order = await ordered(masker, place)
    await asyncio.to_thread(worker.start)
    sealed = envelope.seal("raw 0", RAW)
    seen = pickle.dumps(order) + sealed + worker.prepare(0, sealed)
    assert not [word for word in WORDS if word in seen]
    assert all(key not in seen for key in (MASTER._key, masker._digests))  # type: ignore[attr-defined] # what it hides
    opened = pickle.dumps(envelope.open("raw 0", sealed))
    assert b"canteen" in opened, "the words are there for whoever has the key"


async def test_an_envelope_opens_only_as_what_it_was_sealed_as_and_only_with_its_key() -> None:
    key, _ = await new_key(MASTER)
    envelope = Envelope(key)
    sealed = envelope.seal("raw 1", RAW)
    assert envelope.open("raw 1", sealed) == RAW
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for opener, about, what in (
        (envelope, "raw 2", sealed),
        (envelope, "raw 1", changed),
        (Envelope(b"x" * 32), "raw 1", sealed),
    ):
        with pytest.raises(Damaged) as caught:
            opener.open(about, what)
        assert caught.value.code == "engine_damaged"


async def test_a_node_that_would_make_something_else_or_has_another_master_key_is_not_used(
    masker: TenantMasking,
) -> None:
    worker, _, _ = await ordered(masker, place, made="another version")
    assert ((await asyncio.to_thread(worker.start)) or ("", ""))[0] == "engine_differs"
    worker, _, _ = await ordered(masker, partial(place, keys=MasterKey.of(b"x" * 32, "a node")))
    assert ((await asyncio.to_thread(worker.start)) or ("", ""))[0] == "engine_key"
    with pytest.raises(RuntimeError, match="not started"):
        worker.prepare(0, b"")


async def test_what_fails_in_a_worker_is_told_without_words_of_the_document(masker: TenantMasking) -> None:
    """A refusal comes back as what it is; an error that nobody foresaw by its name."""
    worker, envelope, _ = await ordered(masker, partial(place, Failing()))
    await asyncio.to_thread(worker.start)
    assert made(envelope, worker, 0, RAW) == Broken("ValueError")
    worker, envelope, _ = await ordered(masker, place)
    await asyncio.to_thread(worker.start)
    empty = Raw(b"%PDF-1.4 broken", "broken.pdf", HiddenPolicy({}))
    refused = made(envelope, worker, 1, empty)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.sentence) == (Reason.BROKEN, Refused(Reason.BROKEN).sentence)


def test_an_engine_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RINGFENCE_DATA_DIR", str(tmp_path / "data"))
    assert main(["ingest", str(tmp_path), "--tenant", TENANT, "--engine", "ray"]) == 2
    assert "pip install 'ringfence[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "data").exists(), "before anything is opened"
    assert main(["ingest", str(tmp_path), "--tenant", TENANT, "--engine", "ray", "--enqueue"]) == 2
    assert "--engine" in capsys.readouterr().err
