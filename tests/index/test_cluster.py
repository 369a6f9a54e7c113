"""What is asked of a Qdrant cluster, over HTTP on loopback: its local mode ignores how collections are spread."""

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr, ValidationError

from policies.rules import Attributes, Level
from rag.api.commands.diagnosis import _index
from rag.api.commands.finding import GOOD, LOOK
from rag.api.probes import reach_index_server
from rag.errors import IndexUnavailable, Misuse
from rag.index.cluster import spread
from rag.index.lexical import LexicalEncoder
from rag.index.payload import payload_of
from rag.index.store import Point
from rag.index.stores import open_stores
from rag.settings import IndexSettings, Settings
from tests.index.qdrant_rest import QdrantRest, qdrant_rest
from tests.index.worlds import chunk

pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")

KEY = "made-up-key"


@pytest.fixture
def server() -> Iterator[QdrantRest]:
    with qdrant_rest(KEY) as rest:
        yield rest


def index(server: QdrantRest, **changes: Any) -> IndexSettings:
    return IndexSettings(kind="server", url=server.url, api_key=SecretStr(KEY), timeout_s=10, **changes)


async def made(settings: IndexSettings) -> None:
    stores = open_stores(Settings(index=settings), 4)
    await stores.get("acme")
    await stores.close()


async def test_a_new_collection_is_spread_as_the_settings_say(server: QdrantRest) -> None:
    await made(index(server, shards=4, replicas=3, write_consistency=2))
    ((name, params),) = server.made.items()
    assert name.startswith("ringfence_")
    asked = ("shard_number", "replication_factor", "write_consistency_factor")
    assert [params[one] for one in asked] == [4, 3, 2]
    assert {"tenant", "department", "level"} <= server.indexes[name].keys()


async def test_without_settings_it_has_one_shard_on_one_node(server: QdrantRest) -> None:
    """A server counts term statistics by shard."""
    await made(index(server))
    (params,) = server.made.values()
    assert (params["shard_number"], params["replication_factor"], params["write_consistency_factor"]) == (1, 1, 1)


async def test_every_write_is_ordered_and_waited_for(server: QdrantRest) -> None:
    """Else two writers of one point could leave each replica with another of both."""
    stores = open_stores(Settings(index=index(server)), 4)
    store = await stores.get("acme")
    labels = Attributes(tenant="acme", document="d1", department="sales", level=Level.INTERNAL)
    payload = payload_of(labels, version="v1", attribute_version=1, policy_epoch=1)
    vector = np.array([1, 0, 0, 0], dtype=np.float32)
    await store.upsert([Point(chunk(1), vector, LexicalEncoder().encode_passage("a memo"), payload)])
    await store.set_payload({chunk(1): payload})
    await store.delete([chunk(1)])
    await stores.close()
    assert len(server.written) == 3
    assert all("wait=true" in query and "ordering=medium" in query for _, query in server.written)


async def test_a_collection_that_lies_otherwise_than_the_settings_say_is_told_and_left(server: QdrantRest) -> None:
    await made(index(server))
    before = dict(server.made)
    wanted = index(server, shards=2, replicas=3, write_consistency=2)
    await made(wanted)
    found = await spread(wanted)
    (name,) = server.made
    assert server.made == before
    assert found.collections == 1
    assert found.differences == (
        f"{name} was made with 1, index.shards is 2",
        f"{name} was made with 1, index.replicas is 3",
        f"{name} was made with 1, index.write_consistency is 2",
        f"{name}: 1 of 3 replicas of shard 0 are serving",
    )


async def test_a_lost_replica_is_told_and_a_whole_cluster_is_not(server: QdrantRest) -> None:
    wanted = index(server, shards=2, replicas=2)
    await made(wanted)
    assert (await spread(wanted)).differences == ()
    server.lost.add(1)
    (name,) = server.made
    assert (await spread(wanted)).differences == (f"{name}: 1 of 2 replicas of shard 1 are serving",)


def test_doctor_shows_where_collections_differ(server: QdrantRest) -> None:
    server.made["somebody_elses"] = {}
    settings = Settings(index=index(server, replicas=2))
    assert _index(settings).state == GOOD
    server.answer("PUT", "/collections/ringfence_old", "", {"shard_number": 1, "replication_factor": 1})
    finding = _index(settings)
    assert finding.state == LOOK
    assert "index.replicas is 2" in finding.detail


async def test_a_wrong_key_is_no_answer(server: QdrantRest) -> None:
    wrong = index(server).model_copy(update={"api_key": SecretStr("another")})
    with pytest.raises(IndexUnavailable):
        await made(wrong)
    await made(index(server))


def test_more_copies_than_there_are_cannot_be_asked_for() -> None:
    with pytest.raises(ValidationError, match="RINGFENCE_INDEX__WRITE_CONSISTENCY"):
        IndexSettings(replicas=1, write_consistency=2)
    assert IndexSettings(replicas=2, write_consistency=2).replicas == 2


async def test_a_server_with_a_certificate_of_ones_own_is_believed_only_by_its_authority(tmp_path: Path) -> None:
    certificate = _certificate(tmp_path)
    with qdrant_rest(KEY, certificate) as server:
        with pytest.raises(IndexUnavailable):
            await made(index(server))
        with pytest.raises(IndexUnavailable):
            await reach_index_server(index(server))
        believing = index(server, ca_file=certificate[0])
        await reach_index_server(believing)
        await made(believing)
        assert len(server.made) == 1


async def test_a_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(Misuse, match="RINGFENCE_INDEX__CA_FILE"):
        open_stores(Settings(index=IndexSettings(kind="server", url="https://q", ca_file=tmp_path / "ca.pem")), 4)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "qdrant")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
    return paths
