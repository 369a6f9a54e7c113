"""A compose file of a Qdrant cluster, to be given to Docker behind `deploy/compose.yaml`.

What it starts is the `qdrant` service of that file, as the first of several nodes under one name.
"""

from dataclasses import dataclass
from typing import Any

import yaml

IMAGE = "qdrant/qdrant:v1.19.0"
"""The one of `deploy/compose.yaml`: nodes of a cluster have one version."""
P2P_PORT = 6335

_HEAD = """\
# A Qdrant cluster of {nodes} nodes. Written by `ringfence deploy qdrant`; goes with deploy/compose.yaml:
#   docker compose -f deploy/compose.yaml -f deploy/{name} up -d
# In deploy/.env, before the first document is ingested (a collection keeps what it was made with):
#   QDRANT_SHARDS={shards}
#   QDRANT_REPLICAS={replicas}
#   QDRANT_WRITE_CONSISTENCY={write_consistency}
{url}# `ringfence doctor` says where collections differ from that, and which replicas are not serving.
#
# The service reaches whichever node answers to the name "qdrant"; each knows where every shard lies.
# Port {port} has no key: whoever reaches it can write. It is on the internal network alone, as are the others.
# On one machine the nodes outlive a process that ends, not the machine: for that, start each on a machine of its
# own, where the names qdrant-1 ... qdrant-{nodes} resolve to them.
# A first node that lost its volume must not start as it stands here, it would be a cluster of its own: give it
# "--bootstrap {scheme}://qdrant-2:{port}" first.
"""
_TLS_HEAD = """\
#   QDRANT_URL=https://qdrant:6333
# deploy/qdrant-tls holds cert.pem, key.pem (readable by the containers' user) and cacert.pem. The certificate names
# qdrant and qdrant-1 ... qdrant-{nodes}; both ports speak TLS. The service needs the authority, mounted, as
# RINGFENCE_INDEX__CA_FILE.
"""
_TLS = {
    "QDRANT__SERVICE__ENABLE_TLS": "true",
    "QDRANT__CLUSTER__P2P__ENABLE_TLS": "true",
    "QDRANT__TLS__CERT": "/qdrant/tls/cert.pem",
    "QDRANT__TLS__KEY": "/qdrant/tls/key.pem",
    "QDRANT__TLS__CA_CERT": "/qdrant/tls/cacert.pem",
}


@dataclass(frozen=True, slots=True)
class Nodes:
    """What is asked for. Beside `nodes`, what collections are made with: `replicas` is at most `nodes`."""

    nodes: int
    shards: int
    replicas: int
    write_consistency: int
    tls: bool


def compose_file(wanted: Nodes, name: str) -> str:
    """The file as text, which `name` stands for in its own words. It holds no secret."""
    scheme = "https" if wanted.tls else "http"
    head = _HEAD.format(
        nodes=wanted.nodes,
        name=name,
        shards=wanted.shards,
        replicas=wanted.replicas,
        write_consistency=wanted.write_consistency,
        url=_TLS_HEAD.format(nodes=wanted.nodes) if wanted.tls else "",
        scheme=scheme,
        port=P2P_PORT,
    )
    services = {_service(number): _node(number, scheme, tls=wanted.tls) for number in range(1, wanted.nodes + 1)}
    volumes: dict[str, Any] = {_service(number): {} for number in range(1, wanted.nodes + 1)}
    content = {"services": services, "networks": {"back": {"internal": True}}, "volumes": volumes}
    return head + yaml.safe_dump(content, sort_keys=False, width=120)


def _service(number: int) -> str:
    """The first node is the one that is there already, with its volume."""
    return "qdrant" if number == 1 else f"qdrant-{number}"


def _node(number: int, scheme: str, *, tls: bool) -> dict[str, Any]:
    command = ["./qdrant", "--uri", f"{scheme}://qdrant-{number}:{P2P_PORT}"]
    if number > 1:
        command += ["--bootstrap", f"{scheme}://qdrant-1:{P2P_PORT}"]
    environment = {
        "QDRANT__SERVICE__API_KEY": "${QDRANT_API_KEY:?set it in deploy/.env}",
        "QDRANT__TELEMETRY_DISABLED": "true",
        "QDRANT__CLUSTER__ENABLED": "true",
        "QDRANT__CLUSTER__P2P__PORT": str(P2P_PORT),
        **(_TLS if tls else {}),
    }
    return {
        "image": IMAGE,
        "restart": "unless-stopped",
        "command": command,
        "environment": environment,
        "volumes": [f"{_service(number)}:/qdrant/storage", *(["./qdrant-tls:/qdrant/tls:ro"] if tls else [])],
        "networks": {"back": {"aliases": list(dict.fromkeys(["qdrant", f"qdrant-{number}"]))}},
        **({} if number == 1 else {"depends_on": {"qdrant": {"condition": "service_started"}}}),
    }
