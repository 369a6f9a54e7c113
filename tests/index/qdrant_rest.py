"""A part of a Qdrant server's REST interface on loopback: it keeps what collections were made with, and no points.

What it answers is put together from the client's own models, so that what the client could not read fails here.
"""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from qdrant_client import models

_OPTIMIZERS = models.OptimizersConfig(
    deleted_threshold=0.2, vacuum_min_vector_number=1000, default_segment_number=0, flush_interval_sec=5
)
_HNSW = models.HnswConfig(m=16, ef_construct=100, full_scan_threshold=10000)


@dataclass
class QdrantRest:
    """`made` is the body of each collection's making, by name. Replicas named in `lost`, by shard, do not serve."""

    api_key: str
    url: str = ""
    made: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: list[tuple[str, str]] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)

    def answer(self, method: str, path: str, query: str, body: Any) -> Any:
        """The `result` of a call; None where there is no such thing."""
        _, *words = path.split("/")
        if words == ["collections"]:
            return {"collections": [{"name": name} for name in self.made]}
        match [method, *words[1:]]:
            case ["GET", name, "exists"]:
                return {"exists": name in self.made}
            case ["PUT", name]:
                self.made[name] = models.CreateCollection.model_validate(body).model_dump(exclude_none=True)
                self.indexes[name] = {}
                return True
            case ["GET", name] if name in self.made:
                return self._collection(name).model_dump(mode="json", exclude_none=True)
            case ["GET", name, "cluster"] if name in self.made:
                return self._lying(name).model_dump(mode="json")
            case ["PUT", name, "index"]:
                self.indexes[name][body["field_name"]] = {"data_type": body["field_schema"], "points": 0}
            case ["PUT" | "POST", name, "points", *_]:
                self.written.append(("/".join(words[2:]), query))
            case _:
                return None
        return {"operation_id": 0, "status": "completed"}

    def _collection(self, name: str) -> models.CollectionInfo:
        params = {key: value for key, value in self.made[name].items() if key in models.CollectionParams.model_fields}
        return models.CollectionInfo(
            status=models.CollectionStatus.GREEN,
            optimizer_status=models.OptimizersStatusOneOf.OK,
            segments_count=1,
            config=models.CollectionConfig(
                params=models.CollectionParams.model_validate(params),
                hnsw_config=_HNSW,
                optimizer_config=_OPTIMIZERS,
            ),
            payload_schema=self.indexes[name],
        )

    def _lying(self, name: str) -> models.CollectionClusterInfo:
        """Each shard once here, and its other replicas elsewhere."""
        shards, replicas = self.made[name]["shard_number"], self.made[name]["replication_factor"]
        elsewhere = [(shard, peer) for shard in range(shards) for peer in range(1, replicas)]
        dead, active = models.ReplicaState.DEAD, models.ReplicaState.ACTIVE
        return models.CollectionClusterInfo(
            peer_id=0,
            shard_count=shards,
            local_shards=[
                models.LocalShardInfo(shard_id=shard, points_count=0, state=active) for shard in range(shards)
            ],
            remote_shards=[
                models.RemoteShardInfo(shard_id=shard, peer_id=peer, state=dead if shard in self.lost else active)
                for shard, peer in elsewhere
            ],
            shard_transfers=[],
        )


@contextmanager
def qdrant_rest(api_key: str, certificate: tuple[Path, Path] | None = None) -> Iterator[QdrantRest]:
    """The server, on a free port of loopback; with `certificate` (its file, and its key's) it speaks TLS."""
    rest = QdrantRest(api_key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
            path, _, query = self.path.partition("?")
            if self.headers.get("api-key") != rest.api_key:
                return self._reply(401, {"status": {"error": "no key"}})
            if path in ("/", ""):
                return self._reply(200, {"title": "qdrant", "version": "1.19.0"})
            if path == "/readyz":
                return self._reply(200, {})
            result = rest.answer(self.command, path, query, body)
            if result is None:
                return self._reply(404, {"status": {"error": "not there"}})
            return self._reply(200, {"time": 0.0, "status": "ok", "result": result})

        do_GET = do_PUT = do_POST = _serve

        def _reply(self, status: int, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    rest.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield rest
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
